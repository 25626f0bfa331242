package client

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
)

// answer is a request under way.
type answer interface {
	// receive takes a message that answers the request and reports whether it is
	// the last one. It runs on the connection's reader: it must not block, nor
	// keep what the message aliases.
	receive(message protocol.Message) (last bool)
	// fail is called instead, once, if the connection ends before the last
	// answer. The connection touches no buffer of the request any more by then.
	fail(err error)
}

// connection is one connection to the server with any number of requests under
// way. A writer goroutine sends all that is queued in one system call; a reader
// goroutine hands answers to their requests. Both end with the connection.
type connection struct {
	socket  net.Conn
	reader  *protocol.Reader
	welcome protocol.Welcome

	// wake tells the writer of a new queue entry.
	wake chan struct{}
	// stopping is closed when the connection begins to end.
	stopping chan struct{}

	mutex   sync.Mutex // guards all below
	pending map[uint32]answer
	request uint32 // the number given last
	queue   net.Buffers
	// written are set when the queue's buffers of the same index have left.
	written []*atomic.Bool
	err     error // why the connection ended
}

// dial opens a connection and shakes hands; no goroutine runs yet.
func dial(ctx context.Context, address string, o *options) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, o.dialTimeout)
	defer cancel()
	const operation = "client: connect"
	socket, err := o.dial(ctx, "tcp", address)
	if err != nil {
		return nil, failure.Wrap(failure.Unavailable, operation, err)
	}
	if o.tls != nil {
		socket = tls.Client(socket, o.tls)
	}
	// The deadline also ends a handshake whose context is cancelled.
	stop := context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Unix(1, 0)) })
	c := &connection{
		socket: socket, reader: protocol.NewReader(socket, 0),
		wake: make(chan struct{}, 1), stopping: make(chan struct{}),
		pending: make(map[uint32]answer),
	}
	if err := c.shakeHands(o.name); err != nil {
		_ = socket.Close()
		return nil, err
	}
	if !stop() {
		_ = socket.Close()
		return nil, failure.Wrap(failure.Unavailable, operation, ctx.Err())
	}
	return c, nil
}

// shakeHands sends Hello and waits for Welcome.
func (c *connection) shakeHands(name string) error {
	const operation = "client: connect"
	hello := protocol.Hello{Version: protocol.Version, Client: name}.AppendTo(nil, 1)
	if _, err := c.socket.Write(hello); err != nil {
		return failure.Wrap(failure.Unavailable, operation, err)
	}
	message, err := c.reader.Next()
	if err != nil {
		return failure.Wrap(failure.Unavailable, operation, err)
	}
	if err := errorIn(message); err != nil {
		return err
	}
	if err := c.welcome.Parse(message); err != nil {
		return failure.Wrap(failure.NotOurs, operation, err)
	}
	if c.welcome.Version != protocol.Version {
		return failure.New(failure.NewerVersion, operation,
			"the server speaks version %d, this client %d", c.welcome.Version, protocol.Version)
	}
	return nil
}

// errorIn returns the failure that a message carries, if it is an Error.
func errorIn(message protocol.Message) error {
	if message.Type != protocol.TypeError {
		return nil
	}
	var m protocol.Error
	if err := m.Parse(message); err != nil {
		return err
	}
	return m.Failure()
}

// start begins to serve requests. When the connection has ended and its goroutines
// have, it calls done.
func (c *connection) start(done func()) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write()
	}()
	go func() {
		defer done()
		c.stop(c.read())
		<-written
		c.failPending()
	}()
}

// begin registers a request and returns its number. If the connection has ended
// it returns the reason, and the answer is never called.
func (c *connection) begin(a answer) (uint32, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	c.request++
	for c.request == 0 || c.pending[c.request] != nil {
		c.request++
	}
	c.pending[c.request] = a
	return c.request, nil
}

// send queues an encoded message. It does not block; the queue is bounded by
// those who bound their requests. The bytes must not change until written is set,
// if it is given, or until the request is answered or failed.
func (c *connection) send(message []byte, written *atomic.Bool) {
	c.mutex.Lock()
	if c.err == nil {
		c.queue = append(c.queue, message)
		c.written = append(c.written, written)
	}
	c.mutex.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write sends what is queued until the connection stops.
func (c *connection) write() {
	var spare net.Buffers
	var spareWritten []*atomic.Bool
	for {
		select {
		case <-c.wake:
		case <-c.stopping:
			return
		}
		c.mutex.Lock()
		queue, written := c.queue, c.written
		c.queue, c.written = spare[:0], spareWritten[:0]
		c.mutex.Unlock()
		vector := queue // WriteTo consumes the slice it is called on
		if _, err := vector.WriteTo(c.socket); err != nil {
			c.stop(failure.Wrap(failure.Disconnected, "client: send", err))
			return
		}
		for _, w := range written {
			if w != nil {
				w.Store(true)
			}
		}
		clear(queue)
		clear(written)
		spare, spareWritten = queue, written
	}
}

// read hands out answers until the connection ends, and returns why it did.
func (c *connection) read() error {
	for {
		message, err := c.reader.Next()
		if err != nil {
			return failure.Wrap(failure.Disconnected, "client: receive", err)
		}
		c.mutex.Lock()
		a := c.pending[message.Request]
		c.mutex.Unlock()
		if a == nil {
			if err := errorIn(message); err != nil {
				return err
			}
			return failure.New(failure.Malformed, "client: receive",
				"%v answers request %d, which is not under way", message.Type, message.Request)
		}
		if a.receive(message) {
			c.mutex.Lock()
			delete(c.pending, message.Request)
			c.mutex.Unlock()
		}
	}
}

// stop ends the connection for the given reason; only the first counts.
func (c *connection) stop(err error) {
	c.mutex.Lock()
	first := c.err == nil
	if first {
		c.err = err
	}
	c.mutex.Unlock()
	if first {
		close(c.stopping)
		_ = c.socket.Close()
	}
}

// failPending fails every request under way.
func (c *connection) failPending() {
	c.mutex.Lock()
	pending, err := c.pending, c.err
	c.pending = nil
	c.mutex.Unlock()
	for _, a := range pending {
		a.fail(err)
	}
}

// ended reports whether the connection has begun to end.
func (c *connection) ended() bool {
	select {
	case <-c.stopping:
		return true
	default:
		return false
	}
}
