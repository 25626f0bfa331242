package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/millrace-io/millrace/bench/target"
)

// prometheusWlog is the write-ahead log of Prometheus.
func prometheusWlog() target.Target {
	return library{
		name: "prometheus-wlog", module: "github.com/prometheus/prometheus", durabilities: groupAndNone,
		checks: true,
		notes: "128 MiB segments, no compression; none: every call is handed to the kernel, a full segment is synced behind; checksums are checked on reading; " +
			"opening reads the whole log once, as its documentation demands; " +
			"added: a committer, as it does not combine appends, and in group the change of segments, because its own syncs the full one after the acknowledgement",
		open: func(c target.Config) (target.Session, error) {
			return openTailed(c, func(dir string) (openedLog, error) { return openWlog(dir, c) })
		},
	}
}

// Sizes of the format.
const (
	wlogSegmentBytes = 128 << 20
	wlogPageBytes    = 32 << 10
	// wlogHeaderBytes is before each part of a record in a page; fewer bytes
	// than that at the end of a page are not used.
	wlogHeaderBytes = 7
)

// openWlog opens the log of a shard. What is there already is read once before
// anything is appended, and repaired if it ends badly.
func openWlog(dir string, c target.Config) (openedLog, error) {
	log, err := wlog.NewSize(nil, nil, dir, wlogSegmentBytes, compression.None)
	if err != nil {
		return openedLog{}, err
	}
	var last uint64
	if c.Reopen {
		last, err = readWlog(dir)
		var corruption *wlog.CorruptionErr
		if errors.As(err, &corruption) {
			if err = log.Repair(err); err == nil {
				last, err = readWlog(dir)
			}
		}
	}
	_, segment, findErr := wlog.Segments(dir)
	if err = errors.Join(err, findErr); err != nil {
		return openedLog{}, errors.Join(err, log.Close())
	}
	return openedLog{writer: &wlogLog{WL: log, sync: c.Durability == target.Group, segment: segment, firsts: []uint64{last + 1}}, last: last}, nil
}

// readWlog reads a log and returns how many records it has.
func readWlog(dir string) (count uint64, err error) {
	segments, err := wlog.NewSegmentsReader(dir)
	if err != nil {
		return 0, err
	}
	defer segments.Close()
	reader := wlog.NewReader(segments)
	for reader.Next() {
		count++
	}
	return count, reader.Err()
}

// wlogLog is an open log.
type wlogLog struct {
	*wlog.WL
	sync bool
	// filled is what the present segment has at most.
	filled int64

	mutex sync.RWMutex // guards what follows
	// segment is the number of the present segment.
	segment int
	// firsts are the indexes of the first records of the segments begun by this
	// session; the last one is that of the present segment.
	firsts []uint64
}

// write implements writer. The log is never left to change segments by itself:
// it would sync the full one behind the back of those who wait for it, and Sync
// is of the new one only.
func (l *wlogLog) write(first uint64, records [][]byte) error {
	size := wlogSize(records)
	if l.filled > 0 && l.filled+size > wlogSegmentBytes {
		if err := l.roll(first); err != nil {
			return err
		}
	}
	l.filled += size
	if err := l.Log(records...); err != nil || !l.sync {
		return err
	}
	return l.Sync()
}

// roll begins a segment. Its first record will have that index.
func (l *wlogLog) roll(first uint64) error {
	next := l.NextSegment
	if l.sync {
		next = l.NextSegmentSync
	}
	segment, err := next()
	if err != nil {
		return err
	}
	l.filled = 0
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.segment = segment
	l.firsts = append(l.firsts, first)
	return nil
}

// wlogSize is what records take at most: a record begins wherever the last one
// ended, so it may have a part in one page more than its size needs.
func wlogSize(records [][]byte) int64 {
	size := 0
	for _, record := range records {
		parts := len(record)/(wlogPageBytes-wlogHeaderBytes) + 2
		size += len(record) + parts*2*wlogHeaderBytes
	}
	return int64(size)
}

// scan implements writer.
func (l *wlogLog) scan(ctx context.Context, last uint64, visit func([]byte)) error {
	segments, err := wlog.NewSegmentsReader(l.Dir())
	if err != nil {
		return err
	}
	defer segments.Close()
	return scanCursor(ctx, wlogReader{wlog.NewReader(segments)}, last, visit)
}

// wlogReader is a reader of everything as a cursor.
type wlogReader struct{ *wlog.Reader }

// next implements cursor.
func (r wlogReader) next() ([]byte, error) {
	if !r.Next() {
		return nil, errors.Join(r.Err(), io.ErrUnexpectedEOF)
	}
	return r.Record(), nil
}

// Close implements cursor.
func (r wlogReader) Close() error { return nil }

// after implements tailedWriter. Only the beginning of a segment is known to be
// that of a record, so a cursor reads the segment up to its place.
func (l *wlogLog) after(index uint64) (cursor, error) {
	l.mutex.RLock()
	behind := 0
	for behind+1 < len(l.firsts) && l.firsts[len(l.firsts)-1-behind] > index+1 {
		behind++
	}
	segment, first := l.segment-behind, l.firsts[len(l.firsts)-1-behind]
	l.mutex.RUnlock()
	c := &wlogCursor{log: l, metrics: wlog.NewLiveReaderMetrics(nil)}
	err := c.open(segment)
	for skip := first; err == nil && skip <= index; skip++ {
		_, err = c.next()
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// wlogCursor reads segments that may still grow.
type wlogCursor struct {
	log     *wlogLog
	metrics *wlog.LiveReaderMetrics
	segment *wlog.Segment
	reader  *wlog.LiveReader
}

// open begins to read a segment.
func (c *wlogCursor) open(number int) error {
	segment, err := wlog.OpenReadSegment(wlog.SegmentName(c.log.Dir(), number))
	if err != nil {
		return err
	}
	err = c.Close()
	c.segment = segment
	c.reader = wlog.NewLiveReader(slog.New(slog.DiscardHandler), c.metrics, segment)
	return err
}

// next implements cursor. The record is there: if it is not in this segment it
// is in the next one.
func (c *wlogCursor) next() ([]byte, error) {
	for !c.reader.Next() {
		if err := c.reader.Err(); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		c.log.mutex.RLock()
		newest := c.log.segment
		c.log.mutex.RUnlock()
		if c.segment.Index() >= newest {
			return nil, fmt.Errorf("logs: segment %d ended too early", newest)
		}
		if err := c.open(c.segment.Index() + 1); err != nil {
			return nil, err
		}
	}
	return c.reader.Record(), nil
}

// Close implements cursor.
func (c *wlogCursor) Close() error {
	if c.segment == nil {
		return nil
	}
	return c.segment.Close()
}
