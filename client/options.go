package client

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/record/kpl"
)

// Option configures a [Client].
type Option func(*options)

// DialFunc opens a connection to the server; net.Dialer.DialContext is one.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// options are those of a client.
type options struct {
	name           string
	dial           DialFunc
	tls            *tls.Config
	dialTimeout    time.Duration
	requestTimeout time.Duration
	retryBudget    time.Duration
}

func defaultOptions() options {
	return options{
		name:           "millrace-go",
		dial:           new(net.Dialer).DialContext,
		dialTimeout:    5 * time.Second,
		requestTimeout: 30 * time.Second,
		retryBudget:    time.Minute,
	}
}

// WithName sets the name under which the server knows the client; "millrace-go"
// by default.
func WithName(name string) Option { return func(o *options) { o.name = name } }

// WithDialer sets how connections are opened.
func WithDialer(dial DialFunc) Option { return func(o *options) { o.dial = dial } }

// WithTLS encrypts connections.
func WithTLS(config *tls.Config) Option { return func(o *options) { o.tls = config } }

// WithDialTimeout bounds the opening of one connection, the handshake included;
// 5 s by default.
func WithDialTimeout(d time.Duration) Option { return func(o *options) { o.dialTimeout = d } }

// WithRequestTimeout bounds the wait for one answer. When it passes, the connection
// is taken for dead and opened anew; 30 s by default.
func WithRequestTimeout(d time.Duration) Option { return func(o *options) { o.requestTimeout = d } }

// WithRetryBudget bounds how long one operation is retried; 1 min by default.
// With 0 nothing is retried.
func WithRetryBudget(d time.Duration) Option { return func(o *options) { o.retryBudget = d } }

// ProducerOption configures a [Producer].
type ProducerOption func(*producerOptions)

// producerOptions are those of a producer.
type producerOptions struct {
	linger      time.Duration
	batchBytes  int
	bufferBytes int
	inFlight    int
	durability  *record.Durability
	aggregation *kpl.Options
}

func defaultProducerOptions() producerOptions {
	return producerOptions{
		linger:      5 * time.Millisecond,
		batchBytes:  1 << 20,
		bufferBytes: 64 << 20,
		inFlight:    4,
	}
}

// WithLinger sets how long a record may wait for others to share its batch; 5 ms
// by default. A full batch never waits.
func WithLinger(d time.Duration) ProducerOption { return func(o *producerOptions) { o.linger = d } }

// WithBatchBytes sets the size at which a batch is full; 1 MiB by default. A
// record larger than that travels alone.
func WithBatchBytes(n int) ProducerOption { return func(o *producerOptions) { o.batchBytes = n } }

// WithBufferBytes bounds the records that are produced and not yet acknowledged;
// beyond it Produce waits. 64 MiB by default.
func WithBufferBytes(n int) ProducerOption { return func(o *producerOptions) { o.bufferBytes = n } }

// inFlightMax is the most batches of one shard under way.
const inFlightMax = protocol.ProducerBatchesMax

// WithInFlight bounds the batches of one shard that await acknowledgement, from 1
// to 16; 4 by default.
func WithInFlight(n int) ProducerOption { return func(o *producerOptions) { o.inFlight = n } }

// WithDurability asks for a promise stronger than that of the stream. A weaker
// one has no effect.
func WithDurability(d record.Durability) ProducerOption {
	return func(o *producerOptions) { o.durability = &d }
}

// validate returns what is wrong with the options.
func (o *producerOptions) validate() error {
	const operation = "client: new producer"
	switch {
	case o.linger < 0:
		return failure.New(failure.InvalidArgument, operation, "a linger of %v", o.linger)
	case o.batchBytes < 1:
		return failure.New(failure.InvalidArgument, operation, "batches of %d bytes", o.batchBytes)
	case o.bufferBytes < 1:
		return failure.New(failure.InvalidArgument, operation, "a buffer of %d bytes", o.bufferBytes)
	case o.inFlight < 1 || o.inFlight > inFlightMax:
		return failure.New(failure.InvalidArgument, operation,
			"%d batches in flight, not between 1 and %d", o.inFlight, inFlightMax)
	case o.durability != nil && !o.durability.Valid():
		return failure.New(failure.InvalidArgument, operation, "%v", *o.durability)
	}
	return nil
}

// ConsumerOption configures [Client.Records] and [Client.Batches].
type ConsumerOption func(*consumerOptions)

// consumerOptions are those of a consumer.
type consumerOptions struct {
	start     record.Start
	positions map[record.ShardID]uint64
	shards    []record.ShardID
	readAhead int
	bounded   bool
}

func defaultConsumerOptions() consumerOptions {
	return consumerOptions{start: record.TrimHorizon(), readAhead: 8 << 20}
}

// FromTrimHorizon starts at the oldest record of each shard. It is the default.
func FromTrimHorizon() ConsumerOption {
	return func(o *consumerOptions) { o.start = record.TrimHorizon() }
}

// FromLatest starts with what is written after the loop has begun.
func FromLatest() ConsumerOption { return func(o *consumerOptions) { o.start = record.Latest() } }

// FromTime starts at the first record of each shard that arrived at or after t.
func FromTime(t time.Time) ConsumerOption {
	return func(o *consumerOptions) { o.start = record.AtTime(t) }
}

// FromSequence starts at the record with this sequence. Sequences are those of
// one shard, so it needs InShard with a single shard.
func FromSequence(sequence uint64) ConsumerOption {
	return func(o *consumerOptions) { o.start = record.AtSequence(sequence) }
}

// FromPositions starts behind the given sequence in each shard named, as when
// going on from a checkpoint; 0 is the oldest record. Other shards start where the
// other options say.
func FromPositions(after map[record.ShardID]uint64) ConsumerOption {
	return func(o *consumerOptions) { o.positions = after }
}

// InShard reads only these shards.
func InShard(shards ...record.ShardID) ConsumerOption {
	return func(o *consumerOptions) { o.shards = shards }
}

// WithReadAhead sets how many bytes the server may send beyond what the loop has
// consumed, all shards together; 8 MiB by default.
func WithReadAhead(n int) ConsumerOption { return func(o *consumerOptions) { o.readAhead = n } }

// UntilLatest ends the loop, without an error, once everything is delivered that
// was there when it began. A shard that the server could not open is an error of
// kind failure.Unavailable.
func UntilLatest() ConsumerOption { return func(o *consumerOptions) { o.bounded = true } }
