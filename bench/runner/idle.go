package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/target"
)

// idle makes shards with one record each, opens them again, and does nothing
// for the duration of the test: what remains is what it costs to have them.
// Without shards it does nothing for as long, as a measure of this process.
func idle(ctx context.Context, job Job, on target.Target, dir string, run *result.Run) error {
	s := &job.Scenario
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	if err := touchShards(ctx, job, on, data); err != nil {
		return err
	}
	settle(dir)
	pause := time.Duration(s.TestDuration)
	alone, err := rest(ctx, nil, pause)
	if err != nil {
		return err
	}
	c := config(s, data)
	c.Reopen = true
	start := time.Now()
	session, err := on.Open(ctx, c)
	if err != nil {
		return fmt.Errorf("open again: %w", err)
	}
	opened := time.Since(start)
	with, err := rest(ctx, session, pause)
	if err = errors.Join(err, session.Close()); err != nil {
		return err
	}
	run.Duration = int64(pause)
	run.Values["open_clean_ns"] = float64(opened)
	if with.known && alone.known {
		if _, other := session.(target.Server); other {
			alone = usage{} // the server's process is another one
		}
		run.Values["idle_cpu_ns"], run.Values["idle_cpu_alone_ns"] = float64(with.cpu), float64(alone.cpu)
		run.Values["resident_per_shard_bytes"] = float64(with.resident-alone.resident) / float64(s.Shards())
	}
	return nil
}

// touchShards makes the shards and appends a record to each, so that none is
// spared what a shard in use has, and closes them.
func touchShards(ctx context.Context, job Job, on target.Target, dir string) (err error) {
	s := &job.Scenario
	session, err := on.Open(ctx, config(s, dir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
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

// rest waits, and returns the processor time meanwhile and the resident bytes
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
	runtime.GC()
	debug.FreeOSMemory()
	before := measure()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return usage{}, ctx.Err()
	}
	after := measure()
	after.cpu -= before.cpu
	return after, nil
}
