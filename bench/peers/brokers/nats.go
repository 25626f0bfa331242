package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace-io/millrace/bench/target"
)

// natsTarget is NATS JetStream on file storage, one stream for each shard.
type natsTarget struct {
	name string
	fast bool // send by fast batches
}

// About implements target.Target.
func (t natsTarget) About() target.About {
	how := "PublishAsync, at most 4096 unacknowledged"
	if t.fast {
		how = "sends by FastPublisher of orbit.go jetstreamext, flow 500, 8 acknowledgements outstanding; " +
			"a batch idle for 20 ms is committed, because its acknowledgements come with the next record only; appends by PublishAsync"
	}
	return target.About{
		Name: t.name, Version: moduleVersion("github.com/nats-io/nats-server/v2"), Kind: "broker",
		Durabilities: []target.Durability{target.None, target.Group},
		Notes: "JetStream, file storage, one replica, nats.go; " + how + "; ordered push consumers, one connection each; " +
			"none: sync_interval of 2 min, its default, acknowledged when the kernel has the record; group: sync_interval always; " +
			"checksums verified when a block is read from its file",
	}
}

// moduleVersion returns the version of a module that is linked in.
func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == path {
				return module.Version
			}
		}
	}
	return "unknown"
}

// natsSession is a server and the connection that writes to it.
type natsSession struct {
	started
	url        string
	connection *nats.Conn
	stream     jetstream.JetStream
	window     *window
	messages   sync.Pool

	mutex   sync.Mutex
	pending map[*nats.Msg]*natsMessage // guarded by mutex: sent, not acknowledged
}

// natsMessage is a record until it is acknowledged.
type natsMessage struct {
	message nats.Msg
	done    func(error)
}

// Open implements target.Target.
func (t natsTarget) Open(ctx context.Context, c target.Config) (target.Session, error) {
	if c.Durability != target.None && c.Durability != target.Group {
		return nil, unknownDurability(t.name, c.Durability)
	}
	s := &natsSession{window: newWindow(), pending: map[*nats.Msg]*natsMessage{}}
	var err error
	if s.process, s.url, err = startNATS(ctx, c.Dir, c.Durability == target.Group); err != nil {
		return nil, err
	}
	shards := max(c.Shards, 1)
	if err = s.connect(ctx, shards, c.Reopen); err != nil {
		return nil, errors.Join(fmt.Errorf("brokers: open %s: %w", t.name, err), s.Close())
	}
	if !t.fast {
		return &natsAsync{s}, nil
	}
	fast, err := newNATSFast(s, shards)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("brokers: open %s: %w", t.name, err), s.Close())
	}
	return fast, nil
}

// connect makes the writing connection, and the streams unless they are there.
func (s *natsSession) connect(ctx context.Context, shards int, reopen bool) (err error) {
	if s.connection, err = nats.Connect(s.url, nats.NoReconnect()); err != nil {
		return err
	}
	s.stream, err = jetstream.New(s.connection,
		// The window keeps what is pending below this, so that a full one waits
		// for as long as its context and not for the client's 200 ms.
		jetstream.WithPublishAsyncMaxPending(2*inFlightMax),
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, _ *jetstream.PubAck) { s.settle(m, nil) }),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) { s.settle(m, err) }),
	)
	if err != nil || reopen {
		return err
	}
	for shard := range shards {
		_, err := s.stream.CreateStream(ctx, jetstream.StreamConfig{
			Name: natsStream(shard), Subjects: []string{natsSubject(shard)}, Storage: jetstream.FileStorage, Replicas: 1,
			AllowBatchPublish: true,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func natsStream(shard int) string { return "shard-" + strconv.Itoa(shard) }

func natsSubject(shard int) string { return "shard." + strconv.Itoa(shard) }

// send publishes a record. Several goroutines may call it at once.
func (s *natsSession) send(ctx context.Context, shard int, record []byte, done func(error)) error {
	if err := s.window.enter(ctx); err != nil {
		return err
	}
	m, _ := s.messages.Get().(*natsMessage)
	if m == nil {
		m = new(natsMessage)
	}
	// The client keeps the message to send it again when nobody answered.
	m.message = nats.Msg{Subject: natsSubject(shard), Data: append(m.message.Data[:0], record...)}
	m.done = done
	s.mutex.Lock()
	s.pending[&m.message] = m
	s.mutex.Unlock()
	if _, err := s.stream.PublishMsgAsync(&m.message); err != nil {
		s.take(&m.message)
		s.window.leave()
		return err
	}
	return nil
}

// take returns the record of a message that is not acknowledged yet, or nil.
func (s *natsSession) take(message *nats.Msg) *natsMessage {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	m := s.pending[message]
	delete(s.pending, message)
	return m
}

// settle gives the result of a message on.
func (s *natsSession) settle(message *nats.Msg, err error) {
	m := s.take(message)
	if m == nil {
		return // PublishMsgAsync has returned its error already
	}
	done := m.done
	s.messages.Put(m)
	s.window.leave()
	done(err)
}

// Append implements target.Session.
func (s *natsSession) Append(ctx context.Context, shard int, records [][]byte) error {
	return send(s.send).appendAll(ctx, shard, records)
}

// Close implements target.Session.
func (s *natsSession) Close() error {
	if s.connection != nil {
		s.connection.Close()
	}
	return s.process.Stop()
}

// natsAsync sends by PublishAsync.
type natsAsync struct{ *natsSession }

// Send implements target.Sender.
func (s *natsAsync) Send(ctx context.Context, shard int, record []byte, done func(error)) error {
	return s.send(ctx, shard, record, done)
}

// Flush implements target.Sender.
func (s *natsAsync) Flush(ctx context.Context) error { return s.window.drain(ctx) }
