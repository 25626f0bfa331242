package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/target"
)

// idle does nothing three times, each for the duration of the test: without
// any shards, as a measure of this process; with shards that have just got a
// record each; and with the same shards opened again. What remains is what it
// costs to have them.
func idle(ctx context.Context, job Job, on target.Target, dir string, run *result.Run) error {
	s := &job.Scenario
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	pause := time.Duration(s.TestDuration)
	alone, err := rest(ctx, nil, pause)
	if err != nil {
		return err
	}
	note := func(session target.Session, with usage, cpu, resident string) {
		base := alone
		if _, other := session.(target.Server); other {
			base = usage{known: true} // the server's process is another one
		}
		if with.known && base.known {
			run.Values[cpu], run.Values["idle_cpu_alone_ns"] = float64(with.cpu), float64(base.cpu)
			run.Values[resident] = float64(with.resident-base.resident) / float64(s.Shards())
		}
	}
	c := config(s, data)
	err = withSession(ctx, on, c, func(session target.Session) error {
		if err := touchShards(ctx, job, session); err != nil {
			return err
		}
		settle(dir)
		with, err := rest(ctx, session, pause)
		note(session, with, "idle_cpu_used_ns", "resident_per_used_shard_bytes")
		return err
	})
	if err != nil {
		return err
	}
	settle(dir)
	c.Reopen = true
	start := time.Now()
	err = withSession(ctx, on, c, func(session target.Session) error {
		run.Values["open_clean_ns"] = float64(time.Since(start))
		with, err := rest(ctx, session, pause)
		note(session, with, "idle_cpu_ns", "resident_per_shard_bytes")
		return err
	})
	run.Duration = int64(pause)
	if err != nil {
		return fmt.Errorf("opened again: %w", err)
	}
	return nil
}

// withSession opens a session, calls do and closes.
func withSession(ctx context.Context, on target.Target, c target.Config, do func(target.Session) error) (err error) {
	session, err := on.Open(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	return do(session)
}

// touchShards appends a record to each shard, so that none is spared what a
// shard in use has.
func touchShards(ctx context.Context, job Job, session target.Session) error {
	s := &job.Scenario
	appenders := max(s.Producers(), 1)
	failures := make([]error, appenders)
	var next atomic.Int64
	var group sync.WaitGroup
	for i := range appenders {
		group.Go(func() {
			record := newPayload(i, 1, int(s.MessageSize)).stamped(-1, -1)
			for failures[i] == nil {
				shard := next.Add(1) - 1
				if shard >= int64(s.Shards()) {
					return
				}
				failures[i] = session.Append(ctx, int(shard), record)
			}
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

// usage is what a process takes while nothing happens.
type usage struct {
	cpu      time.Duration
	resident int64
	// known is false where the system does not say.
	known bool
}

// rest waits, with a session for a little longer than it measures, and returns the processor time meanwhile and the resident bytes
// at the end: those of the session's server, or of this process without garbage.
func rest(ctx context.Context, session target.Session, pause time.Duration) (usage, error) {
	measure := ownUsage
	if server, ok := session.(target.Server); ok {
		measure = func() usage {
			cpu, err := server.ServerCPU()
			resident, err2 := server.ServerMemory()
			return usage{cpu, resident, err == nil && err2 == nil}
		}
	}
	// What the last request left to be done behind it is not idleness.
	if session != nil {
		if err := wait(ctx, pause/5); err != nil {
			return usage{}, err
		}
	}
	debug.FreeOSMemory()
	before := measure()
	if err := wait(ctx, pause); err != nil {
		return usage{}, err
	}
	after := measure()
	after.cpu -= before.cpu
	return after, nil
}

// wait returns after so long, or when ctx ends.
func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
