package main

import (
	"context"
	"errors"
	"log"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/millrace-io/millrace/bench/target"
)

// pebbleDatabase is github.com/cockroachdb/pebble.
func pebbleDatabase() target.Target {
	return library{
		name: "pebble", module: "github.com/cockroachdb/pebble/v2", durabilities: groupAndNone,
		checks: true,
		notes: "memtable 64 MiB, else defaults; a record is a key of 8 bytes (shard and sequence) and its value; its own group commit; " +
			"none: up to a block of its log (32 KiB) is in the memory of the process; checksums of blocks are checked on reading; followers read by key and may see a record before its sync",
		open: openPebble,
	}
}

// openPebble opens the databases and makes shards of them.
func openPebble(c target.Config) (target.Session, error) {
	databases, err := openDatabases(c, func(dir string) (*pebble.DB, error) {
		return pebble.Open(dir, &pebble.Options{MemTableSize: 64 << 20, Logger: quietLogger{}})
	})
	if err != nil {
		return nil, err
	}
	options := pebble.Sync
	if c.Durability == target.None {
		options = pebble.NoSync
	}
	s, err := sessionOn(c, databases, func(database *pebble.DB, shard int) (tailedLog, error) {
		p := &pebbleShard{database: database, shard: shard, options: options}
		return p, p.findEnd()
	})
	if err != nil {
		return nil, err
	}
	return &pebbleSession{keyedSession: &keyedSession{s}}, nil
}

// pebbleShard is a range of keys.
type pebbleShard struct {
	database *pebble.DB
	shard    int
	options  *pebble.WriteOptions
	// next is the sequence of the next record. Goroutines take sequences before
	// they commit, so that commits can be combined.
	next atomic.Uint64
	bell bell
}

// iterator returns one over the shard.
func (p *pebbleShard) iterator() (*pebble.Iterator, error) {
	return p.database.NewIter(&pebble.IterOptions{
		LowerBound: appendKey(nil, p.shard, 0), UpperBound: appendKey(nil, p.shard, 1<<sequenceBits-1),
	})
}

// findEnd sets next behind the last record.
func (p *pebbleShard) findEnd() error {
	at, err := p.iterator()
	if err != nil {
		return err
	}
	if at.Last() {
		p.next.Store(sequenceOf(at.Key()) + 1)
	}
	return errors.Join(at.Error(), at.Close())
}

// batch makes a batch of the records, with the next sequences.
func (p *pebbleShard) batch(records [][]byte) (*pebble.Batch, error) {
	batch := p.database.NewBatch()
	sequence := p.next.Add(uint64(len(records))) - uint64(len(records))
	var err error
	for _, record := range records {
		entry := batch.SetDeferred(keyBytes, len(record))
		appendKey(entry.Key[:0], p.shard, sequence)
		copy(entry.Value, record)
		err = errors.Join(err, entry.Finish())
		sequence++
	}
	if err != nil {
		return nil, errors.Join(err, batch.Close())
	}
	return batch, nil
}

// put implements shardLog.
func (p *pebbleShard) put(records [][]byte) error {
	batch, err := p.batch(records)
	if err != nil {
		return err
	}
	err = batch.Commit(p.options)
	if err = errors.Join(err, batch.Close()); err == nil {
		p.bell.ring()
	}
	return err
}

// scan implements shardLog.
func (p *pebbleShard) scan(ctx context.Context, visit func([]byte)) error {
	at, err := p.iterator()
	if err != nil {
		return err
	}
	count := 0
	for ok := at.First(); ok; ok = at.Next() {
		value, err := at.ValueAndErr()
		if err != nil {
			return errors.Join(err, at.Close())
		}
		visit(value)
		if count++; count%askEvery == 0 && ctx.Err() != nil {
			break
		}
	}
	return errors.Join(at.Error(), at.Close(), ctx.Err())
}

// get implements keyedLog.
func (p *pebbleShard) get(number uint64, visit func([]byte)) error {
	key := make([]byte, 0, keyBytes)
	value, closer, err := p.database.Get(appendKey(key, p.shard, number))
	if err != nil {
		return err
	}
	visit(value)
	return closer.Close()
}

// follow implements tailedLog.
func (p *pebbleShard) follow(ctx context.Context, ready func(), deliver func([]byte)) error {
	rung, leave := p.bell.listen()
	defer leave()
	next := p.next.Load()
	ready()
	key := make([]byte, 0, keyBytes)
	return followBell(ctx, rung, func() error {
		for ctx.Err() == nil {
			value, closer, err := p.database.Get(appendKey(key, p.shard, next))
			if errors.Is(err, pebble.ErrNotFound) {
				return nil // whoever took this sequence rings when it is there
			}
			if err != nil {
				return err
			}
			deliver(value)
			next++
			if err := closer.Close(); err != nil {
				return err
			}
		}
		return nil
	})
}

// quietLogger drops what pebble tells of its doings.
type quietLogger struct{}

// Infof implements pebble.Logger.
func (quietLogger) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (quietLogger) Errorf(format string, args ...any) { log.Printf("pebble: "+format, args...) }

// Fatalf implements pebble.Logger: pebble expects it not to return.
func (quietLogger) Fatalf(format string, args ...any) { log.Fatalf("pebble: "+format, args...) }
