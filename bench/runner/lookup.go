package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/millrace-io/millrace/bench/load"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
)

// lookUp has readers read single records of the backlog at random: by number,
// and by time, whichever the target can do.
func lookUp(ctx context.Context, s *scenario.Scenario, session target.Session, written *backlog, run *result.Run) error {
	if getter, ok := session.(target.Getter); ok {
		if err := lookUps(ctx, s, "lookup", run, byNumber(s, getter, written)); err != nil {
			return fmt.Errorf("read by number: %w", err)
		}
	}
	if getter, ok := session.(target.TimeGetter); ok {
		if err := lookUps(ctx, s, "time_lookup", run, byTime(s, getter, written)); err != nil {
			return fmt.Errorf("read by time: %w", err)
		}
	}
	return nil
}

// lookUps runs one kind of read in a closed loop and notes its figures under
// names that begin with the given one.
func lookUps(ctx context.Context, s *scenario.Scenario, name string, run *result.Run, read load.Operation) error {
	plan := load.Plan{
		Workers: s.LookupReaders, Warmup: time.Duration(s.WarmupDuration), Duration: time.Duration(s.TestDuration), Tag: name,
	}
	var all int64 // reads, also those of the warm-up
	counted := make([]int64, s.LookupReaders*countEvery)
	before := allocations()
	outcome, err := load.Run(ctx, plan, func(ctx context.Context, worker int, number int64, planned time.Duration) error {
		counted[worker*countEvery]++
		return read(ctx, worker, number, planned)
	})
	allocated := allocations() - before
	if outcome == nil {
		return err
	}
	latency := outcome.Latency.Result()
	outcome.Jitter.Result() // joins its goroutine
	if err = errors.Join(err, outcome.FirstError); err != nil {
		return err
	}
	if latency == nil {
		return fmt.Errorf("no read ended within the %s of the measurement: give it longer (testDuration)", plan.Duration)
	}
	for _, count := range counted {
		all += count
	}
	run.Values[name+"_p50_ns"], run.Values[name+"_p99_ns"] = float64(latency.P50), float64(latency.P99)
	run.Values[name+"s_per_second"] = float64(outcome.Operations) / outcome.Elapsed.Seconds()
	run.Values[name+"_allocations"] = float64(allocated) / float64(all)
	return nil
}

// countEvery keeps the counts of two readers out of one cache line.
const countEvery = 16

// byNumber reads records by number, and compares each with what was written.
func byNumber(s *scenario.Scenario, getter target.Getter, written *backlog) load.Operation {
	readers := newReaders(s.LookupReaders)
	return func(ctx context.Context, worker int, _ int64, _ time.Duration) error {
		r := readers[worker]
		shard, number, want := written.place(r.random.Int64N(written.total))
		r.want, r.found = want, false
		if err := getter.Get(ctx, shard, number, r.compare); err != nil {
			return err
		}
		if !r.found {
			return fmt.Errorf("record %d of shard %d is not what was written", number, shard)
		}
		return nil
	}
}

// byTime reads records by a time at which the backlog was being written, from
// shard 0: it has the newest record, so that there always is one. Which one it is
// only the target knows; its size must be right.
func byTime(s *scenario.Scenario, getter target.TimeGetter, written *backlog) load.Operation {
	readers := newReaders(s.LookupReaders)
	took := max(int64(written.ended.Sub(written.began)), 1)
	return func(ctx context.Context, worker int, _ int64, _ time.Duration) error {
		r := readers[worker]
		at := written.began.Add(time.Duration(r.random.Int64N(took)))
		r.length = 0
		if err := getter.GetAt(ctx, 0, at, r.measure); err != nil {
			return err
		}
		if r.length != int(s.MessageSize) {
			return fmt.Errorf("the record of %s has %d bytes, not %d", at.Format(time.RFC3339Nano), r.length, s.MessageSize)
		}
		return nil
	}
}

// reader is what one goroutine needs, made before so that reading allocates
// nothing here.
type reader struct {
	random           *rand.Rand
	want             []byte
	found            bool
	length           int
	sum              byte
	compare, measure func(record []byte)
}

func newReaders(count int) []*reader {
	readers := make([]*reader, count)
	for i := range readers {
		r := &reader{random: rand.New(rand.NewPCG(uint64(i), 1))}
		r.compare = func(record []byte) { r.found = bytes.Equal(record, r.want) }
		r.measure = func(record []byte) { r.length, r.sum = len(record), r.sum+touch(record) }
		readers[i] = r
	}
	return readers
}

// allocations is how many objects this process has allocated.
func allocations() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}
