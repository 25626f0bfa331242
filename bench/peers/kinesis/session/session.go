package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/millrace-io/millrace/bench/target"
)

// closeMax is how long Close waits for what was sent and not acknowledged.
const closeMax = 30 * time.Second

// ErrClosed is that a session was used after Close.
var ErrClosed = errors.New("session: it is closed")

// Session is a stream of a server. It is a target.Session, target.Sender,
// target.Follower and target.Scanner, and as safe for concurrent use as those
// say; Close must not be called while another call is under way.
type Session struct {
	client    *kinesis.Client
	transport *http.Transport
	options   options
	shards    []shard
	// counted says that all records of the shards were written by this session,
	// so that their count is known.
	counted bool
	closed  atomic.Bool
	sender  sender
}

// shard is one of the stream's.
type shard struct {
	shardAddress
	// acknowledged counts the records that are in it for certain.
	acknowledged atomic.Int64
}

// Open makes a stream on the server at endpoint, "http://127.0.0.1:4567", and
// waits until it is active. With c.Reopen the stream is there already. Of c it
// uses Shards, Writers, Reopen and Options; durability and files are the
// server's. An option that is not known is an *OptionError.
func Open(ctx context.Context, endpoint string, c target.Config) (*Session, error) {
	chosen, err := readOptions(c.Options)
	if err != nil {
		return nil, err
	}
	shards := max(c.Shards, 1)
	// Every writer, every request of Send, and a few readers of every shard.
	client, transport := newClient(endpoint, max(c.Writers, 1)+2*chosen.inFlight+4*shards)
	s := &Session{client: client, transport: transport, options: chosen, counted: !c.Reopen}
	if err := s.open(ctx, shards, c.Reopen); err != nil {
		transport.CloseIdleConnections()
		return nil, err
	}
	s.sender.session = s
	return s, nil
}

// open makes or finds the stream.
func (s *Session) open(ctx context.Context, shards int, reopen bool) error {
	if !reopen {
		if err := createStream(ctx, s.client, shards); err != nil {
			return err
		}
	}
	if err := awaitActive(ctx, s.client); err != nil {
		return err
	}
	addresses, err := listShards(ctx, s.client, shards)
	if err != nil {
		return err
	}
	s.shards = make([]shard, len(addresses))
	for i, address := range addresses {
		s.shards[i].shardAddress = address
	}
	return nil
}

// check returns why a shard cannot be used.
func (s *Session) check(shard int) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if shard < 0 || shard >= len(s.shards) {
		return fmt.Errorf("session: there is no shard %d, only %d of them", shard, len(s.shards))
	}
	return nil
}

// Close implements target.Session. It waits for what was sent, for a bounded
// time; the server and the stream stay.
func (s *Session) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	err := s.sender.close(closeMax)
	s.transport.CloseIdleConnections()
	return err
}
