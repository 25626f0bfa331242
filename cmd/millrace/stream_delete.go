package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/internal/units"
)

func newStreamDelete(a *app) *cobra.Command {
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use:     "delete STREAM",
		Aliases: []string{"rm"},
		Short:   "Delete a stream and its records",
		Long: `Delete a stream and its records, for good.

On a terminal the name is asked for again; elsewhere --yes is needed.`,
		Example: "  millrace stream delete orders --dry-run",
		Args:    arguments(cobra.ExactArgs(1)),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be deleted")
	c := addConnection(a, cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		name := args[0]
		var view streamView
		err := c.with(a.drain, func(ctx context.Context, cl *client.Client) error {
			description, err := cl.DescribeStream(ctx, name)
			if err == nil {
				view = viewOf(description)
			}
			return err
		})
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%s: %s in %s, %s", name,
			units.Plural(view.Records, "record"), units.Plural(len(view.Shards), "shard"), units.Bytes(view.Bytes).Human())
		if dryRun {
			fmt.Fprintln(a.Err, "would delete", what)
			return nil
		}
		if !yes {
			if err := a.confirm(question{"Delete " + what, "deleting " + what, "the name", name}); err != nil {
				return err
			}
		}
		err = c.with(a.drain, func(ctx context.Context, cl *client.Client) error { return cl.DeleteStream(ctx, name) })
		if err == nil {
			fmt.Fprintln(a.Err, "deleted", what)
		}
		return err
	}
	return cmd
}

// question is what is asked before something that cannot be undone.
type question struct {
	title string // "Delete orders"
	doing string // "deleting orders"
	hint  string // what to type, in words
	word  string // what to type
}

// confirm asks.
func (a *app) confirm(q question) error {
	if !a.InTTY || !a.ErrTTY {
		return usageErrorf("%s needs --yes where there is no terminal to ask", q.doing)
	}
	fmt.Fprintf(a.Err, "%s\nType %s to go on: ", q.title, q.hint)
	answer, err := bufio.NewReader(a.In).ReadString('\n')
	if strings.TrimSpace(answer) != q.word {
		return usageErrorf("nothing is done: %q is not %q", strings.TrimSpace(answer), q.word)
	}
	_ = err // the answer is complete even if the input ends with it
	return nil
}
