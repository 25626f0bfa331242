package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
)

// Job is one measurement to be made.
type Job struct {
	Scenario scenario.Scenario `json:"scenario"`
	// Target is the name of the one that runs it.
	Target string `json:"target"`
	// Dir is where an empty directory of its own is made for the run, and
	// removed afterwards.
	Dir string `json:"dir"`
	// Round numbers repetitions, from 1.
	Round int `json:"round"`
	// Histograms is a path without extension: PATH.hlog gets the latency second
	// by second, PATH.hgrm in total, and PATH.end-to-end.* the same of deliveries.
	// Only traffic has them. None are written if it is empty.
	Histograms string `json:"histograms,omitempty"`
	// Kill has another process write the scenario's backlog into dir, as Leave
	// does, and kills it. Without it what a crash leaves is a copy of the files of
	// an open log.
	Kill func(ctx context.Context, dir string) error `json:"-"`
}

// Run makes a measurement. Errors of single operations are in the result; the
// error is that nothing could be measured: *target.UnavailableError when the
// target is not installed or cannot do what the scenario asks.
func Run(ctx context.Context, job Job, on target.Target) (*result.Run, error) {
	about := on.About()
	s := &job.Scenario
	if err := s.Check(); err != nil {
		return nil, err
	}
	if err := promises(about, s.Durability); err != nil {
		return nil, err
	}
	// Servers get the path too, and have working directories of their own.
	parent, err := filepath.Abs(cmp.Or(job.Dir, os.TempDir()))
	if err != nil {
		return nil, fmt.Errorf("runner: %w", err)
	}
	dir, err := os.MkdirTemp(parent, "bench-"+about.Name+"-")
	if err != nil {
		return nil, fmt.Errorf("runner: %w", err)
	}
	run := &result.Run{
		Scenario: s.Name, Target: about.Name, TargetVersion: about.Version, Durability: string(s.Durability),
		Loop: loopOf(s), Round: job.Round, RecordBytes: int(s.MessageSize), Batch: s.BatchSize,
		Shards: s.Shards(), Writers: s.Producers(), PlannedRate: s.ProducerRate / float64(s.BatchSize),
		Started: time.Now().UTC(), Values: map[string]float64{}, Notes: about.Notes,
	}
	switch s.Kind {
	case scenario.Restart:
		err = restart(ctx, job, on, dir, run)
	case scenario.Idle:
		err = idle(ctx, job, on, dir, run)
	case scenario.Full:
		err = full(ctx, job, on, dir, run)
	default:
		err = traffic(ctx, job, on, dir, run)
	}
	err = errors.Join(err, os.RemoveAll(dir))
	if err != nil {
		return nil, fmt.Errorf("runner: %s on %s: %w", s.Name, about.Name, err)
	}
	return run, nil
}

// promises refuses a durability that the target does not have.
func promises(about target.About, wanted target.Durability) error {
	for _, has := range about.Durabilities {
		if has == wanted {
			return nil
		}
	}
	return &target.UnavailableError{Target: about.Name, Reason: fmt.Sprintf("it has no durability %s, only %v", wanted, about.Durabilities)}
}

// loopOf names the loop in which producers run.
func loopOf(s *scenario.Scenario) string {
	if s.ProducerRate > 0 {
		return "open"
	}
	return "closed"
}

// config is what the scenario's session is opened with.
func config(s *scenario.Scenario, dir string) target.Config {
	return target.Config{
		Dir: dir, Durability: s.Durability, Shards: s.Shards(), RecordBytes: int(s.MessageSize),
		Writers: max(s.Producers(), 1), Options: s.Options,
	}
}

// warmPages brings as much memory into the page cache as is about to be written, and
// lets go of it again, so that nobody pays for memory that the machine hands out for
// the first time. A virtual machine gives free memory back to its host within seconds (free
// page reporting), and the first touch of a page then costs up to 12 µs: 2.3 ms for each
// MiB. It reads a hole, which dirties nothing.
func warmPages(ctx context.Context, dir string, bytes int64) error {
	const step = 1 << 20
	name := filepath.Join(dir, "warm.tmp")
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("runner: warm pages: %w", err)
	}
	err = file.Truncate(bytes)
	block := make([]byte, step)
	for off := int64(0); off < bytes && err == nil && ctx.Err() == nil; off += step {
		_, err = file.ReadAt(block[:min(step, bytes-off)], off)
	}
	err = errors.Join(err, file.Close(), os.Remove(name))
	if err != nil {
		return fmt.Errorf("runner: warm pages: %w", err)
	}
	return ctx.Err()
}

// lacks says that a session cannot do what is asked of it.
func lacks(about target.About, what string) error {
	return &target.UnavailableError{Target: about.Name, Reason: strings.TrimSpace("it cannot " + what)}
}
