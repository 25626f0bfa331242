package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/internal/units"
	"github.com/millrace-io/millrace/record"
)

// retainForever is the word for no retention by time.
const retainForever = "forever"

// createFlags are the flags of stream create.
type createFlags struct {
	shards         int
	durability     string
	syncInterval   units.Duration
	retention      string
	retentionBytes units.Bytes
	enforceLimits  bool
}

func newStreamCreate(a *app) *cobra.Command {
	f := createFlags{shards: 1, durability: record.Group.String(), syncInterval: units.Duration(100 * time.Millisecond), retention: "1d"}
	var format render.Format
	cmd := &cobra.Command{
		Use:   "create STREAM",
		Short: "Create a stream",
		Long: `Create a stream.

The durability says what an acknowledgement means: with group that fdatasync has
returned, with interval that the record survives the process and reaches the
disk within the sync interval, with none that it survives the process.`,
		Example: "  millrace stream create orders --shards 4 --durability group --retention 7d",
		Args:    arguments(cobra.ExactArgs(1)),
	}
	flags := cmd.Flags()
	flags.IntVar(&f.shards, "shards", f.shards, "how many shards; each keeps its own order")
	flags.StringVar(&f.durability, "durability", f.durability, "group, interval or none")
	flags.Var(&f.syncInterval, "sync-interval", "with --durability interval: how long records may stay unsynced")
	flags.StringVar(&f.retention, "retention", f.retention, "how long records are kept, or "+retainForever)
	flags.Var(&f.retentionBytes, "retention-bytes", "how much each shard keeps; 0B for no limit")
	flags.BoolVar(&f.enforceLimits, "enforce-limits", false, "hold each shard to the write limits of Kinesis")
	addOutput(cmd, &format)
	c := addConnection(a, cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		config, err := f.config(args[0])
		if err != nil {
			return usageError{err}
		}
		var created streamView
		err = c.with(a.drain, func(ctx context.Context, cl *client.Client) error {
			description, err := cl.CreateStream(ctx, config)
			if err == nil {
				created = viewOf(description)
			}
			return err
		})
		if err != nil {
			return err
		}
		return render.Print(a.Out, format, created, func(wide bool) render.Tables {
			return render.Tables{streamsTable([]streamView{created}, wide)}
		})
	}
	return cmd
}
