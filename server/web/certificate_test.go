package web_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/server/web"
)

// TestSelfSignedAfterPowerLoss: wherever the power goes while a certificate is made, the next start has
// one; and the one that was returned before, if it was.
func TestSelfSignedAfterPowerLoss(t *testing.T) {
	if violations := losePower(t, crashfs.New(crashfs.Options{}), nil); violations > 0 {
		t.Errorf("%d images are wrong", violations)
	}
	// Without the syncs of directories there are images that are.
	lying := func(fsys vfs.FS) vfs.FS { return noDirectorySync{fsys} }
	if violations := losePower(t, crashfs.New(crashfs.Options{}), lying); violations == 0 {
		t.Error("directories that are not synced were not noticed")
	}
}

// noDirectorySync forgets the syncs of directories.
type noDirectorySync struct{ vfs.FS }

func (noDirectorySync) SyncDir(string) error { return nil }

// losePower makes a certificate and counts the images of the disk, before each of its calls and in the
// end, with which the next start goes wrong.
func losePower(t *testing.T, disk *crashfs.FS, wrapped func(vfs.FS) vfs.FS) (violations int) {
	const dir, images = "/data/tls", 50
	now, random := time.Unix(1_700_000_000, 0), rand.New(rand.NewPCG(1, 2))
	if err := disk.MkdirAll("/data", 0o750); err != nil {
		t.Fatal(err)
	}
	disk.SyncAll()
	judge := func(made []byte) {
		for range images {
			again, err := web.SelfSigned(disk.Crash(random), dir, now)
			if err != nil || made != nil && !bytes.Equal(again.Certificate[0], made) {
				violations++
			}
		}
	}
	disk.SetHook(func(vfs.Call) { judge(nil) })
	var fsys vfs.FS = disk
	if wrapped != nil {
		fsys = wrapped(disk)
	}
	made, err := web.SelfSigned(fsys, dir, now)
	if err != nil {
		t.Fatal(err)
	}
	judge(made.Certificate[0])
	return violations
}
