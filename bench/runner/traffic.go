package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/bench/latency"
	"github.com/millrace-io/millrace/bench/load"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
)

const (
	// warmRate is what a log writes in a second at best, warmRateServer what a server
	// does with requests that are made beforehand, and warmBytesMax bounds how much
	// memory is brought in.
	warmRate, warmRateServer, warmBytesMax = 4 << 30, 512 << 20, 4 << 30
	// readyMax is how long followers have to be in place, deliverMax how long
	// records have to arrive after the last was acknowledged.
	readyMax   = 30 * time.Second
	deliverMax = 10 * time.Second
)

// traffic runs producers, followers and readers that catch up, whichever the
// scenario has.
func traffic(ctx context.Context, job Job, on target.Target, dir string, run *result.Run) (err error) {
	s := &job.Scenario
	if err := warmPages(ctx, dir, warmBytes(s)); err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	session, err := on.Open(ctx, config(s, data))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	if _, err := fill(ctx, s, session, run); err != nil {
		return err
	}
	if s.Touched {
		if err := touchShards(ctx, job, session); err != nil {
			return fmt.Errorf("append to every shard: %w", err)
		}
	}
	if s.Producers() == 0 && s.Prepared {
		return countReads(ctx, s, on, session, run)
	}
	if s.Producers() == 0 {
		return scanPasses(ctx, s, on, session, 0, run)
	}
	t := &trip{job: job, on: on, session: session, run: run}
	return t.produce(ctx)
}

// warmBytes is how much memory a run may take for what it writes.
func warmBytes(s *scenario.Scenario) int64 {
	if s.Producers() == 0 {
		return int64(min(s.Backlog, warmBytesMax))
	}
	rate := float64(warmRate)
	if s.Prepared {
		rate = warmRateServer
	}
	if s.ProducerRate > 0 {
		const ahead = 2 // some logs write zeroes ahead of their records
		rate = min(rate, ahead*s.ProducerRate*float64(s.MessageSize))
	}
	return int64(min(rate*time.Duration(s.WarmupDuration+s.TestDuration).Seconds(), warmBytesMax))
}

// trip is one measurement with producers.
type trip struct {
	job     Job
	on      target.Target
	session target.Session
	run     *result.Run

	start     atomic.Pointer[time.Time]
	endToEnd  *latency.Set
	delivered atomic.Int64
	// scanned and scanTime are those of whole passes of readers that catch up.
	scanned, scanTime atomic.Int64
}

// produce generates the load and everything that goes on beside it.
func (t *trip) produce(ctx context.Context) error {
	s := &t.job.Scenario
	beside, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	failures := make(chan error, s.Shards()*max(s.SubscriptionsPerTopic, 1)+s.CatchUpReaders)
	err := t.follow(beside, &group, failures)
	if t.endToEnd != nil {
		// Also when nothing is reported: it joins the goroutine of the set.
		defer t.endToEnd.Result()
	}
	if err == nil {
		err = t.catchUp(beside, &group, failures)
	}
	if err != nil {
		stop()
		group.Wait()
		return err
	}
	before, _ := serverCPU(t.session)
	hiccup := load.StartHiccup(time.Duration(s.WarmupDuration))
	allocated := allocations()
	outcome, err := t.generate(ctx)
	allocated = allocations() - allocated
	t.run.Hiccup = hiccup.Stop().Result()
	if outcome != nil {
		t.server(before, outcome)
		if all := float64(outcome.Operations) * t.whole(outcome); all > 0 {
			t.run.Values["allocations_per_operation"] = float64(allocated) / all
		}
		if err == nil && outcome.Operations == 0 && outcome.FirstError != nil {
			err = fmt.Errorf("all %d operations failed: %w", outcome.Errors, outcome.FirstError)
		}
		if err == nil {
			err = t.awaitDelivery(ctx, outcome, failures)
		}
	}
	stop()
	group.Wait()
	close(failures)
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	if outcome != nil {
		t.report(outcome)
		err = errors.Join(err, t.histograms(outcome))
	}
	return err
}

