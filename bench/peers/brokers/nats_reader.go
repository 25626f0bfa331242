package main

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Follow implements target.Follower.
func (s *natsSession) Follow(ctx context.Context, shard int, ready func(), deliver func([]byte)) error {
	const forever = -1
	return s.read(ctx, shard, newDelivery(forever, deliver), ready, nats.DeliverNew())
}

// Scan implements target.Scanner.
func (s *natsSession) Scan(ctx context.Context, shard int, visit func([]byte)) error {
	stream, err := s.stream.Stream(ctx, natsStream(shard))
	if err != nil {
		return fmt.Errorf("brokers: scan: %w", err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("brokers: scan: %w", err)
	}
	count := int64(info.State.Msgs)
	if count == 0 {
		return nil
	}
	if err := s.read(ctx, shard, newDelivery(count, visit), func() {}, nats.DeliverAll()); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// read delivers through an ordered push consumer with a connection of its own,
// until the delivery or ctx ends.
func (s *natsSession) read(ctx context.Context, shard int, to *delivery, ready func(), from nats.SubOpt) error {
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default: // the first one says most
		}
	}
	connection, err := nats.Connect(s.url, nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { fail(err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { fail(fmt.Errorf("disconnected: %w", err)) }))
	if err != nil {
		return fmt.Errorf("brokers: read from NATS: %w", err)
	}
	defer connection.Close()
	defer to.stop()
	stream, err := connection.JetStream()
	if err != nil {
		return fmt.Errorf("brokers: read from NATS: %w", err)
	}
	_, err = stream.Subscribe(natsSubject(shard), func(m *nats.Msg) { to.deliver(m.Data) }, nats.OrderedConsumer(), from)
	if err != nil {
		return fmt.Errorf("brokers: read from NATS: %w", err)
	}
	ready()
	select {
	case <-to.ended:
		return nil
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("brokers: read from NATS: %w", err)
	}
}
