package requests

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// bufferBytes is what is read from a connection at once: answers carry up to
	// megabytes.
	bufferBytes = 256 << 10
	// idleMax is how long a connection may rest: some servers end those that have
	// rested for 5 s, and a request that meets that end fails.
	idleMax = time.Second
	// answerBytesMax bounds an answer: 10 MiB of records in base64, with keys.
	answerBytesMax = 32 << 20
)

// StatusError is an answer that is none of success.
type StatusError struct {
	Operation string
	Status    int
	// Body is the beginning of the answer's body.
	Body string
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("requests: %s: status %d: %s", e.Operation, e.Status, e.Body)
}

// connection carries one request after the other.
type connection struct {
	conn   net.Conn
	reader *bufio.Reader
	body   []byte
	used   time.Time
}

// pool is the connections that rest, for the next request.
type pool struct {
	address, stream string
	tls             bool

	mutex  sync.Mutex
	idle   []*connection // guarded by mutex; the one used last is the last one
	closed bool          // guarded by mutex
}

// get returns a connection that is connected.
func (p *pool) get(ctx context.Context) (*connection, error) {
	p.mutex.Lock()
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		c := p.idle[last]
		p.idle = p.idle[:last]
		if time.Since(c.used) < idleMax {
			p.mutex.Unlock()
			return c, nil
		}
		_ = c.conn.Close()
	}
	p.mutex.Unlock()
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("requests: connect: %w", err)
	}
	return &connection{conn: conn, reader: bufio.NewReaderSize(conn, bufferBytes)}, nil
}

func (p *pool) dial(ctx context.Context) (net.Conn, error) {
	if p.tls {
		// Whoever measures has started the server: there is nobody to be told from it.
		secure := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		return secure.DialContext(ctx, "tcp", p.address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", p.address)
}

// put takes a connection back, whose answer was read to its end.
func (p *pool) put(c *connection) {
	c.used = time.Now()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.closed {
		_ = c.conn.Close()
		return
	}
	p.idle = append(p.idle, c)
}

// close ends the connections that rest.
func (p *pool) close() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, c := range p.idle {
		_ = c.conn.Close()
	}
	p.idle, p.closed = nil, true
}

// do sends a request and has use look at the document of the answer, which is good
// until use returns. Any status but 200 is a *StatusError.
func (p *pool) do(ctx context.Context, operation string, request []byte, use func(document []byte) error) error {
	c, err := p.get(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	status, last, err := c.roundTrip(request)
	if !stop() || err != nil {
		_ = c.conn.Close() // its deadline may be set, or its answer half read
		return errors.Join(ctx.Err(), wrapped(operation, err))
	}
	if status != http.StatusOK {
		const bodyMax = 512
		err = &StatusError{Operation: operation, Status: status, Body: string(c.body[:min(len(c.body), bodyMax)])}
	} else {
		err = use(c.body)
	}
	if last {
		_ = c.conn.Close()
		return err
	}
	p.put(c)
	return err
}

// wrapped says where an error of a connection came up.
func wrapped(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("requests: %s: %w", operation, err)
}

// roundTrip sends a request and reads the answer into c.body. Last says that the
// server ends the connection with it.
func (c *connection) roundTrip(request []byte) (status int, last bool, err error) {
	answer, err := c.send(request) //nolint:bodyclose // the connection goes on, or is closed with what is left of it
	if err != nil {
		return 0, true, err
	}
	c.body, err = readAll(c.body[:0], answer.Body, answer.ContentLength)
	return answer.StatusCode, answer.Close, err
}

// send sends a request and reads the head of the answer.
func (c *connection) send(request []byte) (*http.Response, error) {
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.reader, nil)
}

// errLong is an answer that goes on and on.
var errLong = fmt.Errorf("the answer is longer than %d bytes", answerBytesMax)

// readAll appends all of source to b. Size is how much there is, or below 0.
func readAll(b []byte, source io.Reader, size int64) ([]byte, error) {
	if size > answerBytesMax {
		return b, errLong
	}
	b = slices.Grow(b, int(max(size, 0))+1) // one more, to see the end
	for {
		n, err := source.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, err
		case len(b) > answerBytesMax:
			return b, errLong
		}
		if len(b) == cap(b) {
			b = slices.Grow(b, len(b))
		}
	}
}
