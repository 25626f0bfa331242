package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/internal/render"
)

func newStreamDescribe(a *app) *cobra.Command {
	var format render.Format
	cmd := &cobra.Command{
		Use:   "describe STREAM",
		Short: "Show a stream and its shards",
		Long: `Show a stream and its shards.

FIRST is the oldest record that retention has left, NEXT the number that the next
record will get. With --output wide the hash ranges are shown as well.`,
		Example: "  millrace stream describe orders --output wide",
		Args:    arguments(cobra.ExactArgs(1)),
	}
	addOutput(cmd, &format)
	c := addConnection(a, cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		var view streamView
		err := c.with(a.drain, func(ctx context.Context, cl *client.Client) error {
			description, err := cl.DescribeStream(ctx, args[0])
			if err == nil {
				view = viewOf(description)
			}
			return err
		})
		if err != nil {
			return err
		}
		return render.Print(a.Out, format, view, func(wide bool) render.Tables {
			return render.Tables{streamsTable([]streamView{view}, wide), shardsTable(view, wide)}
		})
	}
	return cmd
}
