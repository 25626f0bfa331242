package control

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/server/access"
)

// answerBytesMax is more than the most keys take that there may be.
const answerBytesMax = 8 << 20

// Client asks the server of a data directory. Its methods may be called concurrently; the contexts
// bound the waiting, and the outcome of a change that was not waited for is unknown. Errors
// have the kinds that the server's have.
type Client struct{ http *http.Client }

// Dial returns a client of the server that has the directory open. It is failure.Unavailable if none
// answers at the socket, and failure.InvalidArgument if there can be no socket. Close it.
func Dial(ctx context.Context, directory string) (*Client, error) {
	path, err := Path(directory)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) }
	probe, err := dial(ctx, "", "")
	if err != nil {
		return nil, failure.Wrap(failure.Unavailable, "control: connect", err)
	}
	_ = probe.Close() // somebody is there
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: requestTimeout}}, nil
}

// Close ends the connections that are left.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Create makes a key for a user: see [access.Keys.Create].
func (c *Client) Create(ctx context.Context, user string) (access.Key, string, error) {
	var out keyAnswer
	err := c.do(ctx, http.MethodPost, "/keys", createRequest{user}, &out)
	return out.Key, out.Secret, err
}

// List returns all keys: see [access.Keys.List].
func (c *Client) List(ctx context.Context) ([]access.Key, error) {
	var out keysAnswer
	err := c.do(ctx, http.MethodGet, "/keys", nil, &out)
	return out.Keys, err
}

// SetDisabled takes a key out of use, or back into it: see [access.Keys.SetDisabled].
func (c *Client) SetDisabled(ctx context.Context, id string, disabled bool) (access.Key, error) {
	var out keyAnswer
	err := c.do(ctx, http.MethodPut, "/keys/"+url.PathEscape(id), disableRequest{disabled}, &out)
	return out.Key, err
}

// do sends one request and reads its answer.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader = http.NoBody
	if in != nil {
		document, err := json.Marshal(in)
		if err != nil {
			return failure.Wrap(failure.Internal, "control: request", err)
		}
		body = bytes.NewReader(document)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://control"+path, body)
	if err != nil {
		return failure.Wrap(failure.InvalidArgument, "control: request", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return failure.Wrap(failure.Disconnected, "control: request", err)
	}
	defer func() { _ = response.Body.Close() }() // what it says is known by then
	document, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return failure.Wrap(failure.Disconnected, "control: answer", err)
	}
	if response.StatusCode != http.StatusOK {
		var refused errorAnswer
		if err := json.Unmarshal(document, &refused); err != nil || refused.Kind == 0 {
			return failure.New(failure.Malformed, "control: answer", "status %d", response.StatusCode)
		}
		return failure.New(refused.Kind, refused.Operation, "%s", refused.Detail)
	}
	if err := json.Unmarshal(document, out); err != nil {
		return failure.Wrap(failure.Malformed, "control: answer", err)
	}
	return nil
}
