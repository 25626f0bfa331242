package native

import (
	"log/slog"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// Options configure a server. The zero value is ready for use.
type Options struct {
	// Name is what the server calls itself in Welcome. Default: "millrace".
	Name string
	// MessageBytesMax is the largest message that is read. Default: the largest
	// that the protocol has.
	MessageBytesMax int
	// InFlightMax is how many appends, and how many other requests, of one
	// connection may be unanswered; then it is not read from. Default: 512.
	InFlightMax int
	// SubscriptionsMax is how many subscriptions one connection may have.
	// Default: 1,024.
	SubscriptionsMax int
	// ConnectionsMax is how many connections may be open. Default: 4,096.
	ConnectionsMax int
	// PushBytes is about how much of one subscription is written before others
	// of the connection get their turn. Default: 1 MiB.
	PushBytes int
	// HandshakeTimeout is how long a client may take to say Hello. Default: 10 s.
	HandshakeTimeout time.Duration
	// IdleTimeout is how long a connection may be silent without a subscription
	// or an unanswered request. Default: 10 minutes.
	IdleTimeout time.Duration
	// MessageTimeout is how long one message may take to arrive, once it began.
	// Default: 1 minute.
	MessageTimeout time.Duration
	// WriteTimeout is how long the client may take to accept one write.
	// Default: 30 s.
	WriteTimeout time.Duration
	// FetchWaitMax bounds how long a Fetch waits. Default: 1 minute.
	FetchWaitMax time.Duration
	// LingerTimeout is how long a connection that the server ends is read from
	// and ignored, so that the client gets to see why. Default: 1 s.
	LingerTimeout time.Duration
	// Logger gets one line per change of state. Default: none.
	Logger *slog.Logger
}

// listLimit is how many names a Streams message holds at most: names of 128
// bytes then fit a head four times over.
const listLimit = 1000

// withDefaults fills the zero fields and rejects what cannot work.
func (o Options) withDefaults() (Options, error) {
	if o.Name == "" {
		o.Name = "millrace"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.MessageBytesMax, protocol.MessageBytesMax)
	setDefault(&o.InFlightMax, 512)
	setDefault(&o.SubscriptionsMax, 1024)
	setDefault(&o.ConnectionsMax, 4096)
	setDefault(&o.PushBytes, 1<<20)
	setDefault(&o.HandshakeTimeout, 10*time.Second)
	setDefault(&o.IdleTimeout, 10*time.Minute)
	setDefault(&o.MessageTimeout, time.Minute)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.FetchWaitMax, time.Minute)
	setDefault(&o.LingerTimeout, time.Second)
	for _, limit := range []int{o.InFlightMax, o.SubscriptionsMax, o.ConnectionsMax, o.PushBytes} {
		if limit < 0 {
			return o, failure.New(failure.InvalidArgument, "native: options", "a limit of %d", limit)
		}
	}
	for _, timeout := range []time.Duration{
		o.HandshakeTimeout, o.IdleTimeout, o.MessageTimeout, o.WriteTimeout, o.FetchWaitMax, o.LingerTimeout,
	} {
		if timeout < 0 {
			return o, failure.New(failure.InvalidArgument, "native: options", "a timeout of %v", timeout)
		}
	}
	if o.MessageBytesMax < messageBytesLeast || o.MessageBytesMax > protocol.MessageBytesMax {
		return o, failure.New(failure.InvalidArgument, "native: options", "messages of %d bytes are not within %d to %d",
			o.MessageBytesMax, messageBytesLeast, protocol.MessageBytesMax)
	}
	return o, nil
}

// messageBytesLeast leaves room for the head of any request.
const messageBytesLeast = 64 << 10

// batchBytesMax is the largest batch that fits a message.
func (o Options) batchBytesMax() uint32 {
	return uint32(min(o.MessageBytesMax-protocol.AppendHeadBytes, record.BatchBytesMax))
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
