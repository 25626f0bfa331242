package wal

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

const (
	fullLoops       = 30
	fullLoopsShort  = 3
	fullDeviceBytes = 48 << 20
)

// fullLoopsWanted is how many times to fill a file system.
func fullLoopsWanted(t *testing.T) int {
	t.Helper()
	text, found := os.LookupEnv("MILLRACE_FULL_LOOPS")
	switch {
	case found:
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("MILLRACE_FULL_LOOPS: %v", err)
		}
		return n
	case testing.Short():
		return fullLoopsShort
	}
	return fullLoops
}

// unmounted unmounts dir after the test.
func unmounted(t *testing.T, dir string) string {
	t.Helper()
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// smallTmpfs mounts one.
func smallTmpfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(fullDeviceBytes)); err != nil {
		t.Skipf("SKIPPED: there is no small tmpfs to fill: mounting one needs root: %v", err)
	}
	return unmounted(t, dir)
}

// smallExt4 makes an ext4 file system in a file and mounts it. It keeps nothing
// back for root, so that full is full.
func smallExt4(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: there is no small ext4 to fill: mounting one needs root")
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, fullDeviceBytes); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"mkfs.ext4", "-q", "-F", "-m", "0", image},
		{"mount", "-o", "loop", image, dir},
	} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: there is no small ext4 to fill: %v: %v %s", command, err, out)
		}
	}
	return unmounted(t, dir)
}

// takeAll puts everything that is left of the file system into a file.
func takeAll(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size := int64(0)
	for step := int64(8 << 20); step >= 4096; {
		err := unix.Fallocate(int(file.Fd()), 0, size, step)
		switch {
		case err == nil:
			size += step
		case errors.Is(err, syscall.ENOSPC):
			step /= 2
		case !errors.Is(err, syscall.EINTR):
			t.Fatal(err)
		}
	}
}

// TestFullDiskAgainAndAgain fills a real file system to its last block while
// many logs are at random places of their segments, through real mappings:
// appends are refused by name and nothing faults; reads go on; trims make room,
// and appends use it; and when the rest is given back everything goes on
// without a restart. Nothing that was acknowledged is ever missing.
func TestFullDiskAgainAndAgain(t *testing.T) {
	for name, c := range map[string]struct {
		mount func(*testing.T) string
		logs  int
		slow  int // one in how many loops, where a sync takes time
	}{
		"tmpfs": {smallTmpfs, 100, 1},
		"ext4":  {smallExt4, 20, 5},
	} {
		t.Run(name, func(t *testing.T) {
			dir := c.mount(t)
			loops := max(fullLoopsWanted(t)/c.slow, 1)
			random := rand.New(rand.NewPCG(uint64(loops), 4))
			o := Options{SegmentBytesMin: crowdSegment, SegmentBytesMax: 4 * crowdSegment, StagingBytes: 4 << 10}
			data, ballast := filepath.Join(dir, "data"), filepath.Join(dir, "ballast")
			logs := LogOptions{Durability: record.Group}
			full := openCrowd(t, data, o, c.logs, logs)
			refused, trimmed := 0, 0
			for loop := range loops {
				full.appendSome(t, random, 1+random.IntN(12))
				takeAll(t, ballast)
				refused += full.fill(t)
				full.verify(t)
				trimmed += full.trim(t, random)
				full.verify(t)
				if err := os.Remove(ballast); err != nil {
					t.Fatal(err)
				}
				full.appendSome(t, random, 1)
				if loop%10 == 9 {
					if err := full.dir.Close(); err != nil {
						t.Fatal(err)
					}
					full = full.again(openCrowd(t, data, o, c.logs, logs))
				}
				full.verify(t)
			}
			total := 0
			for _, acked := range full.acked {
				total += acked
			}
			t.Logf("%d loops, %d logs, %d records acknowledged, %d refusals, %d trims on the full disk: 0 lost", loops, c.logs, total, refused, trimmed)
			if err := full.dir.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestFullDiskAndDirectories rolls on a full ext4 whose directories are about
// to need another block: that the name of a segment finds no room must be met
// before a record has its number.
func TestFullDiskAndDirectories(t *testing.T) {
	dir := smallExt4(t)
	random := rand.New(rand.NewPCG(1, 4))
	o := Options{SegmentBytesMin: crowdSegment, SegmentBytesMax: crowdSegment, StagingBytes: 4 << 10}
	ballast := filepath.Join(dir, "ballast")
	full := openCrowd(t, filepath.Join(dir, "data"), o, 8, LogOptions{Durability: record.None}) // fewer syncs, as many rolls
	for range 15 {
		full.appendSome(t, random, 16)
		takeAll(t, ballast)
		full.fill(t)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	full.verify(t)
}

// appendSome appends up to n records to each log of a disk that has room.
func (c *crowd) appendSome(t *testing.T, random *rand.Rand, n int) {
	t.Helper()
	for i := range c.logs {
		for range 1 + random.IntN(n) {
			if err := c.append(i); err != nil {
				t.Fatalf("log %d, after room was made: %v", i+1, err)
			}
		}
	}
}

// trim lets half of the logs go of what they can, and append to what that made
// room for, if another log has not been faster.
func (c *crowd) trim(t *testing.T, random *rand.Rand) (trims int) {
	t.Helper()
	for i, l := range c.logs {
		if random.IntN(2) == 0 {
			continue
		}
		if err := l.TrimBefore(l.Next()); err != nil {
			t.Fatalf("trim log %d: %v", i+1, err)
		}
		trims++
		if err := c.append(i); err != nil && !errors.Is(err, failure.NoSpace) {
			t.Fatalf("log %d after a trim: %v", i+1, err)
		}
	}
	return trims
}
