package wal

import (
	"context"
	"errors"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

const (
	crowdLogs      = 300
	crowdProducers = 8
	crowdSegment   = 16 << 10
	// crowdAppendsMax is more than two segments take: a log that is never
	// refused on a full disk is a bug.
	crowdAppendsMax = 300
)

// crowd is many logs in one directory, and what each has acknowledged.
type crowd struct {
	dir   *Dir
	logs  []*Log
	acked []int
}

// again takes over what c knows for the same logs, opened again.
func (c *crowd) again(opened *crowd) *crowd {
	opened.acked = c.acked
	return opened
}

func openCrowd(t *testing.T, path string, o Options, n int, log LogOptions) *crowd {
	t.Helper()
	c := &crowd{dir: openDir(t, path, o), acked: make([]int, n)}
	for i := range n {
		c.logs = append(c.logs, openLog(t, c.dir, uint64(i+1), log))
	}
	return c
}

// append appends one record to a log, as the next of its producers.
func (c *crowd) append(i int) error {
	producer := protocol.Producer{ID: uint64(1 + c.acked[i]%crowdProducers), Epoch: 1, Sequence: uint32(c.acked[i] / crowdProducers)}
	_, err := c.logs[i].Append(context.Background(), makeRecords(c.acked[i]+1, 1, 900), producer)
	if err == nil {
		c.acked[i]++
	}
	return err
}

// fill appends to every log until all of them have been refused once, and
// returns how often that was.
func (c *crowd) fill(t *testing.T) (refusals int) {
	t.Helper()
	refused := make([]bool, len(c.logs))
	for range crowdAppendsMax {
		left := 0
		for i := range c.logs {
			if refused[i] {
				continue
			}
			left++
			if err := c.append(i); err != nil {
				refused[i] = true
				refusals++
				if !errors.Is(err, failure.NoSpace) {
					t.Fatalf("log %d, after %d records: %v, want failure.NoSpace", i+1, c.acked[i], err)
				}
			}
		}
		if left == 0 {
			return refusals
		}
	}
	t.Fatalf("%d appends to each log, and not all were refused", crowdAppendsMax)
	return refusals
}

func (c *crowd) verify(t *testing.T) {
	t.Helper()
	for i, l := range c.logs {
		if err := l.Err(); err != nil {
			t.Fatalf("log %d: %v", i+1, err)
		}
		first := int(l.Stats().First)
		wantRecords(t, readAll(t, l, record.TrimHorizon()), first, c.acked[i])
	}
}

// TestManyLogsOnAFullDisk lets hundreds of logs, each with its next segment
// allocated already, roll on a disk that has no page left. The edits of all of
// them go to one MANIFEST: each roll must find room there or be refused before
// anything has happened.
func TestManyLogsOnAFullDisk(t *testing.T) {
	for _, durability := range []record.Durability{record.Group, record.Interval, record.None} {
		t.Run(durability.String(), func(t *testing.T) {
			disk := crashfs.New(crashfs.Options{})
			o := Options{
				FS: disk, Backend: BackendHeap, SegmentBytesMin: crowdSegment, SegmentBytesMax: crowdSegment,
				StagingBytes: 4 << 10, Clock: &handClock{now: 1}, Seed: 1,
			}
			c := openCrowd(t, "/data", o, crowdLogs, LogOptions{Durability: durability})
			for i, l := range c.logs {
				for !l.hasSpare() {
					if err := c.append(i); err != nil {
						t.Fatal(err)
					}
				}
			}
			disk.SetCapacity(1) // less than what is in use: nothing can be had
			c.fill(t)
			c.verify(t)
			for i, l := range c.logs { // trims need room in the MANIFEST too
				if err := l.TrimBefore(l.Next()); err != nil {
					t.Fatalf("trim log %d: %v", i+1, err)
				}
			}
			c.verify(t)
			disk.SetCapacity(0)
			for i := range c.logs {
				if err := c.append(i); err != nil {
					t.Fatalf("log %d after room was made: %v", i+1, err)
				}
			}
			c.verify(t)
			if err := c.dir.Close(); err != nil {
				t.Fatal(err)
			}
			c.again(openCrowd(t, "/data", o, crowdLogs, LogOptions{Durability: durability})).verify(t)
		})
	}
}

// TestSealOnAFullDisk asks for a seal that the MANIFEST has no room for.
func TestSealOnAFullDisk(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	o := Options{FS: disk, Backend: BackendHeap, SegmentBytesMin: crowdSegment, SegmentBytesMax: crowdSegment, Seed: 1}
	c := openCrowd(t, "/data", o, 1, LogOptions{})
	if err := c.append(0); err != nil {
		t.Fatal(err)
	}
	c.dir.manifest.room.exhaust()
	disk.SetCapacity(1)
	if err := c.logs[0].Seal(context.Background()); !errors.Is(err, failure.NoSpace) {
		t.Fatalf("seal: %v, want failure.NoSpace", err)
	}
	c.verify(t)
	if err := c.append(0); err != nil {
		t.Fatal(err)
	}
	if err := c.logs[0].Close(); err != nil { // everything is synced; that it is not sealed costs the next open a scan
		t.Fatal(err)
	}
	disk.SetCapacity(0)
	l, err := c.dir.OpenLog(1, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, c.acked[0])
}

// TestOpenOnAFullDisk opens a directory that has no room for a manifest: for
// writing it is refused by name, and reading works.
func TestOpenOnAFullDisk(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	o := Options{FS: disk, Backend: BackendHeap, SegmentBytesMin: crowdSegment, SegmentBytesMax: crowdSegment, Seed: 1}
	c := openCrowd(t, "/data", o, 1, LogOptions{})
	if err := errors.Join(c.append(0), c.dir.Close()); err != nil {
		t.Fatal(err)
	}
	disk.SetCapacity(1)
	if _, err := OpenDir("/data", o); !errors.Is(err, failure.NoSpace) {
		t.Errorf("open: %v, want failure.NoSpace", err)
	}
	d, err := OpenDirReadOnly("/data", o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.OpenLog(1, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, 1)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	disk.SetCapacity(0)
	c.again(openCrowd(t, "/data", o, 1, LogOptions{})).verify(t)
}

// hasSpare reports whether the next segment is allocated.
func (l *Log) hasSpare() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if making := l.preparing; making != nil {
		l.mu.Unlock()
		<-making
		l.mu.Lock()
	}
	return l.spare != nil
}

// exhaust takes all the room that the manifest has allocated.
func (r *room) exhaust() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.promised = r.allocated - r.end
}
