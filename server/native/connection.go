package native

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
)

// connection is one client. The goroutine that runs serve reads; see the package
// documentation for the others.
type connection struct {
	server *Server
	socket net.Conn
	source source
	reader *protocol.Reader

	// ctx ends when nobody is there any more to be answered, reading when no
	// more requests will be read. Appends are answered until ctx ends,
	// everything that waits for something to happen gives up with reading.
	ctx           context.Context
	cancel        context.CancelCauseFunc
	reading       context.Context
	cancelReading context.CancelFunc

	queue    chan reply     // answers to appends; serve sends and closes
	slots    chan struct{}  // one token per other request
	group    sync.WaitGroup // requests and subscriptions
	stopping atomic.Bool

	subscribing   sync.Mutex
	subscriptions map[uint32]*subscription // guarded by subscribing; by request

	writing sync.Mutex  // held while writing to socket
	vector  [2][]byte   // guarded by writing
	buffers net.Buffers // guarded by writing
}

func newConnection(s *Server, socket net.Conn) *connection {
	c := &connection{
		server:        s,
		socket:        socket,
		queue:         make(chan reply, s.options.InFlightMax),
		slots:         make(chan struct{}, s.options.InFlightMax),
		subscriptions: make(map[uint32]*subscription),
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.reading, c.cancelReading = context.WithCancel(c.ctx)
	c.source.connection = c
	c.reader = protocol.NewReader(&c.source, s.options.MessageBytesMax)
	return c
}

// serve runs the connection from Hello to the end.
func (c *connection) serve() {
	began := time.Now()
	log := c.server.options.Logger.With("remote", c.socket.RemoteAddr())
	client, err := c.shakeHands()
	if err == nil {
		log = log.With("client", client)
		log.Debug("connection opened")
		var writer sync.WaitGroup
		writer.Go(c.writeReplies)
		err = c.readRequests()
		c.settle(err)
		writer.Wait()
	} else if reason := parting(err); reason != nil {
		c.writeError(0, reason)
	}
	c.close()
	if cause := context.Cause(c.ctx); cause != nil {
		err = cause
	}
	c.cancel(nil)
	c.cancelReading()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, errStopping):
		log.Debug("connection closed", "dur", time.Since(began))
	case errors.Is(err, failure.Disconnected):
		log.Info("connection lost", "err", err, "dur", time.Since(began))
	default:
		log.Warn("connection ended", "err", err, "dur", time.Since(began))
	}
}

// shakeHands answers the first message, which must be Hello.
func (c *connection) shakeHands() (client string, err error) {
	message, err := c.next()
	if err != nil {
		return "", err
	}
	var hello protocol.Hello
	if err := hello.Parse(message); err != nil {
		return "", err
	}
	if hello.Version < 1 {
		return "", failure.New(failure.Malformed, "native: hello", "version %d", hello.Version)
	}
	c.source.greeted = true
	welcome := protocol.Welcome{
		Version:       min(hello.Version, protocol.Version),
		Server:        c.server.options.Name,
		BatchBytesMax: c.server.options.batchBytesMax(),
		InFlightMax:   uint32(c.server.options.InFlightMax),
	}
	return hello.Client, c.write(welcome.AppendTo(nil, message.Request))
}

// next reads one message.
func (c *connection) next() (protocol.Message, error) {
	message, err := c.reader.Next()
	c.source.partial = time.Time{}
	switch {
	case err == nil:
		return message, nil
	case errors.Is(err, errStopping):
		return message, errStopping
	case errors.Is(err, os.ErrDeadlineExceeded):
		return message, failure.New(failure.Timeout, "native: read",
			"nothing arrived in time; %d bytes of a message did", c.reader.Buffered())
	default:
		return message, err
	}
}

// readRequests reads until the connection must end, and returns why.
func (c *connection) readRequests() error {
	for {
		message, err := c.next()
		if err != nil {
			return err
		}
		if err := c.handle(message); err != nil {
			return err
		}
	}
}

// settle ends what is under way after reading ended with err: the queue is
// answered to its end, then comes the reason for the end.
func (c *connection) settle(err error) {
	reason := parting(err)
	if reason == nil && !errors.Is(err, io.EOF) {
		c.cancel(err) // nobody listens
	}
	c.cancelReading()
	c.group.Wait()
	if reason != nil {
		_ = c.enqueue(reply{err: reason}) // it fails only when nobody listens
	}
	close(c.queue)
}

