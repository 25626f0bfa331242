package wal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/record"
)

// TestFailedSyncPoisonsOneLog shows that a failed sync is final for its log
// and that its neighbour goes on.
func TestFailedSyncPoisonsOneLog(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	faulty := errorfs.New(disk)
	var poisoned []string
	d := openDir(t, "/data", Options{FS: faulty, Backend: BackendHeap, Events: EventListener{
		Poisoned: func(log uint64, err error) { poisoned = append(poisoned, fmt.Sprint(log, " ", err)) },
	}})
	sick, well := openLog(t, d, 1, LogOptions{}), openLog(t, d, 2, LogOptions{})
	mustAppend(t, sick, 1, 5, 100)
	mustAppend(t, well, 1, 5, 100)
	// The file keeps the name it was opened by.
	faulty.Fail(errorfs.Rule{Operations: []vfs.Operation{vfs.OperationSync}, Pattern: "spare-*", Nth: 1, Err: syscall.EIO})
	if _, err := sick.Append(context.Background(), makeRecords(6, 1, 100), none); !errors.Is(err, failure.Poisoned) || !errors.Is(err, syscall.EIO) {
		t.Errorf("append: %v, want failure.Poisoned over EIO", err)
	}
	// The device works again: that proves nothing about the lost pages.
	if _, err := sick.Append(context.Background(), makeRecords(6, 1, 100), none); !errors.Is(err, failure.Poisoned) {
		t.Errorf("append after the fault: %v, want failure.Poisoned", err)
	}
	wantRecords(t, readAll(t, sick, record.TrimHorizon()), 1, 5)
	mustAppend(t, well, 6, 1, 100)
	if len(poisoned) != 1 || !strings.HasPrefix(poisoned[0], "1 ") {
		t.Errorf("events: %q", poisoned)
	}
	if !sick.Stats().ReadOnly || well.Stats().ReadOnly {
		t.Errorf("read-only: the sick log %v, the well one %v", sick.Stats().ReadOnly, well.Stats().ReadOnly)
	}
}

// TestFailedSyncBehindIsFinal fails the sync of a segment that a log of a weak
// durability left behind: nobody may try it again.
func TestFailedSyncBehindIsFinal(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	faulty := errorfs.New(disk)
	d := openDir(t, "/data", Options{FS: faulty, Backend: BackendHeap, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10})
	l := openLog(t, d, 1, LogOptions{Durability: record.None})
	mustAppend(t, l, 1, 1, 1000)
	// The file keeps the name it was opened by. Its header was synced before: the
	// next sync is that of the frames, when the segment is left behind.
	first := sparePrefix + "1" + spareSuffix
	faulty.Fail(errorfs.Rule{Operations: []vfs.Operation{vfs.OperationSync}, Pattern: first, Nth: 1, Err: syscall.EIO})
	appended := 1
	for ; appended < 30; appended++ {
		if _, err := l.Append(context.Background(), makeRecords(appended+1, 1, 1000), none); err != nil {
			break
		}
	}
	if err := l.WaitDurable(context.Background(), 1); !errors.Is(err, failure.Poisoned) {
		t.Errorf("waiting for the device: %v, want failure.Poisoned", err)
	}
	if err := l.TrimBefore(5); !errors.Is(err, syscall.EIO) {
		t.Errorf("trim: %v, want the error of the sync", err)
	}
	if s := l.Stats(); s.Durable != 0 {
		t.Errorf("record %d is called durable after a failed sync", s.Durable)
	}
	c, err := l.Cursor(record.Latest())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	waited := make(chan error, 1)
	go func() { waited <- c.Wait(context.Background()) }()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waited; !errors.Is(err, failure.Closed) {
		t.Errorf("a cursor at the tail of a poisoned log that is closed: %v, want failure.Closed", err)
	}
}

// TestFailedRewriteNeverForks fails each call of a manifest's rewriting. After
// one that leaves two names in doubt nothing is added to the old file, so that
// whichever an open finds holds everything that was acknowledged.
func TestFailedRewriteNeverForks(t *testing.T) {
	big := make([]byte, 100<<10)
	for _, operation := range []vfs.Operation{vfs.OperationOpen, vfs.OperationWrite, vfs.OperationAllocate, vfs.OperationSync, vfs.OperationRename, vfs.OperationSyncDir, vfs.OperationRemove} {
		disk := crashfs.New(crashfs.Options{})
		faulty := errorfs.New(disk)
		d, err := OpenDir("/data", Options{FS: faulty, Backend: BackendHeap})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.CreateLogs(1); err != nil {
			t.Fatal(err)
		}
		rule := errorfs.Rule{Operations: []vfs.Operation{operation}, Nth: 1, Err: syscall.EIO}
		switch operation {
		case vfs.OperationOpen, vfs.OperationWrite, vfs.OperationAllocate, vfs.OperationSync:
			rule.Pattern = manifestTemp // of the new file, not of the old one
		}
		fault := faulty.Fail(rule)
		if operation == vfs.OperationSyncDir {
			// The new name is there and in doubt, and no later rewriting
			// replaces it.
			faulty.Fail(errorfs.Rule{Operations: []vfs.Operation{vfs.OperationOpen}, Pattern: manifestTemp, Nth: 2, Sticky: true, Err: syscall.EIO})
		}
		noted := uint64(0)
		for i := uint64(1); i <= 30; i++ {
			if d.manifest.commit(edit{kind: editProducersKnown, log: 1, fields: [4]uint64{i}, table: big}) != nil {
				break
			}
			noted = i
		}
		disk.Kill()
		_ = d.Close()
		_, logs, err := readManifest(disk, "/data")
		if err != nil {
			t.Fatalf("%v: %v", operation, err)
		}
		if !fault.Fired() {
			t.Errorf("%v: the fault was not reached", operation)
		}
		if got := logs[1].producersNext; got < noted {
			t.Errorf("%v: edit %d was acknowledged, the manifest in force ends with %d", operation, noted, got)
		}
	}
}