// plan is the load of the scenario. Its rate is of operations.
func (t *trip) plan() load.Plan {
	s := &t.job.Scenario
	return load.Plan{
		Rate: s.ProducerRate / float64(s.BatchSize), Workers: s.Producers(), InFlight: s.InFlight,
		Warmup: time.Duration(s.WarmupDuration), Duration: time.Duration(s.TestDuration), Tag: "append", Spin: time.Duration(s.Spin),
		Started: func(start time.Time) { t.start.Store(&start) },
	}
}

// generate runs the producers.
func (t *trip) generate(ctx context.Context) (*load.Outcome, error) {
	s, shards := &t.job.Scenario, int64(t.job.Scenario.Shards())
	if s.Prepared {
		return t.generatePrepared(ctx)
	}
	if !s.Asynchronous {
		payloads := make([]*payload, s.Producers())
		for i := range payloads {
			payloads[i] = newPayload(i, s.BatchSize, int(s.MessageSize))
		}
		return load.Run(ctx, t.plan(), func(ctx context.Context, worker int, number int64, planned time.Duration) error {
			return t.session.Append(ctx, int(number%shards), payloads[worker].stamped(planned, number))
		})
	}
	sender, ok := t.session.(target.Sender)
	if !ok {
		return nil, lacks(t.on.About(), "send without waiting")
	}
	one := newPayload(0, 1, int(s.MessageSize))
	return load.RunAsync(ctx, t.plan(), func(ctx context.Context, number int64, planned time.Duration, done func(error)) error {
		return sender.Send(ctx, int(number%shards), one.stamped(planned, number)[0], done)
	}, sender.Flush)
}

// errEnded is the failure of a consumer that had no reason to end.
var errEnded = errors.New("the target ended it without an error")

