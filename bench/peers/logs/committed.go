package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/millrace-io/millrace/bench/target"
)

// writer is a log that takes one append at a time. Its records are numbered
// from 1.
type writer interface {
	io.Closer
	// write appends records, the first of which gets that index, and returns
	// when they are as durable as configured. One goroutine calls it at a time.
	write(first uint64, records [][]byte) error
	// scan visits the records 1 to last, all of which were written.
	scan(ctx context.Context, last uint64, visit func([]byte)) error
}

// tailedWriter is a writer that can be read record by record while it grows.
type tailedWriter interface {
	writer
	// after returns a cursor whose first record follows that index.
	after(index uint64) (cursor, error)
}

// keyedWriter is a tailedWriter that can be asked for single records.
type keyedWriter interface {
	tailedWriter
	// get visits the record with that index. Any number of goroutines may call
	// it at once.
	get(index uint64, visit func([]byte)) error
}

// cursor reads records in order.
type cursor interface {
	io.Closer
	// next returns the next record, valid until the call after. It is called
	// only when that record is there.
	next() ([]byte, error)
}

// committed is a writer with a committer in front of it.
type committed struct {
	committer
	log writer
	// last is the index of the last record that was acknowledged, or is about
	// to be.
	last atomic.Uint64
	bell bell
	// failed is the first error of a write: what a log holds after one is not
	// known, so it takes nothing more. Only whoever commits uses it.
	failed error
}

// newCommitted puts a committer before a log that has so many records.
func newCommitted(log writer, last uint64) *committed {
	c := &committed{log: log}
	c.commit = c.write
	c.last.Store(last)
	return c
}

// openedLog is a log and how many records were in it.
type openedLog struct {
	writer
	last uint64
}

// openCommitted opens a log for each shard in a directory of its own.
func openCommitted(c target.Config, open func(dir string) (openedLog, error)) (session, error) {
	var s session
	logs, err := openEach(c, max(c.Shards, 1), open)
	if err != nil {
		return s, err
	}
	for _, log := range logs {
		before := newCommitted(log.writer, log.last)
		if keyed, ok := log.writer.(keyedWriter); ok {
			s.shards = append(s.shards, &keyedCommitted{before, keyed})
		} else {
			s.shards = append(s.shards, before)
		}
		s.closers = append(s.closers, log)
	}
	return s, nil
}

// keyedCommitted is a committed log that can be asked for single records.
type keyedCommitted struct {
	*committed
	keyed keyedWriter
}

// get implements keyedLog. Indexes begin at 1.
func (c *keyedCommitted) get(number uint64, visit func([]byte)) error {
	return c.keyed.get(number+1, visit)
}

// openTailed is openCommitted for logs that are tailedWriters.
func openTailed(c target.Config, open func(dir string) (openedLog, error)) (target.Session, error) {
	s, err := openCommitted(c, open)
	if err != nil {
		return nil, err
	}
	return asSession(&tailedSession{session: s}, nil)
}

// write is the committer's commit.
func (c *committed) write(records [][]byte) error {
	if c.failed != nil {
		return c.failed
	}
	last := c.last.Load()
	if err := c.log.write(last+1, records); err != nil {
		c.failed = fmt.Errorf("logs: append after record %d: %w", last, err)
		return c.failed
	}
	c.last.Store(last + uint64(len(records)))
	c.bell.ring()
	return nil
}

// scan implements shardLog.
func (c *committed) scan(ctx context.Context, visit func([]byte)) error {
	return c.log.scan(ctx, c.last.Load(), visit)
}

// follow implements tailedLog.
func (c *committed) follow(ctx context.Context, ready func(), deliver func([]byte)) (err error) {
	rung, leave := c.bell.listen()
	defer leave()
	seen := c.last.Load()
	at, err := c.log.(tailedWriter).after(seen)
	if err != nil {
		return err
	}
	defer at.Close()
	ready()
	return followBell(ctx, rung, func() error {
		for last := c.last.Load(); seen < last; seen++ {
			record, err := at.next()
			if err != nil {
				return fmt.Errorf("logs: read record %d: %w", seen+1, err)
			}
			deliver(record)
		}
		return nil
	})
}

// askEvery is how many records a scan reads before it looks at its context:
// that costs as much as a small record.
const askEvery = 1024

// scanCursor visits so many records.
func scanCursor(ctx context.Context, at cursor, count uint64, visit func([]byte)) error {
	for i := uint64(1); i <= count; i++ {
		record, err := at.next()
		if err != nil {
			return fmt.Errorf("logs: read record %d: %w", i, err)
		}
		visit(record)
		if i%askEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return ctx.Err()
}
