package requests

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/millrace-io/millrace/bench/target"
)

// ErrClosed is that a session was used after Close.
var ErrClosed = errors.New("requests: the session is closed")

// Session is a stream of a server. It is a target.Session, target.Preparer,
// target.Scanner, target.Counter and target.Follower, and as safe for concurrent
// use as those say; Close must not be called while another call is under way.
type Session struct {
	pool     pool
	encoding encoding
	shards   []shard
	// counted says that all records of the shards were written by this session, so
	// that their count is known.
	counted bool
	// consumers numbers those that were registered.
	consumers atomic.Int64
	closed    atomic.Bool
}

// shard is one of the stream's.
type shard struct {
	id string
	// keys are partition keys that hash into the shard.
	keys []string
	// acknowledged counts the records that this session has put there.
	acknowledged atomic.Int64
}

// Open makes the stream called name on the server that listens to address,
// "127.0.0.1:4567", and waits until it is active; unless there is one already, as
// existing says. Of c it uses Shards, Reopen and Options.
func Open(ctx context.Context, address, name string, existing bool, c target.Config) (*Session, error) {
	chosen, err := readOptions(c.Options)
	if err != nil {
		return nil, err
	}
	s := &Session{pool: pool{address: address, stream: name, tls: chosen.tls}, encoding: chosen.encoding, counted: !c.Reopen}
	shards := max(c.Shards, 1)
	if !existing {
		err = s.create(ctx, shards)
	}
	if err == nil {
		err = s.awaitActive(ctx)
	}
	if err == nil {
		err = s.list(ctx, shards)
	}
	if err != nil {
		s.pool.close()
		return nil, err
	}
	return s, nil
}

// check returns why a shard cannot be used.
func (s *Session) check(shard int) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if shard < 0 || shard >= len(s.shards) {
		return fmt.Errorf("requests: there is no shard %d, only %d of them", shard, len(s.shards))
	}
	return nil
}

// Close implements target.Session. The server and the stream stay.
func (s *Session) Close() error {
	if !s.closed.Swap(true) {
		s.pool.close()
	}
	return nil
}