// parting returns what a client that is still there must be told about the end
// of its connection: nothing if it ended it itself or is gone.
func parting(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, failure.Disconnected) {
		return nil
	}
	return err
}

// stop ends reading. What was read is answered.
func (c *connection) stop() {
	c.stopping.Store(true)
	// The source looks at stopping after setting a deadline, so whichever
	// deadline is set last, it stops.
	_ = c.socket.SetReadDeadline(time.Unix(1, 0))
}

// fail ends the connection at once.
func (c *connection) fail(err error) {
	c.cancel(err)
	_ = c.socket.Close() // wakes reader and writers; the error is err
}

// close hangs up. A socket closed with unread bytes resets the connection, and
// the peer would lose what was written last; so it is read to its end first,
// for a moment.
func (c *connection) close() {
	defer c.socket.Close()
	half, ok := c.socket.(interface{ CloseWrite() error })
	if !ok || c.ctx.Err() != nil || half.CloseWrite() != nil {
		return
	}
	if c.socket.SetReadDeadline(time.Now().Add(c.server.options.LingerTimeout)) != nil {
		return
	}
	// Whatever ends this, the connection is over.
	_, _ = io.Copy(io.Discard, c.socket)
}

// source is the reading side of the socket, with deadlines.
type source struct {
	connection *connection
	greeted    bool      // Hello has arrived
	partial    time.Time // when the message that is being read began; zero between messages
}

// Read waits for the next bytes: for as long as a message may take in the middle
// of one, and for as long as a connection may idle between two. A connection
// with something under way is not idle.
func (s *source) Read(p []byte) (int, error) {
	c := s.connection
	for {
		idle := c.reader.Buffered() == 0
		if err := c.socket.SetReadDeadline(s.deadline(idle)); err != nil {
			return 0, err
		}
		if c.stopping.Load() {
			return 0, errStopping
		}
		n, err := c.socket.Read(p)
		if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if c.stopping.Load() {
			return 0, errStopping
		}
		if !idle || !s.greeted || !c.busy() {
			return 0, err
		}
	}
}

func (s *source) deadline(idle bool) time.Time {
	o, now := &s.connection.server.options, time.Now()
	if !s.greeted {
		if s.partial.IsZero() {
			s.partial = now
		}
		return s.partial.Add(o.HandshakeTimeout)
	}
	if idle {
		return now.Add(o.IdleTimeout)
	}
	if s.partial.IsZero() {
		s.partial = now
	}
	return s.partial.Add(o.MessageTimeout)
}

// busy reports whether the client waits for something.
func (c *connection) busy() bool {
	if len(c.queue) > 0 || len(c.slots) > 0 {
		return true
	}
	c.subscribing.Lock()
	defer c.subscribing.Unlock()
	return len(c.subscriptions) > 0
}

// write sends whole messages. An error ends the connection.
func (c *connection) write(messages []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	err := c.socket.SetWriteDeadline(time.Now().Add(c.server.options.WriteTimeout))
	if err == nil {
		_, err = c.socket.Write(messages)
	}
	return c.written(err)
}

// writeBody sends a message whose body lies elsewhere, without copying it.
func (c *connection) writeBody(head, body []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.vector = [2][]byte{head, body}
	c.buffers = c.vector[:]
	err := c.socket.SetWriteDeadline(time.Now().Add(c.server.options.WriteTimeout))
	if err == nil {
		_, err = c.buffers.WriteTo(c.socket)
	}
	c.vector = [2][]byte{} // the body may be unmapped from here on
	c.server.stats.outBytes.Add(uint64(len(body)))
	return c.written(err)
}

// written ends the connection if a write failed: the client may have got part
// of a message.
func (c *connection) written(err error) error {
	if err == nil {
		return nil
	}
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = failure.New(failure.Timeout, "native: write", "the client took nothing for %v", c.server.options.WriteTimeout)
	} else {
		err = failure.Wrap(failure.Disconnected, "native: write", err)
	}
	c.fail(err)
	return err
}

// writeError answers a request, or tells why the connection ends.
func (c *connection) writeError(request uint32, err error) {
	c.server.stats.failures.Add(1)
	// An error of the write has ended the connection.
	_ = c.write(protocol.ErrorOf(err).AppendTo(nil, request))
}
