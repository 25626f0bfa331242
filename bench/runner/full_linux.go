package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace-io/millrace/bench/latency"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/target"
)

// refusalsPerProducer is how many appends each producer tries once there is no
// room.
const refusalsPerProducer = 100

// full appends to a file system of its own until appends are refused, then
// measures how long refusals take, and checks that everything acknowledged can
// be read.
func full(ctx context.Context, job Job, on target.Target, dir string, run *result.Run) (err error) {
	s := &job.Scenario
	small := filepath.Join(dir, "small")
	if err := os.MkdirAll(small, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, fmt.Sprintf("size=%d", int64(s.Room))); err != nil {
		return lacks(on.About(), fmt.Sprintf("be given a small file system: mounting a tmpfs needs root (%v)", err))
	}
	defer func() { err = errors.Join(err, unix.Unmount(small, 0)) }()
	session, err := on.Open(ctx, config(s, small))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	start := time.Now()
	accepted := latency.NewSet(start, latency.Options{})
	refused := latency.NewSet(start, latency.Options{})
	total := fillAll(ctx, job, session, start, accepted, refused)
	run.Duration = int64(time.Since(start))
	run.Operations, run.Records, run.Errors, run.FirstError = total.acknowledged, total.acknowledged*int64(s.BatchSize), total.refusals, total.firstError
	run.Bytes = run.Records * int64(s.MessageSize)
	run.Latency = accepted.Result()
	refusals := refused.Result()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case refusals == nil:
		return fmt.Errorf("%s of room were not filled in %s", s.Room, s.TestDuration)
	}
	run.Values["refusal_p50_ns"], run.Values["refusal_p99_ns"] = float64(refusals.P50), float64(refusals.P99)
	return readBack(ctx, job, on, session, run)
}

// readBack checks that no acknowledged record is missing.
func readBack(ctx context.Context, job Job, on target.Target, session target.Session, run *result.Run) error {
	scanner, ok := session.(target.Scanner)
	if !ok {
		return lacksScan(on.About())
	}
	found, err := scan(ctx, scanner, job.Scenario.Shards())
	if err != nil {
		return err
	}
	run.Values["records_read_back"] = float64(found.records)
	// A refused batch may have been written: its fate was not promised.
	if found.records < run.Records {
		return fmt.Errorf("%d records were acknowledged before the file system was full, %d can be read", run.Records, found.records)
	}
	return nil
}

// filled is what the producers of full did.
type filled struct {
	acknowledged, refusals int64
	firstError             string
}

// fillAll runs the producers until all are refused or time is up.
func fillAll(ctx context.Context, job Job, session target.Session, start time.Time, accepted, refused *latency.Set) filled {
	s := &job.Scenario
	var (
		mutex   sync.Mutex
		total   filled
		workers sync.WaitGroup
	)
	for worker := range max(s.Producers(), 1) {
		yes, no := accepted.Recorder(), refused.Recorder()
		workers.Go(func() {
			defer yes.Close()
			defer no.Close()
			own := fillUntilRefused(ctx, job, session, worker, start, yes, no)
			mutex.Lock()
			defer mutex.Unlock()
			total.acknowledged += own.acknowledged
			total.refusals += own.refusals
			if total.firstError == "" {
				total.firstError = own.firstError
			}
		})
	}
	workers.Wait()
	return total
}

// fillUntilRefused is one producer.
func fillUntilRefused(ctx context.Context, job Job, session target.Session, worker int, start time.Time, yes, no *latency.Recorder) filled {
	s := &job.Scenario
	var own filled
	records := newPayload(worker, s.BatchSize, int(s.MessageSize))
	for own.refusals < refusalsPerProducer && ctx.Err() == nil && time.Since(start) < time.Duration(s.TestDuration) {
		began := time.Since(start)
		err := session.Append(ctx, worker%s.Shards(), records.stamped(began, own.acknowledged))
		now := time.Since(start)
		if err == nil {
			own.acknowledged++
			yes.Record(now, now-began)
			continue
		}
		own.refusals++
		no.Record(now, now-began)
		if own.firstError == "" {
			own.firstError = err.Error()
		}
	}
	return own
}
