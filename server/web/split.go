package web

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	// recordHandshake is the first byte of a TLS connection.
	recordHandshake = 22
	// firstByteMax is how long a client may take to send its first byte and for the handshake,
	// as long as it may for a whole header.
	firstByteMax = headerTimeout
	// undecidedMax is how many connections may be waited for at once. Those that come then wait
	// in the kernel.
	undecidedMax = 1024
	// acceptPauseFirst is how long a listener rests that cannot accept, for want of files mostly;
	// it doubles up to acceptPauseMax.
	acceptPauseFirst = 5 * time.Millisecond
	acceptPauseMax   = time.Second
)

// split yields the connections of a listener: as they are, as a [*tls.Conn] if a TLS handshake
// agreed on a protocol, and as a plain connection over TLS if it did not. http.Server tells
// them apart, and asks plain ones by their first bytes whether they speak HTTP/2: the SDK for
// Java does, over TLS without naming it in the handshake.
type split struct {
	net.Listener
	config    *tls.Config
	undecided chan struct{} // a place for each
	ready     chan net.Conn
	failed    chan error // capacity 1: why nothing is accepted any more
	closed    chan struct{}
	once      sync.Once
	group     sync.WaitGroup
}

// newSplit begins to accept connections. Close it.
func newSplit(l net.Listener, config *tls.Config) *split {
	s := &split{
		Listener: l, config: config, undecided: make(chan struct{}, undecidedMax), ready: make(chan net.Conn),
		failed: make(chan error, 1), closed: make(chan struct{}),
	}
	s.group.Go(s.accept)
	return s
}

// accept hands connections to goroutines that wait for their first byte.
func (s *split) accept() {
	pause := acceptPauseFirst
	for {
		select {
		case s.undecided <- struct{}{}:
		case <-s.closed:
			return
		}
		c, err := s.Listener.Accept()
		switch {
		case err == nil:
			pause = acceptPauseFirst
			s.group.Go(func() {
				defer func() { <-s.undecided }()
				s.decide(c)
			})
			continue
		case errors.Is(err, net.ErrClosed):
			s.failed <- err
			return
		}
		<-s.undecided
		select {
		case <-s.closed:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

// decide waits for the first byte of a connection, and for its handshake if it has one.
func (s *split) decide(c net.Conn) {
	found, err := s.begin(c)
	if err != nil || c.SetDeadline(time.Time{}) != nil {
		_ = c.Close() // it never was a client, or is gone already
		return
	}
	select {
	case s.ready <- found:
	case <-s.closed:
		_ = c.Close() // nobody serves it
	}
}

// begin returns a connection as it is served. Close ends the waiting, by a deadline, but touches no
// connection once begin has returned: that would cut requests which Shutdown lets finish.
func (s *split) begin(c net.Conn) (net.Conn, error) {
	if err := c.SetDeadline(time.Now().Add(firstByteMax)); err != nil {
		return nil, err
	}
	var watch sync.WaitGroup
	begun := make(chan struct{})
	watch.Go(func() {
		select {
		case <-s.closed:
			_ = c.SetDeadline(time.Unix(1, 0))
		case <-begun:
		}
	})
	defer watch.Wait()
	defer close(begun)
	p := &peeked{Conn: c}
	if err := p.peek(); err != nil {
		return nil, err
	}
	if p.first[0] == recordHandshake {
		return handshake(tls.Server(p, s.config))
	}
	return p, nil
}

// handshake does it. A connection without a protocol does not show that it is over TLS.
func handshake(c *tls.Conn) (net.Conn, error) {
	if err := c.Handshake(); err != nil { //nolint:noctx // the deadline ends it, and so does Close
		return nil, err
	}
	if c.ConnectionState().NegotiatedProtocol == "" {
		return struct{ net.Conn }{c}, nil
	}
	return c, nil
}

// Accept returns the next connection that has said what it is.
func (s *split) Accept() (net.Conn, error) {
	select {
	case c := <-s.ready:
		return c, nil
	case err := <-s.failed:
		s.failed <- err
		return nil, err
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close ends accepting. Connections that were not accepted are closed.
func (s *split) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		err = s.Listener.Close()
		s.group.Wait()
	})
	return err
}

// peeked is a connection whose first byte was read.
type peeked struct {
	net.Conn
	first  [1]byte
	unread bool
}

func (p *peeked) peek() error {
	_, err := p.Conn.Read(p.first[:])
	p.unread = err == nil
	return err
}

// Read returns the first byte first.
func (p *peeked) Read(b []byte) (int, error) {
	if p.unread && len(b) > 0 {
		p.unread = false
		b[0] = p.first[0]
		return 1, nil
	}
	return p.Conn.Read(b)
}
