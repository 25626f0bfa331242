package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/bench/capacity"
	"github.com/millrace-io/millrace/bench/report"
	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/internal/units"
)

// benchCapacityFlags are the flags of bench capacity.
type benchCapacityFlags struct {
	set       []string
	bound     units.Duration
	endToEnd  bool
	start     float64
	precision float64
	pause     units.Duration
	*place
	*outputs
}

func newBenchCapacity(a *app) *cobra.Command {
	f := benchCapacityFlags{bound: units.Duration(10 * time.Millisecond), start: 1000, precision: 0.05, pause: units.Duration(time.Second)}
	cmd := &cobra.Command{
		Use:   "capacity SCENARIO",
		Short: "Find the highest rate at which the p99 latency stays within a bound",
		Long: `Find the highest planned rate at which the p99 latency stays within a bound and
nothing fails. The rate is doubled until it is too much, and then the gap is
halved. A rate that fails is tried once more before it counts as failed.`,
		Example: "  millrace bench capacity wal-append-steady/group --p99 2ms",
		Args:    arguments(cobra.ExactArgs(1)),
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.set, "set", nil, "change a member of the scenario: `MEMBER=VALUE`, as often as needed")
	flags.Var(&f.bound, "p99", "what the p99 latency must not exceed")
	flags.BoolVar(&f.endToEnd, "end-to-end", false, "judge the delivery to consumers instead of the acknowledgement")
	flags.Float64Var(&f.start, "start", f.start, "the first rate to try, records a second")
	flags.Float64Var(&f.precision, "precision", f.precision, "stop when the gap is this part of the rate")
	flags.Var(&f.pause, "pause", "cool off so long after a rate that failed")
	f.place, f.outputs = addPlace(cmd), addOutputs(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.benchCapacity(args[0], f) }
	return cmd
}

// benchCapacity runs the command.
func (a *app) benchCapacity(name string, f benchCapacityFlags) error {
	list, err := scenarios(name, f.set)
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return usageErrorf("%s has %d variants: name one of those that millrace bench ls %s lists", name, len(list), name)
	}
	if f.bound <= 0 || f.start <= 0 || f.precision <= 0 {
		return usageErrorf("--p99, --start and --precision must be above 0")
	}
	program, err := self()
	if err != nil {
		return err
	}
	d, err := f.document(a.drain, fmt.Sprintf("bench capacity %s --p99 %s", name, f.bound))
	if err != nil {
		return err
	}
	search := capacity.Search{
		Program: program, Job: runner.Job{Scenario: list[0], Target: list[0].Target, Dir: f.dir},
		Bound: time.Duration(f.bound), EndToEnd: f.endToEnd, Start: f.start, Precision: f.precision, Pause: time.Duration(f.pause),
		Progress: func(step capacity.Step) { fmt.Fprintln(a.Err, stepLine(step, f.bound)) },
	}
	best, steps, err := search.Find(a.drain)
	for _, step := range steps {
		d.Runs = append(d.Runs, *step.Run)
	}
	if err != nil && !errors.Is(err, capacity.ErrNothingPassed) {
		return err
	}
	if err = errors.Join(err, report.Text(a.Out, d), f.save(d)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "\ncapacity of %s: %.0f records/s with p99 within %s (%s)\n", list[0].Name, best, f.bound, list[0].Durability)
	return err
}

// stepLine tells how a rate went.
func stepLine(step capacity.Step, bound units.Duration) string {
	if step.Passed {
		return fmt.Sprintf("%.0f records/s: within %s", step.Rate, bound)
	}
	return fmt.Sprintf("%.0f records/s: no: %s", step.Rate, step.Why)
}
