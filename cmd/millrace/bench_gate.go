package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/bench/gate"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/versus"
	"github.com/millrace-io/millrace/bench/worker"
	"github.com/millrace-io/millrace/internal/units"
)

// errSlower is returned when the gate fails.
var errSlower = errors.New("bench gate: slower")

// benchGateFlags are the flags of bench gate.
type benchGateFlags struct {
	base    string
	checks  []string
	planted int
	*place
	*outputs
}

func newBenchGate(a *app) *cobra.Command {
	var f benchGateFlags
	cmd := &cobra.Command{
		Use:   "gate",
		Short: "Fail if the working tree is slower than the last landed commit",
		Long: `Build the working tree and another revision of it, run both in turn, and fail if
the working tree is slower: by a slowdown that three series of pairs in a row
agree on. Needs a checkout, git and go.

With --planted the gate itself is put to the test: it compares this program
with itself, so often with appends made ten percent slower and so often as it
is, and counts how often it is right.`,
		Example: `  millrace bench gate
  millrace bench gate --base v1.0.0 --check wal-append`,
		Args: arguments(cobra.NoArgs),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.base, "base", "", "compare with this `REVISION` instead of the last landed one")
	flags.StringSliceVar(&f.checks, "check", nil, "only scenarios whose name contains one of these `TEXTS`")
	flags.IntVar(&f.planted, "planted", 0, "test the gate itself so often")
	f.place, f.outputs = addPlace(cmd), addOutputs(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		if f.planted > 0 {
			return a.benchGatePlanted(f)
		}
		return a.benchGate(f)
	}
	return cmd
}

// benchGate runs the command.
func (a *app) benchGate(f benchGateFlags) error {
	checks, err := gateChecks(f.checks)
	if err != nil {
		return err
	}
	root, err := versus.Root(".")
	if err != nil {
		return err
	}
	revision := f.base
	if revision == "" {
		if revision, err = gate.LastLanded(a.drain, root); err != nil {
			return err
		}
	}
	base, head, err := a.gatePrograms(a.drain, root, revision)
	if errors.Is(err, gate.ErrNoHarness) {
		_, err = fmt.Fprintf(a.Out, "SKIPPED: %v\n", err)
		return err
	}
	if err != nil {
		return err
	}
	d, err := f.document(a.drain, "bench gate --base "+revision)
	if err != nil {
		return err
	}
	g := gate.Gate{Base: base, Head: head, Checks: checks, Dir: f.dir, Progress: func(text string) { fmt.Fprintln(a.Out, text) }}
	verdicts, err := g.Run(a.drain, d)
	if err != nil {
		return err
	}
	if err := f.save(d); err != nil {
		return err
	}
	if slower := gate.Slower(verdicts); len(slower) > 0 {
		return fmt.Errorf("%w than %s in %d of %d figures, in three repeats each", errSlower, revision, len(slower), len(verdicts))
	}
	_, err = fmt.Fprintf(a.Out, "not slower than %s in %s\n", revision, units.Plural(len(verdicts), "figure"))
	return err
}

// gatePrograms builds both sides.
func (a *app) gatePrograms(ctx context.Context, root, revision string) (base, head worker.Program, err error) {
	bin := filepath.Join(root, ".cache", "gate")
	fmt.Fprintf(a.Err, "building %s and the working tree\n", revision)
	// Names of equal length: even the arguments of a process move its stack.
	if base, err = gate.BuildRevision(ctx, root, revision, filepath.Join(bin, "base"), a.Err); err != nil {
		return base, head, err
	}
	head, err = gate.BuildTree(ctx, root, filepath.Join(bin, "head"), a.Err)
	return base, head, err
}

// gateChecks returns the standard checks, or those whose name contains a text.
func gateChecks(texts []string) ([]gate.Check, error) {
	checks, err := gate.Standard()
	if err != nil || len(texts) == 0 {
		return checks, err
	}
	var kept []gate.Check
	var names []string
	for _, c := range checks {
		names = append(names, c.Scenario.Name)
		for _, text := range texts {
			if strings.Contains(c.Scenario.Name, text) {
				kept = append(kept, c)
				break
			}
		}
	}
	if len(kept) == 0 {
		return nil, usageErrorf("--check: none of these contains it: %s", strings.Join(names, ", "))
	}
	return kept, nil
}

// plantedSlowdown is what a gate must find.
const plantedSlowdown = 1.1

// benchGatePlanted compares this program with itself.
func (a *app) benchGatePlanted(f benchGateFlags) error {
	same, err := self()
	if err != nil {
		return err
	}
	slow := same
	slow.Args = append(append([]string{}, same.Args...), "--slowdown", strconv.FormatFloat(plantedSlowdown, 'g', -1, 64))
	d, err := f.document(a.drain, fmt.Sprintf("bench gate --planted %d", f.planted))
	if err != nil {
		return err
	}
	check, err := plantedCheck()
	if err != nil {
		return err
	}
	found, flagged := 0, 0
	for i := range f.planted {
		for _, side := range []struct {
			head  worker.Program
			count *int
		}{{slow, &found}, {same, &flagged}} {
			verdicts, err := gate.Gate{Base: same, Head: side.head, Checks: []gate.Check{check}, Dir: f.dir}.Run(a.drain, d)
			if err != nil {
				return err
			}
			*side.count += len(gate.Slower(verdicts))
			fmt.Fprintf(a.Err, "%d: %s\n", i+1, verdicts[0])
		}
	}
	_, err = fmt.Fprintf(a.Out, "planted slowdown of 10 %%: found in %d of %d\nno change: flagged in %d of %d\n", found, f.planted, flagged, f.planted)
	return errors.Join(err, f.save(d))
}

// plantedCheck is a scenario whose appends can be slowed exactly.
func plantedCheck() (gate.Check, error) {
	all, err := scenario.Builtin()
	if err != nil {
		return gate.Check{}, err
	}
	list, err := scenario.Select(all, "wal-append-batch/1/1KiB/group")
	if err != nil {
		return gate.Check{}, err
	}
	return gate.Check{Scenario: gate.Short(list[0]), Figures: []gate.Figure{gate.Rate()}}, nil
}
