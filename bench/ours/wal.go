package ours

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

// Wal is package wal: one log for each shard, in one directory. Options:
// backend is mmap or pread, store is staged, mapped or direct, reader is wait or
// spin: whether followers sleep at the end of the log or ask again and again.
type Wal struct{}

// About implements target.Target.
func (Wal) About() target.About {
	return target.About{
		Name: "wal", Version: version(), Kind: "log", Durabilities: everyDurability,
		Checks: true,
		Notes:  "none: every call is handed to the kernel; reading checks structure, and the CRC32C of every frame that was not checked before",
	}
}

// Open implements target.Target.
func (Wal) Open(_ context.Context, c target.Config) (target.Session, error) {
	promise, err := durability(c.Durability)
	if err != nil {
		return nil, err
	}
	s := &walSession{promise: promise}
	options, err := s.options(c.Options)
	if err != nil {
		return nil, err
	}
	dir, err := wal.OpenDir(c.Dir, options)
	if err != nil {
		return nil, err
	}
	s.dir = dir
	ids := make([]uint64, max(c.Shards, 1))
	for i := range ids {
		ids[i] = uint64(i) + 1
	}
	if !c.Reopen {
		err = dir.CreateLogs(ids...)
	}
	for _, id := range ids {
		if err != nil {
			break
		}
		var log *wal.Log
		if log, err = dir.OpenLog(id, wal.LogOptions{Durability: promise}); err == nil {
			s.logs = append(s.logs, log)
			s.cursors = append(s.cursors, make(chan *wal.Cursor, cursorsMax))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ours: open wal: %w", errors.Join(err, dir.Close()))
	}
	return s, nil
}

// options reads the settings of this target.
func (s *walSession) options(options map[string]string) (wal.Options, error) {
	// Logs are opened one after the other.
	o := wal.Options{Events: wal.EventListener{Recovered: func(_ uint64, r wal.Recovery) { s.recovered += r.Scanned }}}
	for name, value := range options {
		switch name + "=" + value {
		case "backend=mmap":
			o.Backend = wal.BackendMmap
		case "backend=pread":
			o.Backend = wal.BackendPread
		case "store=staged":
			o.Store = wal.StoreStaged
		case "store=mapped":
			o.Store = wal.StoreMapped
		case "store=direct":
			o.Store = wal.StoreDirect
		case "reader=wait", "reader=spin":
			s.spin = value == "spin"
		default:
			return o, fmt.Errorf("ours: wal has no option %s=%s", name, value)
		}
	}
	return o, nil
}

// walSession is an open directory of logs.
type walSession struct {
	dir     *wal.Dir
	logs    []*wal.Log
	promise record.Durability
	// spin says that followers never sleep.
	spin bool
	// recovered is the bytes that opening checked.
	recovered int64
	cursors   []chan *wal.Cursor // by shard: kept for single reads
	sends
}

// Append implements target.Session.
func (s *walSession) Append(ctx context.Context, shard int, records [][]byte) error {
	b := batches.Get().(*batch)
	defer batches.Put(b)
	_, err := s.logs[shard].Append(ctx, b.of(records), protocol.Producer{})
	return err
}

// Follow implements target.Follower.
func (s *walSession) Follow(ctx context.Context, shard int, ready func(), deliver func([]byte)) error {
	c, err := s.logs[shard].Cursor(record.Latest())
	if err != nil {
		return err
	}
	defer c.Close()
	ready()
	next := c.Next
	if s.spin {
		next = func(ctx context.Context) bool { return spinNext(ctx, c) }
	}
	for next(ctx) {
		deliver(c.View().Data)
	}
	if ctx.Err() != nil {
		return nil
	}
	return c.Err()
}

// spinNext is Next of a cursor that does not sleep at the end of the log. Now
// and then it lets others have the processor, and looks whether to go on.
func spinNext(ctx context.Context, c *wal.Cursor) bool {
	const yieldEvery = 256
	for i := 1; !c.TryNext(); i++ {
		if c.Err() != nil {
			return false
		}
		if i%yieldEvery == 0 {
			if ctx.Err() != nil {
				return false
			}
			runtime.Gosched()
		}
	}
	return true
}

// Recovered implements target.Recoverer.
func (s *walSession) Recovered() int64 { return s.recovered }

// Scan implements target.Scanner.
func (s *walSession) Scan(ctx context.Context, shard int, visit func([]byte)) error {
	c, err := s.logs[shard].Cursor(record.TrimHorizon())
	if err != nil {
		return err
	}
	defer c.Close()
	// Asking a context costs as much as a small record: do it now and then.
	const askEvery = 1024
	for i := 1; c.TryNext(); i++ {
		visit(c.View().Data)
		if i%askEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return c.Err()
}

// Close implements target.Session.
func (s *walSession) Close() error {
	s.endSending()
	return errors.Join(s.closeCursors(), s.dir.Close())
}

// batch is the records of one append in the form the engine takes, reused so
// that the adapter allocates nothing.
type batch struct{ records []record.Record }

var batches = sync.Pool{New: func() any { return new(batch) }}

// partitionKey is that of all records whose shard is chosen otherwise.
const partitionKey = "bench"

// of returns data as records, valid until the next call.
func (b *batch) of(data [][]byte) []record.Record {
	b.records = b.records[:0]
	for _, d := range data {
		b.records = append(b.records, record.Record{PartitionKey: partitionKey, Data: d})
	}
	return b.records
}
