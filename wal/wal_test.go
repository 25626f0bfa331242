package wal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// none is an append without an idempotent producer.
var none protocol.Producer

func openDir(t testing.TB, path string, o Options) *Dir {
	t.Helper()
	d, err := OpenDir(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func openLog(t testing.TB, d *Dir, id uint64, o LogOptions) *Log {
	t.Helper()
	if _, err := d.claimable(id); err != nil {
		if err := d.CreateLogs(id); err != nil {
			t.Fatal(err)
		}
	}
	l, err := d.OpenLog(id, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// claimable returns an error if there is no log with that id.
func (d *Dir) claimable(id uint64) (logEntry, error) {
	e, ok := d.manifest.entry(id)
	if !ok {
		return e, errors.New("no such log")
	}
	return e, nil
}

func makeRecords(first, n, size int) []record.Record {
	records := make([]record.Record, n)
	for i := range records {
		data := make([]byte, size)
		copy(data, fmt.Sprintf("record %d", first+i))
		records[i] = record.Record{PartitionKey: fmt.Sprintf("key %d", (first+i)%7), Data: data}
	}
	return records
}

// readAll returns "sequence:text" of everything from start to the tail.
func readAll(t testing.TB, l *Log, start record.Start) []string {
	t.Helper()
	c, err := l.Cursor(start)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got []string
	for c.TryNext() {
		v := c.View()
		text := v.Data
		for i, b := range text {
			if b == 0 {
				text = text[:i]
				break
			}
		}
		got = append(got, fmt.Sprintf("%d:%s", v.Sequence, text))
	}
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	return got
}

func wantRecords(t testing.TB, got []string, first, last int) {
	t.Helper()
	if len(got) != last-first+1 {
		t.Fatalf("read %d records, want %d", len(got), last-first+1)
	}
	for i, text := range got {
		if want := fmt.Sprintf("%d:record %d", first+i, first+i); text != want {
			t.Fatalf("record %d: got %q, want %q", i, text, want)
		}
	}
}

func backends() map[string]Options {
	return map[string]Options{
		"mmap":         {Backend: BackendMmap},
		"staged":       {Backend: BackendMmap, Store: StoreStaged},
		"direct pread": {Backend: BackendPread, Store: StoreDirect},
		"mapped store": {Backend: BackendMmap, Store: StoreMapped},
		"pread":        {Backend: BackendPread},
	}
}

func TestAppendReadReopen(t *testing.T) {
	for name, o := range backends() {
		for _, durability := range []record.Durability{record.Group, record.Interval, record.None} {
			t.Run(fmt.Sprint(name, " ", durability), func(t *testing.T) {
				o.SegmentBytesMin, o.SegmentBytesMax = 64<<10, 256<<10
				path := t.TempDir()
				next := 1
				for range 3 {
					d, err := OpenDir(path, o)
					if err != nil {
						t.Fatal(err)
					}
					l := openLog(t, d, 1, LogOptions{Durability: durability})
					wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, next-1)
					for _, n := range []int{1, 50, 3, 200, 1} {
						r, err := l.Append(context.Background(), makeRecords(next, n, 1000), none)
						if err != nil {
							t.Fatal(err)
						}
						if int(r.First) != next || int(r.Last) != next+n-1 {
							t.Fatalf("range %v, want %d..%d", r, next, next+n-1)
						}
						next += n
					}
					wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, next-1)
					wantRecords(t, readAll(t, l, record.AtSequence(100)), 100, next-1)
					wantRecords(t, readAll(t, l, record.AfterSequence(uint64(next-1))), next, next-1)
					if err := d.Close(); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

func TestSecondWriterIsRefused(t *testing.T) {
	path := t.TempDir()
	openDir(t, path, Options{})
	if _, err := OpenDir(path, Options{}); !errors.Is(err, failure.Conflict) {
		t.Errorf("got %v, want failure.Conflict", err)
	}
}

func TestReadOnlyBesideAWriter(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path, Options{})
	l := openLog(t, d, 1, LogOptions{})
	if _, err := l.Append(context.Background(), makeRecords(1, 10, 100), none); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadDir(filepath.Join(path, "log-1"))
	reader, err := OpenDirReadOnly(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	seen, err := reader.OpenLog(1, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, readAll(t, seen, record.TrimHorizon()), 1, 10)
	if _, err := seen.Append(context.Background(), makeRecords(11, 1, 10), none); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("append: got %v, want failure.InvalidArgument", err)
	}
	after, _ := os.ReadDir(filepath.Join(path, "log-1"))
	if len(before) != len(after) {
		t.Errorf("the directory changed from %d to %d files", len(before), len(after))
	}
}

func TestTailWakesReader(t *testing.T) {
	d := openDir(t, t.TempDir(), Options{SegmentBytesMin: 32 << 10, SegmentBytesMax: 32 << 10})
	l := openLog(t, d, 1, LogOptions{})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := l.Cursor(record.Latest())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const n = 200
	done := make(chan error, 1)
	go func() {
		for i := range n {
			if _, err := l.Append(ctx, makeRecords(i+1, 1, 1000), none); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range n {
		if !c.Next(ctx) {
			t.Fatal(c.Err())
		}
		if v := c.View(); v.Sequence != uint64(i+1) {
			t.Fatalf("got %d, want %d", v.Sequence, i+1)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestConcurrentAppendersGetDistinctRanges(t *testing.T) {
	for _, durability := range []record.Durability{record.Group, record.None} {
		d := openDir(t, t.TempDir(), Options{SegmentBytesMin: 64 << 10, SegmentBytesMax: 128 << 10, StagingBytes: 8 << 10})
		l := openLog(t, d, 1, LogOptions{Durability: durability})
		const appenders, each = 16, 100
		ranges := make(chan record.Range, appenders*each)
		errs := make(chan error, appenders)
		for range appenders {
			go func() {
				var err error
				for range each {
					var r record.Range
					if r, err = l.Append(context.Background(), makeRecords(0, 3, 100), none); err != nil {
						break
					}
					ranges <- r
				}
				errs <- err
			}()
		}
		for range appenders {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		close(ranges)
		seen := make(map[uint64]bool)
		for r := range ranges {
			if r.Last != r.First+2 || r.First%3 != 1 || seen[r.First] {
				t.Fatalf("range %v", r)
			}
			seen[r.First] = true
		}
		if got := len(readAll(t, l, record.TrimHorizon())); got != appenders*each*3 {
			t.Errorf("read %d records", got)
		}
	}
}
