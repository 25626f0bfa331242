package wal

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/record"
)

// TestAppendEachMayBeCutAnywhere appends records over several segments at once.
func TestAppendEachMayBeCutAnywhere(t *testing.T) {
	disk, d, l := heap(t, Options{SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10, StagingBytes: 4 << 10}, LogOptions{})
	if r, err := l.AppendEach(context.Background(), makeRecords(1, 100, 700)); err != nil || r.First != 1 || r.Last != 100 {
		t.Fatal(r, err)
	}
	if _, err := l.AppendEach(context.Background(), nil); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("nothing: %v, want failure.InvalidArgument", err)
	}
	mustCut(t, l, 51)
	_, l = cutPower(t, disk, d)
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, 51)
}

// TestAppendEachOnAFullDisk says which records have a place, and they get there.
func TestAppendEachOnAFullDisk(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	faulty := errorfs.New(disk)
	d := openDir(t, "/data", Options{FS: faulty, Backend: BackendHeap, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10})
	l := openLog(t, d, 1, LogOptions{})
	mustAppend(t, l, 1, 1, 700)
	faulty.Fail(errorfs.Rule{Operations: []vfs.Operation{vfs.OperationAllocate}, Nth: 2, Sticky: true, Err: syscall.ENOSPC})
	r, err := l.AppendEach(context.Background(), makeRecords(2, 100, 700))
	if !errors.Is(err, failure.NoSpace) || r.First != 2 || r.Last < 2 {
		t.Fatalf("got %v and %v, want failure.NoSpace", r, err)
	}
	if err := l.WaitDurable(context.Background(), r.Last); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, int(r.Last))
	mustCut(t, l, 1)
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, 1)
}

// TestCutAfterASegmentCouldNotBegin: the append that failed has left the segment
// before it, which nobody sealed.
func TestCutAfterASegmentCouldNotBegin(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	faulty := errorfs.New(disk)
	d := openDir(t, "/data", Options{FS: faulty, Backend: BackendHeap, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10})
	l := openLog(t, d, 1, LogOptions{})
	mustAppend(t, l, 1, 1, 700)
	waitIdle(l)
	faulty.Fail(errorfs.Rule{Operations: []vfs.Operation{vfs.OperationWrite}, Pattern: sparePrefix + "2" + spareSuffix, Nth: 1, Err: syscall.EIO})
	if r, err := l.AppendEach(context.Background(), makeRecords(2, 100, 700)); err == nil || r.First != 2 {
		t.Fatalf("got %v and %v, want the error of a header", r, err)
	}
	mustCut(t, l, 1)
	mustAppend(t, l, 2, 1, 700)
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, 2)
}
