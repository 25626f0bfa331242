package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/bench/report"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/versus"
)

// benchPeersFlags are the flags of bench peers.
type benchPeersFlags struct {
	quick    bool
	set      string
	modules  []string // of peers; all if it is empty
	peers    []string
	measures []string
	rounds   int
	seed     uint64
	*place
	*outputs
}

func newBenchPeers(a *app) *cobra.Command {
	var f benchPeersFlags
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "Measure us and others, interleaved, on equal terms",
		Long: `Measure us and others: the same records, batches, clients and durability, each
run in a process of its own, ours before and after theirs, and one ratio for
each pair of neighbours. What is not installed is skipped with the reason.

There are three sets of measures: peers, what most people ask of a log and of a
broker; engine, every size of record and batch, reading, many logs and many
shards, beside the limits of the machine; and kinesis, servers that speak the API
of that name, see bench kinesis. What no peer does is measured beside a variant of
our own, or alone.

The peers' programs are built from bench/peers, so this runs inside a checkout;
bench/peers/install.sh fetches the servers that are not Go modules.`,
		Example: `  millrace bench peers --quick
  millrace bench peers --peer redis-streams --peer kafka --rounds 5 --out brokers.json
  millrace bench peers --set engine --measure group --quick`,
		Args: arguments(cobra.NoArgs),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.quick, "quick", false, "short runs: all of a set in ten to twelve minutes")
	flags.StringVar(&f.set, "set", versus.Sets()[0].Name, "which `SET` of measures: peers, engine or kinesis")
	flags.StringSliceVar(&f.peers, "peer", nil, "only these `NAMES`")
	flags.StringArrayVar(&f.measures, "measure", nil, "only measures whose name contains `TEXT`, or one of them if there are several")
	flags.IntVar(&f.rounds, "rounds", 0, "run each pair so often instead of the usual number of times")
	flags.Uint64Var(&f.seed, "seed", 1, "of the order in which peers run")
	f.place, f.outputs = addPlace(cmd), addOutputs(cmd)
	cmd.RunE = func(*cobra.Command, []string) error { return a.benchPeers(f) }
	return cmd
}

// benchPeers runs the command.
func (a *app) benchPeers(f benchPeersFlags) error {
	_, err := a.contestOf(f)
	return err
}

// contestOf runs a contest, prints its table, writes what is asked for and returns
// the document.
func (a *app) contestOf(f benchPeersFlags) (*result.Document, error) {
	if f.rounds < 0 || f.rounds > roundsMax {
		return nil, usageErrorf("--rounds %d is not within 0 and %d", f.rounds, roundsMax)
	}
	measures, err := f.chosen()
	if err != nil {
		return nil, err
	}
	contest, skipped, err := a.contest(a.drain, f)
	if err != nil {
		return nil, err
	}
	contest.Measures = measures
	title := "bench peers"
	if f.set != versus.Sets()[0].Name {
		title += " --set " + f.set
	}
	if f.quick {
		title += " --quick"
	}
	d, err := f.document(a.drain, title)
	if err != nil {
		return nil, err
	}
	d.Skipped = skipped
	contest.Dir = f.dir
	if err := contest.Run(a.drain, d); err != nil {
		return nil, err
	}
	if err := report.Table(a.Out, d); err != nil {
		return nil, err
	}
	return d, f.save(d)
}

// chosen returns the measures that are asked for.
func (f *benchPeersFlags) chosen() ([]versus.Measure, error) {
	set, err := versus.SetOf(f.set)
	if err != nil {
		return nil, usageError{err}
	}
	effort := set.Thorough
	if f.quick {
		effort = set.Quick
	}
	if f.rounds > 0 {
		effort.Rounds, effort.LongRounds = f.rounds, f.rounds
	}
	return onlyMeasures(set.Measures(effort), f.measures)
}

// contest builds the peers' programs and says who measures what.
func (a *app) contest(ctx context.Context, f benchPeersFlags) (*versus.Contest, []result.Skip, error) {
	root, err := versus.Root(".")
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(a.Err, "building the programs of %s\n", filepath.Join(root, "bench", "peers"))
	programs, skipped, err := versus.Build(ctx, root, a.Err, f.modules...)
	if err != nil {
		return nil, nil, err
	}
	peers, silent, err := versus.Contenders(ctx, programs)
	if err != nil {
		return nil, nil, err
	}
	skipped = append(skipped, silent...)
	if peers, err = onlyPeers(peers, f.peers); err != nil {
		return nil, nil, err
	}
	program, err := self()
	if err != nil {
		return nil, nil, err
	}
	own, err := program.Targets(ctx)
	if err != nil {
		return nil, nil, err
	}
	contest := &versus.Contest{Peers: peers, Seed: f.seed, Progress: func(text string) { fmt.Fprintln(a.Err, text) }}
	for _, about := range own {
		switch about.Name {
		case "wal":
			contest.Log = versus.Contender{About: about, Program: program}
		case "engine":
			contest.Engine = versus.Contender{About: about, Program: program}
		case "native":
			contest.Broker = versus.Contender{About: about, Program: program}
		case "kinesis":
			contest.Kinesis = versus.Contender{About: about, Program: program}
		}
	}
	return contest, skipped, nil
}

// onlyPeers keeps those that are named, or all.
func onlyPeers(peers []versus.Contender, names []string) ([]versus.Contender, error) {
	if len(names) == 0 {
		return peers, nil
	}
	var kept []versus.Contender
	var known []string
	for _, peer := range peers {
		known = append(known, peer.Name)
		if slices.Contains(names, peer.Name) {
			kept = append(kept, peer)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, usageErrorf("--peer %s: there is only %s", name, strings.Join(known, ", "))
		}
	}
	return kept, nil
}

// onlyMeasures keeps those whose name contains one of the texts, or all.
func onlyMeasures(measures []versus.Measure, texts []string) ([]versus.Measure, error) {
	if len(texts) == 0 {
		return measures, nil
	}
	kept := slices.DeleteFunc(slices.Clone(measures), func(m versus.Measure) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(m.Scenario.Name, text) })
	})
	if len(kept) == 0 {
		var names []string
		for _, m := range measures {
			names = append(names, m.Scenario.Name)
		}
		return nil, usageErrorf("--measure: none of these contains it: %s", strings.Join(names, "; "))
	}
	return kept, nil
}
