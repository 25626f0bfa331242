package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/message"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/stream"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/installed"
	"github.com/millrace-io/millrace/bench/target/process"
)

const (
	// rabbitBatchMax is how many records go into a frame at most, and
	// rabbitFrameMax about how many bytes: the server takes 1 MiB.
	rabbitBatchMax = 256
	rabbitFrameMax = 768 << 10
	// rabbitCredits is how many chunks the server may send ahead.
	rabbitCredits = 200
	// rabbitBuffer is the size of socket buffers: with the client's default of
	// 8 KiB consuming nearly stands still.
	rabbitBuffer = 1 << 20
)

// rabbitTarget is RabbitMQ with one stream for each shard.
type rabbitTarget struct{}

// About implements target.Target.
func (rabbitTarget) About() target.About {
	return target.About{
		Name: "rabbitmq-streams", Version: installed.Version("rabbitmq"), Kind: "broker", Durabilities: []target.Durability{target.None},
		Notes: "stream plugin of Debian's package, one replica, rabbitmq-stream-go-client: frames of at most 256 records, 200 credits, socket buffers of 1 MiB; " +
			"none: acknowledged when the kernel has the record, RabbitMQ never syncs streams; the server verifies a CRC-32 for each chunk; " +
			"the end of a scan is counted on our side",
	}
}

// rabbitSession is a server and a producer for each shard.
type rabbitSession struct {
	started
	environment *stream.Environment
	producers   []*rabbitProducer
	window      *window
}

// rabbitProducer writes to one stream.
type rabbitProducer struct {
	producer *stream.Producer
	confirms sync.WaitGroup
	// confirmed is how many records the stream has: nothing else says where its
	// end is.
	confirmed atomic.Int64
}

// rabbitMessage is a record until it is confirmed.
type rabbitMessage struct {
	*amqp.AMQP10
	done func(error)
}

// Open implements target.Target.
func (t rabbitTarget) Open(ctx context.Context, c target.Config) (target.Session, error) {
	name := t.About().Name
	if c.Durability != target.None {
		return nil, unknownDurability(name, c.Durability)
	}
	if c.Reopen {
		return nil, &target.UnavailableError{Target: name, Reason: "its streams do not tell where their end is, so what an earlier session wrote cannot be read completely"}
	}
	folder, err := installed.Folder(name, "rabbitmq")
	if err != nil {
		return nil, err
	}
	return onFreePorts(ctx, 2, func(ports []int) (*rabbitSession, error) {
		return openRabbit(ctx, folder, ports, max(c.Shards, 1), c.Dir)
	})
}

// openRabbit starts a server and connects to it.
func openRabbit(ctx context.Context, folder string, ports []int, shards int, directory string) (*rabbitSession, error) {
	var err error
	s := &rabbitSession{window: newWindow()}
	if s.process, err = startRabbit(ctx, folder, directory, ports[0], ports[1]); err != nil {
		return nil, err
	}
	if err = s.connect(ctx, ports[0], shards); err != nil {
		return nil, errors.Join(fmt.Errorf("brokers: open rabbitmq: %w", err), s.Close())
	}
	return s, nil
}

// connect waits for the server and makes streams and producers.
func (s *rabbitSession) connect(ctx context.Context, port, shards int) error {
	// Nothing may connect before the server is complete: it takes the
	// connection and drops it.
	if err := s.process.Ready(ctx, startMax, process.Listening(loopback(port))); err != nil {
		return err
	}
	err := s.process.Ready(ctx, startMax, func(context.Context) error {
		var err error
		s.environment, err = stream.NewEnvironment(stream.NewEnvironmentOptions().
			SetHost("127.0.0.1").SetPort(port).SetUser("guest").SetPassword("guest").
			SetReadBuffer(rabbitBuffer).SetWriteBuffer(rabbitBuffer))
		return err
	})
	if err != nil {
		return err
	}
	for shard := range shards {
		if err := s.environment.DeclareStream(rabbitStream(shard), stream.NewStreamOptions()); err != nil {
			return err
		}
		producer, err := s.environment.NewProducer(rabbitStream(shard), stream.NewProducerOptions().SetBatchSize(rabbitBatchMax))
		if err != nil {
			return err
		}
		p := &rabbitProducer{producer: producer}
		s.producers = append(s.producers, p)
		confirmations := producer.NotifyPublishConfirmation()
		p.confirms.Go(func() {
			for list := range confirmations {
				p.settle(list)
			}
		})
	}
	return nil
}

