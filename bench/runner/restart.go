package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
)

// restart fills a log, closes it, and times opening it again until the first
// append is acknowledged. Then it reads what there is: from the beginning, and
// at random if the scenario has readers for that. If the scenario says crash,
// opening is timed once more with what a process has left that was killed, or a
// copy of the files that was taken before Close.
func restart(ctx context.Context, job Job, on target.Target, dir string, run *result.Run) error {
	s := &job.Scenario
	clean, crashed := filepath.Join(dir, "clean"), filepath.Join(dir, "crashed")
	if err := os.MkdirAll(clean, 0o755); err != nil {
		return err
	}
	if err := warmPages(ctx, dir, int64(s.Backlog)); err != nil {
		return err
	}
	written, err := fillAndClose(ctx, job, on, clean, crashed, run)
	if err != nil {
		return err
	}
	// What was written must be on the device before opening is timed, or the
	// kernel writes it back at the same time.
	settle(dir)
	err = reopen(ctx, job, on, clean, "open_clean", run, func(session target.Session) error {
		return readBacklog(ctx, s, on, session, written, run)
	})
	if err != nil || !s.Crash {
		return err
	}
	if job.Kill != nil {
		if err := os.Mkdir(crashed, 0o755); err != nil {
			return err
		}
		if err := job.Kill(ctx, crashed); err != nil {
			return fmt.Errorf("leave what a kill does: %w", err)
		}
		settle(dir)
	}
	return reopenCrashed(ctx, job, on, crashed, run)
}

// Leave opens a log in job.Dir, which is there and empty, writes the backlog of its
// scenario, calls left and waits until ctx ends: nothing is closed, because the
// process is about to be killed.
func Leave(ctx context.Context, job Job, on target.Target, left func()) error {
	session, err := on.Open(ctx, config(&job.Scenario, job.Dir))
	if err != nil {
		return fmt.Errorf("runner: %w", err)
	}
	if _, err := fill(ctx, &job.Scenario, session, &result.Run{Values: map[string]float64{}}); err != nil {
		return fmt.Errorf("runner: %w", err)
	}
	left()
	<-ctx.Done()
	runtime.KeepAlive(session)
	return ctx.Err()
}

// fillAndClose writes the backlog into the directory clean, takes a copy of the
// open files to crashed if the scenario says so and nobody can be killed, and
// closes.
func fillAndClose(ctx context.Context, job Job, on target.Target, clean, crashed string, run *result.Run) (*backlog, error) {
	s := &job.Scenario
	session, err := on.Open(ctx, config(s, clean))
	if err != nil {
		return nil, err
	}
	written, err := fill(ctx, s, session, run)
	if err == nil && s.Crash && job.Kill == nil {
		if err = copyOpen(ctx, crashed, clean); err != nil {
			err = fmt.Errorf("copy what a crash would leave: %w", err)
		}
	}
	start := time.Now()
	if closing := session.Close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("close: %w", closing))
	}
	run.Values["close_ns"] = float64(time.Since(start))
	return written, err
}

// readBacklog measures reading a log that was opened again, as far as the
// target can read. Behind the backlog is the record that showed that it is open.
func readBacklog(ctx context.Context, s *scenario.Scenario, on target.Target, session target.Session, written *backlog, run *result.Run) error {
	const behind = 1
	if err := scanPasses(ctx, s, on, session, behind, run); err != nil && !unavailable(err) {
		return fmt.Errorf("read after opening again: %w", err)
	}
	if s.LookupReaders == 0 {
		return nil
	}
	return lookUp(ctx, s, session, written, run)
}

// copyOpen copies the files of an open log. A log that tidies up meanwhile may
// remove one between listing and copying: then the copy is made again.
func copyOpen(ctx context.Context, to, from string) error {
	const attempts = 10
	for attempt := 1; ; attempt++ {
		err := os.CopyFS(to, files{os.DirFS(from)})
		if err == nil || !errors.Is(err, fs.ErrNotExist) || attempt == attempts || ctx.Err() != nil {
			return err
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
}

// reopenCrashed times opening what a crash would have left. Not every peer can
// be opened from a copy of its files; that is a finding, not the end of the
// measurement.
func reopenCrashed(ctx context.Context, job Job, on target.Target, crashed string, run *result.Run) error {
	err := reopen(ctx, job, on, crashed, "open_crash", run, func(session target.Session) error {
		scanner, ok := session.(target.Scanner)
		if !ok {
			return nil
		}
		found, err := scan(ctx, scanner, job.Scenario.Shards())
		if err != nil {
			return fmt.Errorf("read after opening again: %w", err)
		}
		// What was only promised to be with the process may be lost.
		run.Values["open_crash_records"] = float64(found.records - 1)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		run.Notes += "; what a crash leaves could not be opened: " + err.Error()
	}
	return ctx.Err()
}

// reopen times opening dir, and the first append, which everything must be
// ready for, and calls then before it closes. Nothing is noted if that fails.
func reopen(ctx context.Context, job Job, on target.Target, dir, name string, run *result.Run, then func(target.Session) error) (err error) {
	c := config(&job.Scenario, dir)
	c.Reopen = true
	record := newPayload(0, 1, c.RecordBytes).stamped(-1, -1)
	start := time.Now()
	session, err := on.Open(ctx, c)
	if err != nil {
		return fmt.Errorf("open again: %w", err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	opened := time.Since(start)
	err = session.Append(ctx, 0, record)
	ready := time.Since(start)
	if err != nil {
		return fmt.Errorf("append after opening again: %w", err)
	}
	if err := then(session); err != nil {
		return err
	}
	run.Values[name+"_ns"] = float64(opened)
	run.Values[name+"_first_append_ns"] = float64(ready)
	if says, ok := session.(target.Recoverer); ok {
		run.Values[name+"_checked_bytes"] = float64(says.Recovered())
	}
	return nil
}

// files is a folder without what is no file, such as the socket of a server.
type files struct{ fs.FS }

// ReadDir returns folders and files.
func (f files) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() && !e.Type().IsRegular() }), err
}
