package inspect

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
	"github.com/millrace-io/millrace/wal"
)

// write appends batches of two records to log 1 of dir and leaves it open.
func write(t *testing.T, dir string, batches int) (*wal.Dir, *wal.Log) {
	t.Helper()
	directory, err := wal.OpenDir(dir, wal.Options{SegmentBytesMin: 64 << 10, SegmentBytesMax: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { directory.Close() })
	if len(directory.Logs()) == 0 {
		if err := directory.CreateLogs(1); err != nil {
			t.Fatal(err)
		}
	}
	log, err := directory.OpenLog(1, wal.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range batches {
		records := []record.Record{
			{PartitionKey: "a", Data: make([]byte, 1000)},
			{PartitionKey: "b", Data: []byte("short")},
		}
		if _, err := log.Append(context.Background(), records, protocol.Producer{}); err != nil {
			t.Fatal(err)
		}
	}
	return directory, log
}

// findings collects a report.
type findings struct{ all []any }

func (f *findings) emit(finding any) error {
	f.all = append(f.all, finding)
	return nil
}

// of returns the findings of one type.
func of[T any](f *findings) []T {
	var found []T
	for _, finding := range f.all {
		if one, ok := finding.(T); ok {
			found = append(found, one)
		}
	}
	return found
}

// segments lists the segment files of log 1.
func segments(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "log-1", "*.seg"))
	if err != nil || len(files) == 0 {
		t.Fatalf("segments of %s: %v, %v", dir, files, err)
	}
	return files
}

func TestReportBesideALiveWriter(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 100) // about 108 KiB: one roll
	files := segments(t, dir)

	var sealed, active findings
	if err := Segment(files[0], true, sealed.emit); err != nil {
		t.Fatal(err)
	}
	if err := Segment(files[len(files)-1], false, active.emit); err != nil {
		t.Fatal(err)
	}
	header, footer, tail := of[Header](&sealed), of[Footer](&sealed), of[Tail](&sealed)
	if len(header) != 1 || header[0].Log != 1 || header[0].BaseSequence != 1 || header[0].Capacity != 64<<10 {
		t.Errorf("header %+v", header)
	}
	if len(footer) != 1 || footer[0].FirstSequence != 1 || uint64(footer[0].Records) != footer[0].LastSequence {
		t.Errorf("footer %+v", footer)
	}
	if len(tail) != 1 || tail[0].State != TailSealed || tail[0].Next != footer[0].LastSequence+1 {
		t.Errorf("tail %+v, footer %+v", tail, footer)
	}
	var records int
	var types []string
	for _, frame := range of[Frame](&sealed) {
		records += frame.Records
		if !frame.CRC {
			t.Errorf("frame %+v", frame)
		}
		types = append(types, frame.Type)
	}
	if records != int(footer[0].Records) || types[0] != "DATA" || types[len(types)-1] != "FOOTER" {
		t.Errorf("%d records in frames %v, footer %+v", records, types, footer)
	}
	if frames := of[Frame](&active); len(frames) != 0 {
		t.Errorf("a summary shows %d frames", len(frames))
	}
	if tail := of[Tail](&active); len(tail) != 1 || tail[0].State != TailEmpty || tail[0].Next != 201 {
		t.Errorf("active tail %+v", tail)
	}
}

func TestWALReport(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 100)
	var report findings
	if err := WAL(dir, report.emit); err != nil {
		t.Fatal(err)
	}
	files := segments(t, dir)
	totals := of[Totals](&report)
	if len(totals) != 1 || totals[0].Logs != 1 || totals[0].Records != 200 || totals[0].Segments != len(files) || totals[0].Errors != 0 {
		t.Errorf("totals %+v, %d files", totals, len(files))
	}
	var states []string
	for _, file := range of[SegmentFile](&report) {
		states = append(states, file.State)
	}
	want := slices.Repeat([]string{"sealed"}, len(files)-1)
	if diff := cmp.Diff(append(want, "active"), states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if edits := of[Edit](&report); len(edits) != totals[0].Edits || edits[0].Edit != "log added" || edits[0].Log != 1 {
		t.Errorf("edits %+v", edits)
	}
	logs := of[Log](&report)
	if len(logs) != 1 || logs[0].FirstSequence != 1 || logs[0].NextSequence != 201 || logs[0].Segments != len(files) {
		t.Errorf("logs %+v", logs)
	}
}

