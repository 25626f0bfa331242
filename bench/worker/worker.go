package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/bench/target"
)

// answer is what a worker prints.
type answer struct {
	Run *result.Run `json:"run,omitempty"`
	// Error and Unavailable are the text of what went wrong; Target and Reason
	// go with the latter.
	Error       string `json:"error,omitempty"`
	Unavailable bool   `json:"unavailable,omitempty"`
	Target      string `json:"target,omitempty"`
	Reason      string `json:"reason,omitempty"`
}

// Main is the main function of a worker with these targets. It exits the
// process.
func Main(targets []target.Target) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	path, err := os.Executable()
	if err == nil {
		err = Program{Path: path}.Serve(ctx, os.Args[1:], os.Stdin, os.Stdout, targets)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Serve does what args say, as Main would, in the program that p starts; without
// a path none can be started to be killed. A measurement that fails is an answer,
// not an error.
func (p Program) Serve(ctx context.Context, args []string, in io.Reader, out io.Writer, targets []target.Target) error {
	word := strings.Join(args, " ")
	switch word {
	default:
		return errors.New("worker: usage: about, or run or leave with a job on standard input")
	case "run", "leave":
	case "about":
		list := make([]target.About, 0, len(targets))
		for _, t := range targets {
			list = append(list, t.About())
		}
		return json.NewEncoder(out).Encode(list)
	}
	decoder := json.NewDecoder(in)
	var job runner.Job
	if err := decoder.Decode(&job); err != nil {
		return fmt.Errorf("worker: read the job: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		// Not joined: it is blocked in a read of standard input, which ends with
		// the parent or with this process.
		_, _ = io.Copy(io.Discard, io.MultiReader(decoder.Buffered(), in))
		cancel()
	}()
	if word == "leave" {
		return leave(ctx, job, out, targets)
	}
	if p.Path != "" {
		job.Kill = func(ctx context.Context, dir string) error { return p.kill(ctx, job, dir) }
	}
	return json.NewEncoder(out).Encode(work(ctx, job, targets))
}

// leave writes the backlog, says "left" and waits to be killed.
func leave(ctx context.Context, job runner.Job, out io.Writer, targets []target.Target) error {
	on, err := target.Find(targets, job.Target)
	if err != nil {
		return err
	}
	return runner.Leave(ctx, job, on, func() { fmt.Fprintln(out, left) })
}

// left is the line that a worker prints that is ready to be killed.
const left = "left"

// work makes the measurement.
func work(ctx context.Context, job runner.Job, targets []target.Target) answer {
	on, err := target.Find(targets, job.Target)
	if err != nil {
		return answer{Error: err.Error()}
	}
	run, err := runner.Run(ctx, job, on)
	var unavailable *target.UnavailableError
	switch {
	case errors.As(err, &unavailable):
		return answer{Error: err.Error(), Unavailable: true, Target: unavailable.Target, Reason: unavailable.Reason}
	case err != nil:
		return answer{Error: err.Error()}
	}
	return answer{Run: run}
}
