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
			if err := a.confirm("deleting "+what, name, "deleted"); err != nil {
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

// confirm asks for a word before something that cannot be undone.
func (a *app) confirm(what, word, done string) error {
	if !a.InTTY || !a.ErrTTY {
		return usageErrorf("%s needs --yes where there is no terminal to ask", what)
	}
	fmt.Fprintf(a.Err, "About to go on with %s\nType %s to go on: ", what, word)
	answer, err := bufio.NewReader(a.In).ReadString('\n')
	if strings.TrimSpace(answer) != word {
		return usageErrorf("nothing is %s: %q is not %q", done, strings.TrimSpace(answer), word)
	}
	_ = err // the answer is complete even if the input ends with it
	return nil
}
