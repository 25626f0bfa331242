package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/millrace-io/millrace/bench/target"
)

// shardLog is one ordered sequence of records in a library.
type shardLog interface {
	// put appends and returns when the records are as durable as configured.
	// Any number of goroutines may call it at once. It keeps no slice.
	put(records [][]byte) error
	// scan visits everything that was put before.
	scan(ctx context.Context, visit func([]byte)) error
}

// tailedLog is a shardLog whose new records can be read as they come.
type tailedLog interface {
	shardLog
	// follow is target.Follower's, for this shard.
	follow(ctx context.Context, ready func(), deliver func([]byte)) error
}

// keyedLog is a shardLog whose records can be read one by one.
type keyedLog interface {
	shardLog
	// get visits the record with that number, from 0 in the order of appends.
	get(number uint64, visit func([]byte)) error
}

// session is open shards.
type session struct {
	shards []shardLog
	// closers are the files, logs or databases below the shards.
	closers []io.Closer
}

// Append implements target.Session. A context that ends while it waits for a
// sync changes nothing: the records are in the hands of the library.
func (s *session) Append(ctx context.Context, shard int, records [][]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.shards[shard].put(records)
}

// Scan implements target.Scanner.
func (s *session) Scan(ctx context.Context, shard int, visit func([]byte)) error {
	return s.shards[shard].scan(ctx, visit)
}

// Close implements target.Session.
func (s *session) Close() error {
	var err error
	for _, closer := range s.closers {
		err = errors.Join(err, closer.Close())
	}
	return err
}

// tailedSession is a session whose shards are all tailedLogs.
type tailedSession struct{ session }

// Follow implements target.Follower.
func (s *tailedSession) Follow(ctx context.Context, shard int, ready func(), deliver func([]byte)) error {
	return s.shards[shard].(tailedLog).follow(ctx, ready, deliver)
}

// keyedSession is a tailedSession whose shards are all keyedLogs.
type keyedSession struct{ *tailedSession }

// Get implements target.Getter.
func (s *keyedSession) Get(_ context.Context, shard int, number uint64, visit func([]byte)) error {
	return s.shards[shard].(keyedLog).get(number, visit)
}

// asSession is the session of the shards: one that can be asked for records if
// they can. It keeps a nil session from becoming an interface that is not nil.
func asSession(s *tailedSession, err error) (target.Session, error) {
	if err != nil {
		return nil, err
	}
	for _, shard := range s.shards {
		if _, ok := shard.(keyedLog); !ok {
			return s, nil
		}
	}
	return &keyedSession{s}, nil
}

// Bounds of keys and folders.
const (
	// shardsMax is what the 16 bits of a key can tell apart.
	shardsMax = 1 << 16
	// databasesMax is how many databases are opened at most: each has memory
	// and goroutines of its own.
	databasesMax = 16
	// sequenceBits of a key are the record's, those above them the shard's.
	sequenceBits = 48
)

// openDatabases opens a database for each shard, or one for all of them, below
// the configured directory.
func openDatabases[D io.Closer](c target.Config, open func(dir string) (D, error)) ([]D, error) {
	count := max(c.Shards, 1)
	if count > databasesMax {
		count = 1
	}
	return openEach(c, count, open)
}

// openEach opens so many logs or databases, each in a directory of its own.
// Those that are open are closed again if one cannot be opened.
func openEach[D io.Closer](c target.Config, count int, open func(dir string) (D, error)) ([]D, error) {
	opened := make([]D, 0, count)
	for i := range count {
		one, err := open(filepath.Join(c.Dir, fmt.Sprintf("%05d", i)))
		if err != nil {
			for _, other := range opened {
				err = errors.Join(err, other.Close())
			}
			return nil, err
		}
		opened = append(opened, one)
	}
	return opened, nil
}

// sessionOn makes a session of the databases, with shards made by shardOf, and
// closes the databases if it cannot.
func sessionOn[D io.Closer](c target.Config, databases []D, shardOf func(database D, shard int) (tailedLog, error)) (*tailedSession, error) {
	s := new(tailedSession)
	for _, database := range databases {
		s.closers = append(s.closers, database)
	}
	for shard := range max(c.Shards, 1) {
		log, err := shardOf(databases[shard%len(databases)], shard)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.shards = append(s.shards, log)
	}
	return s, nil
}

// keyBytes is the length of a key: shard and sequence, big endian, so that the
// order of the bytes is the order of the records.
const keyBytes = 8

// appendKey appends the key of a record to b.
func appendKey(b []byte, shard int, sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(shard)<<sequenceBits|sequence)
}

// sequenceOf is the sequence in a key.
func sequenceOf(key []byte) uint64 {
	return binary.BigEndian.Uint64(key) & (1<<sequenceBits - 1)
}

// bell tells followers that there may be something new. Ringing it costs one
// atomic load when nobody listens, and allocates nothing.
type bell struct {
	listening atomic.Int32
	mutex     sync.Mutex
	listeners []chan struct{} // each holds one signal; guarded by mutex
}

// listen returns a channel that has a signal after any ring since the call, and
// how to stop listening. Whoever listens first and looks at the log then, misses
// nothing.
func (b *bell) listen() (rung <-chan struct{}, leave func()) {
	own := make(chan struct{}, 1)
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.listeners = append(b.listeners, own)
	b.listening.Add(1)
	return own, func() { b.leave(own) }
}

func (b *bell) leave(own chan struct{}) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for i, listener := range b.listeners {
		if listener == own {
			b.listeners = append(b.listeners[:i], b.listeners[i+1:]...)
			b.listening.Add(-1)
			return
		}
	}
}

// ring signals all who listen, after records can be read.
func (b *bell) ring() {
	if b.listening.Load() == 0 {
		return
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, listener := range b.listeners {
		select {
		case listener <- struct{}{}:
		default: // it has one that it has not seen yet
		}
	}
}

// followBell calls read, which delivers what is new, at once and after every
// ring until ctx ends.
func followBell(ctx context.Context, rung <-chan struct{}, read func() error) error {
	for {
		if err := read(); err != nil {
			return err
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return nil
		}
	}
}
