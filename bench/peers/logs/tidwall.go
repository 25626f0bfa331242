package main

import (
	"context"
	"sync"

	"github.com/tidwall/wal"

	"github.com/millrace-io/millrace/bench/target"
)

// tidwall is github.com/tidwall/wal.
func tidwall() target.Target {
	return library{
		name: "tidwall-wal", module: "github.com/tidwall/wal", durabilities: groupAndNone,
		notes: "20 MB segments, NoCopy; none: every call is handed to the kernel, a full segment is synced; no checksums; " +
			"opening reads the last segment; added: a committer, as it does not combine appends, and a mutex between readers, whose cache of segments is not safe for several",
		open: func(c target.Config) (target.Session, error) {
			return openTailed(c, func(dir string) (openedLog, error) { return openTidwall(dir, c.Durability) })
		},
	}
}

// openTidwall opens the log of a shard.
func openTidwall(dir string, durability target.Durability) (openedLog, error) {
	log, err := wal.Open(dir, &wal.Options{NoSync: durability == target.None, SegmentSize: 20 << 20, NoCopy: true})
	if err != nil {
		return openedLog{}, err
	}
	last, err := log.LastIndex()
	return openedLog{writer: &tidwallLog{Log: log}, last: last}, err
}

// tidwallLog is an open log.
type tidwallLog struct {
	*wal.Log
	batch wal.Batch
	// reading is held by Read, which fills and evicts a cache.
	reading sync.Mutex
}

// write implements writer. WriteBatch syncs unless it was told not to.
func (l *tidwallLog) write(first uint64, records [][]byte) error {
	l.batch.Clear()
	for i, record := range records {
		l.batch.Write(first+uint64(i), record)
	}
	return l.WriteBatch(&l.batch)
}

// scan implements writer.
func (l *tidwallLog) scan(ctx context.Context, last uint64, visit func([]byte)) error {
	return scanCursor(ctx, &tidwallCursor{log: l}, last, visit)
}

// get implements keyedWriter.
func (l *tidwallLog) get(index uint64, visit func([]byte)) error {
	record, err := l.read(index)
	if err == nil {
		visit(record)
	}
	return err
}

// read is Read for several readers. What it returns is not reused.
func (l *tidwallLog) read(index uint64) ([]byte, error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	return l.Read(index)
}

// after implements tailedWriter.
func (l *tidwallLog) after(index uint64) (cursor, error) {
	return &tidwallCursor{log: l, index: index}, nil
}

// tidwallCursor reads by index.
type tidwallCursor struct {
	log   *tidwallLog
	index uint64
}

// next implements cursor.
func (c *tidwallCursor) next() ([]byte, error) {
	c.index++
	return c.log.read(c.index)
}

// Close implements cursor.
func (c *tidwallCursor) Close() error { return nil }
