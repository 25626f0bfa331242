package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/bench/report"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
)

// benchRunFlags are the flags of bench run.
type benchRunFlags struct {
	set        []string
	rounds     int
	histograms string
	*place
	*outputs
}

// roundsMax bounds repetitions.
const roundsMax = 1000

func newBenchRun(a *app) *cobra.Command {
	var f benchRunFlags
	cmd := &cobra.Command{
		Use:   "run SCENARIO...",
		Short: "Run scenarios and report",
		Long: `Run scenarios and report: builtin ones by name (millrace bench ls), or those of
a YAML file. A name without a variant means all of its variants. Each
measurement is made in a process of its own.`,
		Example: `  millrace bench run wal-append/1KiB/group --rounds 3
  millrace bench run wal-append-steady --set producerRate=50000 --html report.html
  millrace bench run my.yaml --histograms histograms`,
		Args: arguments(cobra.MinimumNArgs(1)),
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.set, "set", nil, "change a member of the scenarios: `MEMBER=VALUE`, as often as needed")
	flags.IntVar(&f.rounds, "rounds", 1, "run each variant so often")
	flags.StringVar(&f.histograms, "histograms", "", "write histograms into `DIR`: .hlog second by second, .hgrm in total")
	f.place, f.outputs = addPlace(cmd), addOutputs(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.benchRun(args, f) }
	return cmd
}

// benchRun runs the command.
func (a *app) benchRun(names []string, f benchRunFlags) error {
	if f.rounds < 1 || f.rounds > roundsMax {
		return usageErrorf("--rounds %d is not within 1 and %d", f.rounds, roundsMax)
	}
	var list []scenario.Scenario
	for _, name := range names {
		found, err := scenarios(name, f.set)
		if err != nil {
			return err
		}
		list = append(list, found...)
	}
	if f.histograms != "" {
		if err := os.MkdirAll(f.histograms, 0o755); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	d, err := f.document(a.drain, "bench run "+strings.Join(append(names, f.set...), " "))
	if err != nil {
		return err
	}
	if err := a.runAll(list, f, d); err != nil {
		return err
	}
	if err := report.Text(a.Out, d); err != nil {
		return err
	}
	return f.save(d)
}

// runAll runs every scenario in turn, and that so often: a disturbance of the
// machine then meets all variants rather than one.
func (a *app) runAll(list []scenario.Scenario, f benchRunFlags, d *result.Document) error {
	program, err := self()
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for round := 1; round <= f.rounds; round++ {
		for i := range list {
			s := &list[i]
			if done[s.Name] {
				continue
			}
			job := runner.Job{Scenario: *s, Target: s.Target, Dir: f.dir, Round: round}
			if f.histograms != "" {
				job.Histograms = filepath.Join(f.histograms, fmt.Sprintf("%s.%d", strings.ReplaceAll(s.Name, "/", "-"), round))
			}
			fmt.Fprintf(a.Err, "round %d of %d: %s\n", round, f.rounds, s.Name)
			run, err := program.Run(a.drain, job)
			if reason, unavailable := target.Unavailable(err); unavailable {
				done[s.Name] = true
				d.Skipped = append(d.Skipped, result.Skip{What: s.Name, Reason: reason})
				continue
			}
			if err != nil {
				return err
			}
			d.Runs = append(d.Runs, *run)
		}
	}
	return nil
}

// assigned returns the scenario with a member set as "member=value" says.
func assigned(s scenario.Scenario, assignment string) (scenario.Scenario, error) {
	key, value, found := strings.Cut(assignment, "=")
	if !found {
		return s, fmt.Errorf("--set %s is not MEMBER=VALUE", assignment)
	}
	return s.With(key, value)
}
