package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/bench/gate"
	"github.com/millrace-io/millrace/bench/machine"
	"github.com/millrace-io/millrace/bench/ours"
	"github.com/millrace-io/millrace/bench/report"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/worker"
	"github.com/millrace-io/millrace/internal/units"
)

func newBench(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure throughput and tail latency, ours and those of others",
		Long: `Measure throughput and tail latency.

Load is planned: each operation has a time at which it is to be sent, and its
latency counts from that time, so that a stall is seen by everything that it
holds up. Scenarios without a rate run in a closed loop, and say so. Every
report names the machine, the durability and what the hardware could do.`,
		Example: `  millrace bench ls
  millrace bench run wal-append-steady --html report.html
  millrace bench capacity native-endtoend/10000/group --p99 5ms
  millrace bench peers --quick`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newBenchList(a), newBenchRun(a), newBenchCapacity(a), newBenchPeers(a), newBenchKinesis(a),
		newBenchCompare(a), newBenchReport(a), newBenchHistory(a), newBenchGate(a), newBenchSelf(a), newBenchWorker(a),
	)
	return cmd
}

// newBenchWorker is the other side of package worker. It is not for people.
func newBenchWorker(a *app) *cobra.Command {
	slowdown := 1.0
	cmd := &cobra.Command{
		Use: "worker WORD", Hidden: true, Short: "Make one measurement, told on standard input",
		Long: `Make one measurement, told on standard input: the other side of bench run, with the
protocol of package bench/worker.`,
		Example: "  millrace bench worker about",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			program, err := self()
			if err != nil {
				return err
			}
			targets := ours.Targets(program.Path)
			if slowdown > 1 {
				targets = gate.Planted(targets, slowdown)
			}
			return program.Serve(a.drain, args, a.In, a.Out, targets)
		},
	}
	cmd.Flags().Float64Var(&slowdown, "slowdown", slowdown, "make every append take so many times as long: the gate's own test")
	return cmd
}

// self is this program as a worker.
func self() (worker.Program, error) {
	program, err := os.Executable()
	if err != nil {
		return worker.Program{}, fmt.Errorf("bench: find this program: %w", err)
	}
	return worker.Program{Path: program, Args: []string{"bench", "worker"}}, nil
}

// scenarios returns those of a file, if the name looks like one, or the builtin
// ones of that name, with members set as "key=value" says.
func scenarios(name string, set []string) ([]scenario.Scenario, error) {
	var found []scenario.Scenario
	var err error
	if extension := filepath.Ext(name); extension == ".yaml" || extension == ".yml" {
		found, err = scenario.Load(name)
	} else {
		var all []scenario.Scenario
		if all, err = scenario.Builtin(); err == nil {
			found, err = scenario.Select(all, name)
		}
	}
	if err != nil {
		return nil, usageError{err}
	}
	for i := range found {
		for _, assignment := range set {
			if found[i], err = assigned(found[i], assignment); err != nil {
				return nil, usageError{err}
			}
		}
		if err := found[i].Check(); err != nil {
			return nil, usageError{err}
		}
	}
	return found, nil
}

// outputs are the files that a command writes its document to.
type outputs struct{ json, html string }

func addOutputs(cmd *cobra.Command) *outputs {
	o := new(outputs)
	cmd.Flags().StringVar(&o.json, "out", "", "write the result to `FILE`, as JSON")
	cmd.Flags().StringVar(&o.html, "html", "", "write a report with charts to `FILE`")
	return o
}

// save writes the document to the files that were asked for.
func (o *outputs) save(d *result.Document) error {
	if o.json != "" {
		if err := d.Save(o.json); err != nil {
			return err
		}
	}
	if o.html != "" {
		return writeFile(o.html, func(w io.Writer) error { return report.HTML(w, d) })
	}
	return nil
}

// writeFile makes a file of what write says.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return errors.Join(write(file), file.Close())
}

// place is where the data of runs goes, and how long limits are measured there.
type place struct {
	dir    string
	limits units.Duration
}

func addPlace(cmd *cobra.Command) *place {
	p := &place{dir: ".", limits: units.Duration(3 * time.Second)}
	cmd.Flags().StringVar(&p.dir, "dir", p.dir, "make and remove the data of the runs below `DIR`: its device is what is measured")
	cmd.Flags().Var(&p.limits, "limits", "how long to measure what the machine could do at best, 0s for not at all")
	return p
}

// document returns a document about this machine, with its limits and without
// runs.
func (p *place) document(ctx context.Context, title string) (*result.Document, error) {
	dir, err := filepath.Abs(p.dir)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	p.dir = dir
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, usageErrorf("--dir %s is not a directory", dir)
	}
	d := &result.Document{Version: result.Version, Title: title, Started: time.Now().UTC()}
	if d.Machine, err = machine.Describe(ctx, dir); err != nil {
		return nil, err
	}
	if p.limits > 0 {
		d.Limits, err = machine.MeasureLimits(ctx, dir, time.Duration(p.limits))
	}
	return d, err
}