func rabbitStream(shard int) string { return "shard-" + strconv.Itoa(shard) }

// settle gives the results of messages on.
func (p *rabbitProducer) settle(list []*stream.ConfirmationStatus) {
	for _, status := range list {
		var err error
		if status.IsConfirmed() {
			p.confirmed.Add(1)
		} else if err = status.GetError(); err == nil {
			err = errors.New("brokers: rabbitmq did not confirm")
		}
		status.GetMessage().(*rabbitMessage).done(err)
	}
}

// Append implements target.Session.
func (s *rabbitSession) Append(ctx context.Context, shard int, records [][]byte) error {
	batch := newCountdown(len(records))
	messages := make([]message.StreamMessage, 0, min(len(records), rabbitBatchMax))
	bytes := 0
	for i, record := range records {
		messages = append(messages, &rabbitMessage{AMQP10: amqp.NewMessage(record), done: batch.done})
		bytes += len(record)
		if i+1 == len(records) || len(messages) == rabbitBatchMax || bytes+len(records[i+1]) > rabbitFrameMax {
			// It encodes the records at once, so that they are ours again.
			if err := s.producers[shard].producer.BatchSend(messages); err != nil {
				return fmt.Errorf("brokers: append to rabbitmq: %w", err)
			}
			messages, bytes = messages[:0], 0
		}
	}
	return batch.wait(ctx)
}

// Send implements target.Sender. The client puts what is waiting into frames.
func (s *rabbitSession) Send(ctx context.Context, shard int, record []byte, done func(error)) error {
	if err := s.window.enter(ctx); err != nil {
		return err
	}
	return s.producers[shard].producer.Send(&rabbitMessage{AMQP10: amqp.NewMessage(record), done: func(err error) {
		s.window.leave()
		done(err)
	}})
}

// Flush implements target.Sender.
func (s *rabbitSession) Flush(ctx context.Context) error { return s.window.drain(ctx) }

// Follow implements target.Follower.
func (s *rabbitSession) Follow(ctx context.Context, shard int, ready func(), deliver func([]byte)) error {
	const forever = -1
	return s.read(ctx, shard, newDelivery(forever, deliver), ready, stream.OffsetSpecification{}.Next())
}

// Scan implements target.Scanner.
func (s *rabbitSession) Scan(ctx context.Context, shard int, visit func([]byte)) error {
	count := s.producers[shard].confirmed.Load()
	if count == 0 {
		return nil
	}
	if err := s.read(ctx, shard, newDelivery(count, visit), func() {}, stream.OffsetSpecification{}.First()); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// read consumes until the delivery or ctx ends.
func (s *rabbitSession) read(ctx context.Context, shard int, to *delivery, ready func(), from stream.OffsetSpecification) error {
	consumer, err := s.environment.NewConsumer(rabbitStream(shard),
		func(_ stream.ConsumerContext, m *amqp.Message) { to.deliver(m.GetData()) },
		stream.NewConsumerOptions().SetOffset(from).SetInitialCredits(rabbitCredits))
	if err != nil {
		return fmt.Errorf("brokers: read from rabbitmq: %w", err)
	}
	closed := consumer.NotifyClose()
	ready()
	select {
	case <-to.ended:
	case <-ctx.Done():
	case event := <-closed:
		to.stop()
		return fmt.Errorf("brokers: read from rabbitmq: the server ended it: %s: %w", event.Reason, event.Err)
	}
	to.stop()
	if err := consumer.Close(); err != nil {
		return fmt.Errorf("brokers: read from rabbitmq: %w", err)
	}
	return nil
}

// Close implements target.Session.
func (s *rabbitSession) Close() error {
	var err error
	for _, p := range s.producers {
		err = errors.Join(err, p.producer.Close())
		p.confirms.Wait()
	}
	if s.environment != nil {
		err = errors.Join(err, s.environment.Close())
	}
	return errors.Join(err, s.process.Stop())
}
