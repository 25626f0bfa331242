package main

import "github.com/spf13/cobra"

func newTail(a *app) *cobra.Command {
	f := readFlags{last: 10}
	var noFollow bool
	cmd := &cobra.Command{
		Use:   "tail STREAM",
		Short: "Print the last records of a stream, and those to come",
		Long: `Print the last records of a stream, and those to come until Ctrl-C.

It begins with the last ten records unless --last, --since or --from-sequence
say otherwise. Records of several shards are merged by the time of their arrival
as long as they are history; new ones are printed as they come, each shard in
order.

` + aggregatedHelp,
		Example: `  millrace tail orders --last 100 --format '%k %v'
  millrace tail orders --since 5m --no-follow --output json`,
		Args: arguments(cobra.ExactArgs(1)),
	}
	f.add(cmd)
	cmd.Flags().IntVar(&f.last, "last", f.last, "begin with the last N records; -1 for all")
	cmd.Flags().BoolVar(&noFollow, "no-follow", false, "end where the stream does now")
	c := addConnection(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.follow = !noFollow
		if (f.from > 0 || f.since > 0) && !cmd.Flags().Changed("last") {
			f.last = -1
		}
		return a.read(args[0], f, c)
	}
	return cmd
}
