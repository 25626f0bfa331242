package wal

import (
	"errors"
	"testing"

	"github.com/millrace-io/millrace/failure"
)

// TestFirstRecordOfAManifestCannotBeTorn: an opening writes what it knows as one
// record, and syncs it before the file has its name. Damage to it must not pass
// for the torn end of a write, after which no log would be known and all their
// files were leftovers.
func TestFirstRecordOfAManifestCannotBeTorn(t *testing.T) {
	disk, d, l := heap(t, Options{}, LogOptions{})
	mustAppend(t, l, 1, 10, 100)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenDir("/data", d.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, disk, "/data/MANIFEST-2", manifestHeaderSize+20)
	if _, err := OpenDir("/data", d.options); !errors.Is(err, failure.Corrupt) {
		t.Errorf("open: %v, want failure.Corrupt", err)
	}
	if _, err := OpenDirReadOnly("/data", d.options); !errors.Is(err, failure.Corrupt) {
		t.Errorf("open read-only: %v, want failure.Corrupt", err)
	}
	if len(segmentFiles(t, disk)) == 0 {
		t.Error("the segments are gone")
	}
}
