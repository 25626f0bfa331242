package native

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/histogram"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/stream"
)

// Server serves connections of the native protocol from one store. Its methods
// may be called concurrently.
type Server struct {
	store   *stream.Store
	options Options
	base    time.Time // append latencies are measured on the clock that began here
	stats   counters

	stopped chan struct{}  // closed when Shutdown begins
	group   sync.WaitGroup // connections

	mutex       sync.Mutex
	stopping    bool                     // guarded by mutex
	listeners   map[net.Listener]bool    // guarded by mutex
	connections map[*connection]struct{} // guarded by mutex
}

// New returns a server for a store, which must stay open until Shutdown has
// returned.
func New(store *stream.Store, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Server{
		store:       store,
		options:     o,
		base:        time.Now(),
		stopped:     make(chan struct{}),
		listeners:   make(map[net.Listener]bool),
		connections: make(map[*connection]struct{}),
	}, nil
}

const (
	acceptPauseFirst = 5 * time.Millisecond
	acceptPauseMax   = time.Second
	refusalTimeout   = 100 * time.Millisecond
)

// Serve accepts connections until Shutdown, when it returns nil, or until the
// listener fails. A lack of file descriptors is waited out. The listener is
// closed when Serve returns.
func (s *Server) Serve(listener net.Listener) error {
	if !s.watch(listener) {
		return errors.Join(errStopping, listener.Close())
	}
	defer s.unwatch(listener)
	pause := acceptPauseFirst
	for {
		socket, err := listener.Accept()
		if err == nil {
			pause = acceptPauseFirst
			s.ServeConnection(socket)
			continue
		}
		select {
		case <-s.stopped:
			return nil
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			return failure.Wrap(failure.Closed, "native: accept", err)
		}
		s.options.Logger.Warn("accept", "err", err, "pause", pause)
		select {
		case <-s.stopped:
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

// watch notes a listener for Shutdown to close, unless that has begun.
func (s *Server) watch(listener net.Listener) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.stopping {
		return false
	}
	s.listeners[listener] = true
	return true
}

func (s *Server) unwatch(listener net.Listener) {
	// It is closed already if Shutdown did.
	_ = listener.Close()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.listeners, listener)
}

// ServeConnection serves one connection in the background; the server closes it.
// It need not be TCP, but only TCP spares frames the copy.
func (s *Server) ServeConnection(socket net.Conn) {
	c, refusal := s.admit(socket)
	if refusal != nil {
		s.refuse(socket, refusal)
		return
	}
	go func() {
		defer s.group.Done()
		c.serve()
		s.mutex.Lock()
		defer s.mutex.Unlock()
		delete(s.connections, c)
		s.stats.open.Add(-1)
	}()
}

// admit makes a connection, counted in group, unless there may be no more.
func (s *Server) admit(socket net.Conn) (*connection, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.stopping {
		return nil, errStopping
	}
	if len(s.connections) >= s.options.ConnectionsMax {
		return nil, failure.New(failure.Unavailable, "native: connect", "%d connections are open, the limit", len(s.connections))
	}
	c := newConnection(s, socket)
	s.connections[c] = struct{}{}
	s.group.Add(1)
	s.stats.open.Add(1)
	s.stats.accepted.Add(1)
	return c, nil
}

// refuse tells the client why and hangs up. The message fits the empty buffer of
// a new socket, so nobody waits for this client.
func (s *Server) refuse(socket net.Conn, reason error) {
	s.stats.refused.Add(1)
	s.options.Logger.Warn("connection refused", "remote", socket.RemoteAddr(), "err", reason)
	// If any of this fails the client sees the connection close, which is all
	// that is left to tell it.
	_ = socket.SetWriteDeadline(time.Now().Add(refusalTimeout))
	_, _ = socket.Write(protocol.ErrorOf(reason).AppendTo(nil, 0))
	_ = socket.Close()
}

// errStopping is what clients are told when the server goes away.
var errStopping = failure.New(failure.Unavailable, "native: serve", "the server is shutting down")

// Shutdown stops accepting and reading, answers what was read, and closes all
// connections. When ctx ends first, connections are cut off where they are, and
// Shutdown returns its error; appends that were not answered may have happened.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mutex.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.stopped)
	}
	for listener := range s.listeners {
		// Serve sees the closed listener, and closes it again.
		_ = listener.Close()
	}
	for c := range s.connections {
		c.stop()
	}
	s.mutex.Unlock()

	done := make(chan struct{})
	go func() {
		s.group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mutex.Lock()
	cut := len(s.connections)
	for c := range s.connections {
		c.fail(errStopping)
	}
	s.mutex.Unlock()
	<-done
	err := failure.New(failure.Timeout, "native: shut down", "%d connections were cut off", cut)
	err.Err = context.Cause(ctx)
	return err
}

// counters are the totals behind Stats.
type counters struct {
	open, subscriptions                  atomic.Int64
	accepted, refused, appends, failures atomic.Uint64
	inBytes, outBytes                    atomic.Uint64
	latency                              histogram.Histogram
}

// Stats is a snapshot of a server.
type Stats struct {
	// Connections and Subscriptions are open now.
	Connections, Subscriptions int64
	// Accepted and Refused connections, since the start.
	Accepted, Refused uint64
	// Appends were acknowledged; Failures are Error messages sent.
	Appends, Failures uint64
	// InBytes and OutBytes are batches read and frames written.
	InBytes, OutBytes uint64
	// AppendLatency is from the end of reading a batch to its acknowledgement.
	AppendLatency histogram.Snapshot
}

// Stats returns a snapshot.
func (s *Server) Stats() Stats {
	return Stats{
		Connections: s.stats.open.Load(), Subscriptions: s.stats.subscriptions.Load(),
		Accepted: s.stats.accepted.Load(), Refused: s.stats.refused.Load(),
		Appends: s.stats.appends.Load(), Failures: s.stats.failures.Load(),
		InBytes: s.stats.inBytes.Load(), OutBytes: s.stats.outBytes.Load(),
		AppendLatency: s.stats.latency.Snapshot(),
	}
}
