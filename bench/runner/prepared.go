package runner

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/bench/load"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
)

// generatePrepared runs producers that have done everything beforehand but the
// append.
func (t *trip) generatePrepared(ctx context.Context) (*load.Outcome, error) {
	s := &t.job.Scenario
	preparer, ok := t.session.(target.Preparer)
	if !ok {
		return nil, lacks(t.on.About(), "prepare an append")
	}
	shards := s.Shards()
	appends := make([]func(context.Context) error, s.Producers()*shards)
	for i := range appends {
		var err error
		if appends[i], err = preparer.Prepare(i%shards, newPayload(i, s.BatchSize, int(s.MessageSize)).records); err != nil {
			return nil, err
		}
	}
	return load.Run(ctx, t.plan(), func(ctx context.Context, worker int, number int64, _ time.Duration) error {
		return appends[worker*shards+int(number%int64(shards))](ctx)
	})
}

// countReads has readers read the shards again and again, each its own share of them, for the
// time of the test. An operation is one answer.
func countReads(ctx context.Context, s *scenario.Scenario, on target.Target, session target.Session, run *result.Run) error {
	counter, ok := session.(target.Counter)
	if !ok {
		return lacks(on.About(), "count what it reads")
	}
	reads := make([]func(context.Context) (target.Counted, error), s.CatchUpReaders)
	for i := range reads {
		var err error
		if reads[i], err = counter.Counting(i % s.Shards()); err != nil {
			return err
		}
	}
	plan := load.Plan{Workers: len(reads), Warmup: time.Duration(s.WarmupDuration), Duration: time.Duration(s.TestDuration), Tag: "read"}
	var all, measured, bytes atomic.Int64
	before, _ := serverCPU(session)
	outcome, err := load.Run(ctx, plan, func(ctx context.Context, worker int, _ int64, planned time.Duration) error {
		found, err := reads[worker](ctx)
		all.Add(found.Records)
		if planned >= plan.Warmup {
			measured.Add(found.Records)
			bytes.Add(found.Bytes)
		}
		return err
	})
	if err != nil {
		return err
	}
	run.Latency, run.Operations, run.Errors = outcome.Latency.Result(), outcome.Operations, outcome.Errors
	run.Records, run.Bytes, run.Duration = measured.Load(), bytes.Load(), int64(outcome.Elapsed)
	outcome.Jitter.Result() // it joins the goroutine of the set
	switch {
	case outcome.FirstError != nil:
		return outcome.FirstError
	case run.Bytes != run.Records*int64(s.MessageSize) || run.Records == 0:
		return fmt.Errorf("%d records were read, and %d bytes in them", run.Records, run.Bytes)
	}
	run.Values["scan_records_per_second"] = run.RecordRate()
	if after, known := serverCPU(session); known {
		run.Values["server_cpu_ns_per_record"] = float64(after-before) / float64(all.Load())
	}
	return nil
}