// follow starts the consumers and waits until all are in place.
func (t *trip) follow(ctx context.Context, group *sync.WaitGroup, failures chan error) error {
	s := &t.job.Scenario
	consumers := s.Shards() * s.SubscriptionsPerTopic
	if consumers == 0 {
		return nil
	}
	follower, ok := t.session.(target.Follower)
	if !ok {
		return lacks(t.on.About(), "follow what is appended")
	}
	t.endToEnd = latency.NewSet(time.Now(), latency.Options{Warmup: time.Duration(s.WarmupDuration), Seconds: true, Tag: "end-to-end"})
	ready := make(chan struct{}, consumers)
	for i := range consumers {
		recorder := t.endToEnd.Recorder()
		group.Go(func() {
			defer recorder.Close()
			err := follower.Follow(ctx, i%s.Shards(), func() { ready <- struct{}{} }, func(record []byte) { t.deliver(record, recorder) })
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				err = errEnded
			}
			failures <- fmt.Errorf("follow shard %d: %w", i%s.Shards(), err)
		})
	}
	limit := time.NewTimer(readyMax)
	defer limit.Stop()
	for range consumers {
		select {
		case <-ready:
		case err := <-failures:
			return err
		case <-limit.C:
			return fmt.Errorf("consumers were not in place after %s", readyMax)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// deliver counts a record that a consumer got.
func (t *trip) deliver(record []byte, recorder *latency.Recorder) {
	planned, _, ok := readStamp(record)
	start := t.start.Load()
	if !ok || start == nil {
		return
	}
	recorder.Record(planned, time.Since(*start)-planned)
	if planned >= time.Duration(t.job.Scenario.WarmupDuration) {
		t.delivered.Add(1)
	}
}

// awaitDelivery waits until the consumers have everything that was
// acknowledged, or for a bounded time: then what is missing is in the values.
// It does not wait for consumers that have failed.
func (t *trip) awaitDelivery(ctx context.Context, outcome *load.Outcome, failures <-chan error) error {
	s := &t.job.Scenario
	wanted := outcome.Operations * int64(s.BatchSize*s.SubscriptionsPerTopic)
	if wanted == 0 {
		return nil
	}
	const poll = 5 * time.Millisecond
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	limit := time.NewTimer(deliverMax)
	defer limit.Stop()
	for t.delivered.Load() < wanted {
		select {
		case <-ticker.C:
		case <-limit.C:
			t.run.Values["records_not_delivered"] = float64(wanted - t.delivered.Load())
			return nil
		case failure := <-failures:
			return failure
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// catchUp starts readers that go over the shards again and again.
func (t *trip) catchUp(ctx context.Context, group *sync.WaitGroup, failures chan<- error) error {
	s := &t.job.Scenario
	if s.CatchUpReaders == 0 {
		return nil
	}
	scanner, ok := t.session.(target.Scanner)
	if !ok {
		return lacksScan(t.on.About())
	}
	for range s.CatchUpReaders {
		group.Go(func() {
			for ctx.Err() == nil {
				found, err := scan(ctx, scanner, s.Shards())
				if err != nil {
					if ctx.Err() == nil {
						failures <- err
					}
					return
				}
				t.scanned.Add(found.records)
				t.scanTime.Add(int64(found.elapsed))
			}
		})
	}
	return nil
}

// report puts what was found into the run. Everything beside the load has
// ended.
func (t *trip) report(outcome *load.Outcome) {
	s, r := &t.job.Scenario, t.run
	r.Duration = int64(outcome.Elapsed)
	r.Operations, r.Errors = outcome.Operations, outcome.Errors
	r.Records = outcome.Operations * int64(s.BatchSize)
	r.Bytes = r.Records * int64(s.MessageSize)
	if outcome.FirstError != nil {
		r.FirstError = outcome.FirstError.Error()
	}
	if outcome.Unsent > 0 {
		r.Values["operations_unsent"] = float64(outcome.Unsent)
	}
	r.Latency, r.Jitter = outcome.Latency.Result(), outcome.Jitter.Result()
	if t.endToEnd != nil {
		r.EndToEnd = t.endToEnd.Result()
	}
	if passes := t.scanTime.Load(); passes > 0 {
		r.Values["scan_records_per_second"] = float64(t.scanned.Load()) / time.Duration(passes).Seconds()
	}
}

// serverCPU is the processor time of a session's server so far; ok is false
// when it has none or the system does not say.
func serverCPU(session target.Session) (used time.Duration, ok bool) {
	server, ok := session.(target.Server)
	if !ok {
		return 0, false
	}
	used, err := server.ServerCPU()
	return used, err == nil
}

// whole is how many times as long as the measured time all of it was, warm-up
// and all.
func (t *trip) whole(outcome *load.Outcome) float64 {
	warmup := time.Duration(t.job.Scenario.WarmupDuration)
	return (warmup + outcome.Elapsed).Seconds() / max(outcome.Elapsed.Seconds(), 1e-9)
}

// server notes what the server took for a record, warm-up and all.
func (t *trip) server(before time.Duration, outcome *load.Outcome) {
	server, ok := t.session.(target.Server)
	if !ok {
		return
	}
	after, known := serverCPU(t.session)
	if records := float64(outcome.Operations) * float64(t.job.Scenario.BatchSize) * t.whole(outcome); known && records > 0 {
		t.run.Values["server_cpu_ns_per_record"] = float64(after-before) / records
	}
	if memory, err := server.ServerMemory(); err == nil {
		t.run.Values["server_memory_bytes"] = float64(memory)
	}
}

// histograms writes the files that the job asks for.
func (t *trip) histograms(outcome *load.Outcome) error {
	if t.job.Histograms == "" {
		return nil
	}
	sets := map[string]*latency.Set{"": outcome.Latency}
	if t.endToEnd != nil {
		sets[".end-to-end"] = t.endToEnd
	}
	for name, set := range sets {
		for extension, write := range map[string]func(io.Writer) error{".hlog": set.WriteLog, ".hgrm": set.WriteDistribution} {
			if err := writeFile(t.job.Histograms+name+extension, write); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeFile makes a file of what write says.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
