package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/internal/units"
)

// addrDefault is where a server listens unless told otherwise.
const addrDefault = "127.0.0.1:4568"

// connection is the flags of every command that talks to a server.
type connection struct {
	app     *app
	addr    string
	timeout units.Duration
}

// addConnection adds the flags.
func addConnection(a *app, cmd *cobra.Command) *connection {
	c := &connection{app: a, timeout: units.Duration(10 * time.Second)}
	cmd.Flags().StringVar(&c.addr, "addr", addrDefault, "server, HOST:PORT of the native protocol")
	cmd.Flags().Var(&c.timeout, "timeout", "how long to wait for the server")
	fromEnvironment(cmd.Flags(), "addr", "timeout")
	return c
}

// open returns a client. The caller closes it.
func (c *connection) open(ctx context.Context) (*client.Client, error) {
	c.app.addr = c.addr
	ctx, cancel := c.limit(ctx)
	defer cancel()
	timeout := time.Duration(c.timeout)
	return client.New(ctx, c.addr, client.WithName("millrace-cli"),
		client.WithDialTimeout(timeout), client.WithRequestTimeout(timeout), client.WithRetryBudget(timeout))
}

// limit bounds one request.
func (c *connection) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Duration(c.timeout))
}

// with runs one request on a client of its own.
func (c *connection) with(ctx context.Context, request func(ctx context.Context, cl *client.Client) error) error {
	cl, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := c.limit(ctx)
	defer cancel()
	return request(ctx, cl)
}

// replaceAddr fills in the address of the server, and drops the flag where the
// default does.
func replaceAddr(text, addr string) string {
	if addr == addrDefault {
		text = strings.ReplaceAll(text, " --addr %s", "")
	}
	return strings.ReplaceAll(text, "%s", addr)
}
