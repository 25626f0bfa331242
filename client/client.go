package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
)

// Client is a connection to one server, opened again whenever it is lost. It is
// safe for concurrent use and never changes after New.
type Client struct {
	address string
	options options

	// dialing holds a token while nobody dials.
	dialing chan struct{}

	mutex     sync.Mutex // guards all below
	current   *connection
	producers map[*Producer]struct{}
	putters   map[string]*Producer // those that Put uses, by stream
	closed    bool
	running   sync.WaitGroup // connections and producers
}

// New connects to the server at address, such as "localhost:4568". It tries once:
// a server that is not there is reported at once and not retried.
func New(ctx context.Context, address string, settings ...Option) (*Client, error) {
	c := &Client{
		address: address, options: defaultOptions(), dialing: make(chan struct{}, 1),
		producers: make(map[*Producer]struct{}), putters: make(map[string]*Producer),
	}
	for _, set := range settings {
		set(&c.options)
	}
	c.dialing <- struct{}{}
	if _, err := c.connection(ctx); err != nil {
		return nil, fmt.Errorf("client: new %s: %w", address, err)
	}
	return c, nil
}

// Close ends all connections and producers and waits for their goroutines.
// Records that are not acknowledged by then get a result of kind Closed; use
// [Producer.Close] to have them sent first. Loops over Records and Batches are
// ended by their contexts, not by Close.
func (c *Client) Close() error {
	c.mutex.Lock()
	c.closed = true
	current := c.current
	producers := make([]*Producer, 0, len(c.producers))
	for p := range c.producers {
		producers = append(producers, p)
	}
	c.mutex.Unlock()
	for _, p := range producers {
		p.abort()
	}
	if current != nil {
		current.stop(errClosed("client"))
	}
	c.running.Wait()
	return nil
}

// errClosed is the failure of whatever comes after Close.
func errClosed(operation string) error {
	return failure.New(failure.Closed, operation, "the client is closed")
}

// errSilent is the failure of a connection on which an answer is overdue.
func (c *Client) errSilent() error {
	return failure.New(failure.Disconnected, "client: receive", "no answer for %v", c.options.requestTimeout)
}

// connection returns the open connection, or opens one. Concurrent callers wait
// for one attempt instead of making their own.
func (c *Client) connection(ctx context.Context) (*connection, error) {
	if current, err := c.open(); current != nil || err != nil {
		return current, err
	}
	select {
	case <-c.dialing:
		defer func() { c.dialing <- struct{}{} }()
	case <-ctx.Done():
		return nil, contextError(ctx)
	}
	if current, err := c.open(); current != nil || err != nil {
		return current, err
	}
	opened, err := dial(ctx, c.address, &c.options)
	if err != nil {
		return nil, err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		_ = opened.socket.Close()
		return nil, errClosed("client: connect")
	}
	c.current = opened
	c.running.Add(1)
	opened.start(c.running.Done)
	return opened, nil
}

// open returns the connection if it is usable, nil if there is none, or an error
// if there must not be one.
func (c *Client) open() (*connection, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	switch {
	case c.closed:
		return nil, errClosed("client: connect")
	case c.current == nil || c.current.ended():
		return nil, nil
	default:
		return c.current, nil
	}
}

// request is a message that asks for one answer.
type request interface {
	AppendTo(destination []byte, request uint32) []byte
}

// reply is a message that answers a request.
type reply[R any] interface {
	*R
	Parse(message protocol.Message) error
}

// call is a request with one answer, of type R.
type call[R any, P reply[R]] struct {
	done  chan struct{}
	value R
	err   error
}

func (c *call[R, P]) receive(message protocol.Message) bool {
	if c.err = errorIn(message); c.err == nil {
		c.err = P(&c.value).Parse(message)
	}
	close(c.done)
	return true
}

func (c *call[R, P]) fail(err error) {
	c.err = err
	close(c.done)
}

// ask sends a request and waits for its answer, retrying as the client's options
// say.
func ask[R any, P reply[R]](ctx context.Context, c *Client, question request) (value R, err error) {
	err = retry(ctx, c.options.retryBudget, func(ctx context.Context) error {
		value, err = askOnce[R, P](ctx, c, question)
		return err
	})
	return value, err
}

// askOnce sends a request over the current connection and waits for its answer.
func askOnce[R any, P reply[R]](ctx context.Context, c *Client, question request) (none R, err error) {
	connection, err := c.connection(ctx)
	if err != nil {
		return none, err
	}
	pending := &call[R, P]{done: make(chan struct{})}
	number, err := connection.begin(pending)
	if err != nil {
		return none, err
	}
	connection.send(question.AppendTo(nil, number), nil)
	timer := time.NewTimer(c.options.requestTimeout)
	defer timer.Stop()
	select {
	case <-pending.done:
		return pending.value, pending.err
	case <-timer.C:
		connection.stop(c.errSilent())
		<-pending.done // failed with the connection, if not answered at last
		return pending.value, pending.err
	case <-ctx.Done():
		// The answer, when it comes, goes to a value that nobody reads.
		return none, contextError(ctx)
	}
}
