package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/target"
)

// restart fills a log, reads it, closes it, and times opening it again until
// the first append is acknowledged; and, if the scenario says crash, the same
// with a copy of the files that was taken before Close.
func restart(ctx context.Context, job Job, on target.Target, dir string, run *result.Run) (err error) {
	s := &job.Scenario
	clean, crashed := filepath.Join(dir, "clean"), filepath.Join(dir, "crashed")
	if err := os.MkdirAll(clean, 0o755); err != nil {
		return err
	}
	if err := warmPages(ctx, dir, int64(s.Backlog)); err != nil {
		return err
	}
	session, err := on.Open(ctx, config(s, clean))
	if err != nil {
		return err
	}
	open := true
	defer func() {
		if open {
			err = errors.Join(err, session.Close())
		}
	}()
	if err := fill(ctx, s, session, run); err != nil {
		return err
	}
	if err := scanPasses(ctx, s, on, session, run); err != nil && !unavailable(err) {
		return err
	}
	if s.Crash {
		if err := copyOpen(ctx, crashed, clean); err != nil {
			return fmt.Errorf("copy what a crash would leave: %w", err)
		}
	}
	open = false
	start := time.Now()
	if err := session.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	run.Values["close_ns"] = float64(time.Since(start))
	// What was written must be on the device before opening is timed, or the
	// kernel writes it back at the same time.
	settle(dir)
	return openAgain(ctx, job, on, clean, crashed, run)
}

// copyOpen copies the files of an open log. A log that tidies up meanwhile may
// remove one between listing and copying: then the copy is made again.
func copyOpen(ctx context.Context, to, from string) error {
	const attempts = 10
	for attempt := 1; ; attempt++ {
		err := os.CopyFS(to, os.DirFS(from))
		if err == nil || !errors.Is(err, fs.ErrNotExist) || attempt == attempts || ctx.Err() != nil {
			return err
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
}

// openAgain times opening what was closed, and what a crash would have left if
// the scenario says so.
func openAgain(ctx context.Context, job Job, on target.Target, clean, crashed string, run *result.Run) error {
	kept, err := reopen(ctx, job, on, clean, "open_clean", run)
	if err != nil {
		return err
	}
	// A log that forgets what it holds opens fastest.
	if wanted := int64(run.Values["backlog_records"]); kept >= 0 && kept != wanted {
		return fmt.Errorf("%d records of %d were there after opening again", kept, wanted)
	}
	if !job.Scenario.Crash {
		return nil
	}
	kept, err = reopen(ctx, job, on, crashed, "open_crash", run)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		// Not every peer can be opened from a copy of its files; that is a
		// finding, not the end of the measurement.
		run.Notes += "; what a crash leaves could not be opened: " + err.Error()
	case kept >= 0:
		// What was only promised to be with the process may be lost.
		run.Values["open_crash_records"] = float64(kept)
	}
	return nil
}

// reopen times opening dir, and the first append, which everything must be
// ready for. It returns how many records there are besides that one, or -1 when
// the target does not say.
func reopen(ctx context.Context, job Job, on target.Target, dir, name string, run *result.Run) (kept int64, err error) {
	c := config(&job.Scenario, dir)
	c.Reopen = true
	record := newPayload(0, 1, c.RecordBytes).stamped(-1, -1)
	start := time.Now()
	session, err := on.Open(ctx, c)
	if err != nil {
		return 0, fmt.Errorf("open again: %w", err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	opened := time.Since(start)
	err = session.Append(ctx, 0, record)
	ready := time.Since(start)
	if err != nil {
		return 0, fmt.Errorf("append after opening again: %w", err)
	}
	kept = -1
	if scanner, ok := session.(target.Scanner); ok {
		found, err := scan(ctx, scanner, job.Scenario.Shards())
		if err != nil {
			return 0, fmt.Errorf("read after opening again: %w", err)
		}
		kept = found.records - 1
	}
	run.Values[name+"_ns"] = float64(opened)
	run.Values[name+"_first_append_ns"] = float64(ready)
	return kept, nil
}
