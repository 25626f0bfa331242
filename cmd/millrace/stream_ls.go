package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/render"
)

func newStreamList(a *app) *cobra.Command {
	var format render.Format
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the streams",
		Long:    "List the streams with what they hold, in the order of their names.",
		Example: "  millrace stream ls --output json",
		Args:    arguments(cobra.NoArgs),
	}
	addOutput(cmd, &format)
	c := addConnection(a, cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		streams := []streamView{}
		err := c.with(a.drain, func(ctx context.Context, cl *client.Client) error {
			names, err := cl.ListStreams(ctx)
			if err != nil {
				return err
			}
			for _, name := range names {
				description, err := cl.DescribeStream(ctx, name)
				if errors.Is(err, failure.NotFound) {
					continue // deleted since it was listed
				}
				if err != nil {
					return err
				}
				streams = append(streams, viewOf(description))
			}
			return nil
		})
		if err != nil {
			return err
		}
		return render.Print(a.Out, format, streams, func(wide bool) render.Tables { return render.Tables{streamsTable(streams, wide)} })
	}
	return cmd
}
