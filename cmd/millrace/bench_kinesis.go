package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/bench/versus"
)

func newBenchKinesis(a *app) *cobra.Command {
	f := benchPeersFlags{set: versus.KinesisSet, modules: []string{versus.KinesisPeers}}
	cmd := &cobra.Command{
		Use:   "kinesis",
		Short: "Measure the Kinesis API against kinesalite, kinesis-mock and ferrokinesis",
		Long: `Measure the API of Kinesis Data Streams: our server, which syncs what it
acknowledges, and kinesalite, kinesis-mock and ferrokinesis, which need not. Each is a
process of its own, ours before and after theirs, with one ratio for each pair of
neighbours.

All have the same client: HTTP/1.1 on connections that are kept, and requests that
were made beforehand, so that it is not an SDK that is measured. Printed are
PutRecords and GetRecords of 500 records of 1 KiB, PutRecord at 1,000 requests a
second, and of ours the delivery by SubscribeToShard at 10,000 records a second; of
each what the server's processes took for a record; and which goals are met.

The client is built from bench/peers, so this runs inside a checkout;
"bench/peers/install.sh kinesalite kinesis-mock ferrokinesis" fetches the others.`,
		Example: `  millrace bench kinesis --quick
  millrace bench kinesis --peer ferrokinesis --measure PutRecords --rounds 20 --out kinesis.json`,
		Args: arguments(cobra.NoArgs),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.quick, "quick", false, "short runs")
	flags.StringSliceVar(&f.peers, "peer", nil, "only these `NAMES`")
	flags.StringArrayVar(&f.measures, "measure", nil, "only measures whose name contains `TEXT`, or one of them if there are several")
	flags.IntVar(&f.rounds, "rounds", 0, "run each pair so often instead of the usual number of times")
	flags.Uint64Var(&f.seed, "seed", 1, "of the order in which peers run")
	f.place, f.outputs = addPlace(cmd), addOutputs(cmd)
	cmd.RunE = func(*cobra.Command, []string) error { return a.benchKinesis(f) }
	return cmd
}

// benchKinesis runs the command.
func (a *app) benchKinesis(f benchPeersFlags) error {
	d, err := a.contestOf(f)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "\ngoals\n%s", versus.GoalsText(versus.KinesisGoals(d)))
	return err
}
