package machine

import (
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDescribe(t *testing.T) {
	dir := t.TempDir()
	m, err := Describe(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Cores != runtime.NumCPU() || m.Go != runtime.Version() || m.SyncP50 <= 0 || m.SyncP99 < m.SyncP50 {
		t.Errorf("got %+v", m)
	}
	if runtime.GOOS == "linux" && (m.Memory <= 0 || m.FileSystem == "" || m.FreeBytes <= 0 || m.Kernel == "Linux ") {
		t.Errorf("got %+v", m)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
	if _, err := Describe(t.Context(), dir+"/missing"); err == nil {
		t.Error("a missing directory is no error")
	}
}

func TestMountOf(t *testing.T) {
	const mounts = `/dev/a / ext4 rw,relatime 0 0
tmpfs /data tmpfs rw 0 0
/dev/b /data/with\040space xfs rw,noatime 0 0
/dev/c /database ext2 ro 0 0
short line
`
	for dir, want := range map[string][3]string{
		"/":                    {"/dev/a", "ext4", "rw,relatime"},
		"/datafile":            {"/dev/a", "ext4", "rw,relatime"},
		"/data/x":              {"tmpfs", "tmpfs", "rw"},
		"/data/with space/x/y": {"/dev/b", "xfs", "rw,noatime"},
	} {
		source, kind, options := mountOf(mounts, dir)
		if got := [3]string{source, kind, options}; got != want {
			t.Errorf("%s is on %q, want %q", dir, got, want)
		}
	}
}

func TestMeasureLimits(t *testing.T) {
	dir := t.TempDir()
	limits, err := MeasureLimits(t.Context(), dir, 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, l := range limits {
		if l.Value <= 0 || l.Unit == "" || seen[l.Name] {
			t.Errorf("got %+v", l)
		}
		seen[l.Name] = true
	}
	wanted := []string{
		"memcpy", "pwrite-1KiB", "pwrite-64KiB", "pwrite-1MiB", "fresh-pwrite-6400B", "fresh-pwrite-64KiB", "fresh-pwrite-1MiB",
		"fresh-sync-write-64KiB", "fresh-sync-write-1MiB",
		"fdatasync-4KiB", "fdatasync-4KiB-16-files", "sync-write-64KiB", "sync-write-1MiB", "loopback-round-trip", "loopback-stream",
	}
	if runtime.GOOS == "linux" {
		wanted = append(wanted, "mapped-write", "crc32c-scan")
	}
	for _, name := range wanted {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := MeasureLimits(ended, dir, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}
