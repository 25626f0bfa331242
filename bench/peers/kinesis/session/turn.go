package session

import (
	"context"
	"net/http"
	"sync"
)

// turn lets the requests of a lane reach the server one after the other,
// although the next one is encoded and signed while the server works on the
// first. A nil *turn waits for nothing.
type turn struct {
	// ahead is closed when the request before has been answered or given up.
	ahead <-chan struct{}
	over  chan struct{}
	once  sync.Once
	ended func()
}

// newTurn returns the turn behind another one, which may be nil. It calls ended
// once, when it is passed on.
func newTurn(ahead *turn, ended func()) *turn {
	t := &turn{over: make(chan struct{}), ended: ended}
	if ahead != nil {
		t.ahead = ahead.over
	}
	return t
}

// wait waits until it is this request's turn.
func (t *turn) wait(ctx context.Context) error {
	if t == nil || t.ahead == nil {
		return nil
	}
	select {
	case <-t.ahead:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pass lets the next request go. It is idempotent.
func (t *turn) pass() {
	if t == nil {
		return
	}
	t.once.Do(func() {
		close(t.over)
		t.ended()
	})
}

// turnKey is where a context has the turn of its request.
type turnKey struct{}

// withTurn returns a context for a request that has to wait for its turn.
func withTurn(ctx context.Context, t *turn) context.Context {
	return context.WithValue(ctx, turnKey{}, t)
}

// turnClient is the HTTP client under the SDK's. The SDK calls it with requests
// that are encoded and signed.
type turnClient struct {
	http.Client
}

// Do waits for the turn of the request, if it has one, and sends it. The turn is
// passed on with a good answer; after a bad one the SDK may try again, and
// whoever put the turn into the context passes it on in the end.
func (c *turnClient) Do(request *http.Request) (*http.Response, error) {
	t, _ := request.Context().Value(turnKey{}).(*turn)
	if err := t.wait(request.Context()); err != nil {
		return nil, err
	}
	response, err := c.Client.Do(request)
	if err == nil && response.StatusCode == http.StatusOK {
		t.pass()
	}
	return response, err
}