// corrupt overwrites bytes of a file.
func corrupt(t *testing.T, path string, offset int64, b ...byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsAFinding(t *testing.T) {
	dir := t.TempDir()
	directory, log := write(t, dir, 20)
	if err := errors.Join(log.Close(), directory.Close()); err != nil {
		t.Fatal(err)
	}
	file := segments(t, dir)[0]
	var good findings
	if err := Segment(file, true, good.emit); err != nil {
		t.Fatal(err)
	}
	frames := of[Frame](&good)
	corrupt(t, file, frames[3].Offset+100, 0xff)
	var bad findings
	if err := Segment(file, true, bad.emit); err != nil {
		t.Fatal(err)
	}
	found, tail := of[Frame](&bad), of[Tail](&bad)
	if len(found) != 4 || found[3].CRC || found[3].Error == "" || found[3].Offset != frames[3].Offset {
		t.Errorf("frames %+v", found)
	}
	if len(tail) != 1 || tail[0].State != TailDamaged || tail[0].End != frames[3].Offset || tail[0].Promise <= tail[0].End {
		t.Errorf("tail %+v", tail)
	}
}

func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 1)
	// As the process that died would leave it: a log that is closed seals it.
	image, err := os.ReadFile(segments(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), filepath.Base(segments(t, dir)[0]))
	if err := os.WriteFile(file, image, 0o600); err != nil {
		t.Fatal(err)
	}
	var good findings
	if err := Segment(file, false, good.emit); err != nil {
		t.Fatal(err)
	}
	end := of[Tail](&good)[0].End
	if state := of[Tail](&good)[0].State; state != TailEmpty {
		t.Fatalf("the tail of a live segment is %s", state)
	}
	corrupt(t, file, end, 80, 0, 0, 0, 1, 2, 3, 4)
	var torn findings
	if err := Segment(file, true, torn.emit); err != nil {
		t.Fatal(err)
	}
	if tail := of[Tail](&torn); len(tail) != 1 || tail[0].State != TailTorn || tail[0].Written != end+8 {
		t.Errorf("tail %+v", tail)
	}
}

func TestWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.seg")
	if err := os.WriteFile(file, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	var none findings
	if err := Segment(file, true, none.emit); !errors.Is(err, failure.NotOurs) {
		t.Errorf("segment: %v", err)
	}
	if err := Segment(file+"x", true, none.emit); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing segment: %v", err)
	}
	if err := WAL(dir, none.emit); !errors.Is(err, failure.NotFound) {
		t.Errorf("directory without a manifest: %v", err)
	}
	if err := WAL(dir+"x", none.emit); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
}

func TestStopsWithTheReceiver(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 3)
	stop := errors.New("enough")
	for n := range 4 {
		left := n
		emit := func(any) error {
			if left == 0 {
				return stop
			}
			left--
			return nil
		}
		if err := Segment(segments(t, dir)[0], true, emit); !errors.Is(err, stop) {
			t.Errorf("segment after %d: %v", n, err)
		}
		left = n
		if err := WAL(dir, emit); !errors.Is(err, stop) {
			t.Errorf("wal after %d: %v", n, err)
		}
	}
}

// TestCompressedSegmentIsShown with what it holds, as if it were not compressed.
func TestCompressedSegmentIsShown(t *testing.T) {
	dir := t.TempDir()
	_, log := write(t, dir, 100)
	file := segments(t, dir)[0]
	var before, after, all findings
	if err := Segment(file, true, before.emit); err != nil {
		t.Fatal(err)
	}
	if err := log.Compress(t.Context(), segment.CodecZstd, math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	if err := Segment(file, true, after.emit); err != nil {
		t.Fatal(err)
	}
	header := of[Header](&after)[0]
	if header.Codec != "zstd" || header.Length <= header.FileBytes || len(before.all) != len(after.all) {
		t.Errorf("%+v, %d findings and then %d", header, len(before.all), len(after.all))
	}
	for i := range before.all[1:] {
		if before.all[i+1] != after.all[i+1] {
			t.Errorf("before %+v, after %+v", before.all[i+1], after.all[i+1])
		}
	}
	if err := WAL(dir, all.emit); err != nil {
		t.Fatal(err)
	}
	if f := of[SegmentFile](&all)[0]; f.Codec != "zstd" || f.Bytes != header.FileBytes || f.State != "sealed" || f.Error != "" {
		t.Errorf("%+v", f)
	}
}
