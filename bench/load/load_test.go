package load

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// virtual runs a plan in the time of a synctest bubble.
func virtual(ctx context.Context, p Plan, operate func(pacer) Operation) (*Outcome, error) {
	start := time.Now()
	pace := sleeping{start}
	return run(ctx, p, operate(pace), start, pace)
}

// sleepUntil waits on the bubble's clock.
func sleepUntil(pace pacer) func(time.Duration) {
	return func(end time.Duration) { time.Sleep(end - pace.now()) }
}

// TestAPlantedStallIsSeen is the promise of the generator: of a target that
// stands still for 200 ms every 5 s, the reported quantiles are right; and a
// closed loop does not see it.
func TestAPlantedStallIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stall := Stall{Period: 5 * time.Second, Length: 200 * time.Millisecond, Service: time.Millisecond}
		for _, workers := range []int{1, 8, 500} {
			p := Plan{Rate: 500, Workers: workers, Warmup: time.Second, Duration: 30 * time.Second}
			outcome, err := virtual(t.Context(), p, func(pace pacer) Operation { return stall.operation(pace, sleepUntil(pace)) })
			if err != nil {
				t.Fatal(err)
			}
			got := outcome.Latency.Result()
			outcome.Jitter.Result()
			if outcome.Operations != 15_000 || got.Count != 15_000 || outcome.Unsent != 0 {
				t.Errorf("%d workers: %d operations, %d latencies, %d unsent", workers, outcome.Operations, got.Count, outcome.Unsent)
			}
			for quantile, value := range map[float64]int64{0.99: got.P99, 0.999: got.P999} {
				want := stall.Quantile(p, quantile)
				if workers == 1 {
					// One worker does the overdue operations one after the other.
					want += 0
					if time.Duration(value) < want {
						t.Errorf("one worker: quantile %g is %s, at least %s", quantile, time.Duration(value), want)
					}
					continue
				}
				if math.Abs(float64(value)/float64(want)-1) > 0.05 {
					t.Errorf("%d workers: quantile %g is %s, true %s", workers, quantile, time.Duration(value), want)
				}
			}
		}
		closed, err := virtual(t.Context(), Plan{Workers: 1, Duration: 30 * time.Second}, func(pace pacer) Operation { return stall.operation(pace, sleepUntil(pace)) })
		if err != nil {
			t.Fatal(err)
		}
		closed.Jitter.Result()
		if got := time.Duration(closed.Latency.Result().P999); got > 2*time.Millisecond {
			t.Errorf("the closed loop shows %s at p99.9: then this test shows nothing", got)
		}
	})
}

// TestATargetThatCannotKeepUpIsNotFlattered plans twice what a target can do.
func TestATargetThatCannotKeepUpIsNotFlattered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Plan{Rate: 200, Workers: 1, Duration: 10 * time.Second}
		outcome, err := virtual(t.Context(), p, func(pacer) Operation {
			return func(context.Context, int, int64, time.Duration) error { time.Sleep(10 * time.Millisecond); return nil }
		})
		if err != nil {
			t.Fatal(err)
		}
		outcome.Jitter.Result()
		got := outcome.Latency.Result()
		// 15 s of 10 ms each are done; the other operations have waited since.
		if outcome.Operations < 1499 || outcome.Operations > 1501 || outcome.Operations+outcome.Unsent != 2000 || got.Count != 2000 {
			t.Errorf("%d done, %d unsent, %d latencies", outcome.Operations, outcome.Unsent, got.Count)
		}
		if got.P50 < int64(4*time.Second) || got.Max < int64(5*time.Second) {
			t.Errorf("p50 %s, max %s", time.Duration(got.P50), time.Duration(got.Max))
		}
		if rate := float64(outcome.Operations) / outcome.Elapsed.Seconds(); math.Abs(rate-100) > 1 {
			t.Errorf("%g a second", rate)
		}
	})
}

// TestThousandsShareLanes: with more workers than lanes nothing is lost.
func TestThousandsShareLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, each = 2*lanesMax + 1, 4
		const service = time.Second / each
		outcome, err := virtual(t.Context(), Plan{Workers: workers, Warmup: time.Second, Duration: time.Second}, func(pacer) Operation {
			return func(context.Context, int, int64, time.Duration) error { time.Sleep(service); return nil }
		})
		if err != nil {
			t.Fatal(err)
		}
		got := outcome.Latency.Result()
		if outcome.Operations != each*workers || got.Count != each*workers || got.P50 < int64(service) || outcome.Elapsed != time.Second {
			t.Errorf("%d operations, %d latencies, p50 %s in %s", outcome.Operations, got.Count, time.Duration(got.P50), outcome.Elapsed)
		}
		if jitter := outcome.Jitter.Result(); jitter != nil {
			t.Errorf("a closed loop has no jitter: %+v", jitter)
		}
	})
}

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		third := func(pacer) Operation {
			return func(_ context.Context, _ int, number int64, _ time.Duration) error {
				if number%3 == 0 {
					return broken
				}
				return nil
			}
		}
		outcome, err := virtual(t.Context(), Plan{Rate: 300, Workers: 3, Duration: 10 * time.Second}, third)
		if err != nil || outcome.Errors != 1000 || outcome.Operations != 2000 || !errors.Is(outcome.FirstError, broken) {
			t.Errorf("%d errors, %d operations, first %v, %v", outcome.Errors, outcome.Operations, outcome.FirstError, err)
		}
		finish(outcome)
		always := func(pacer) Operation {
			return func(context.Context, int, int64, time.Duration) error { return broken }
		}
		outcome, err = virtual(t.Context(), Plan{Rate: 300, Workers: 3, Duration: 10 * time.Second}, always)
		if !errors.Is(err, ErrTargetFailing) || !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		finish(outcome)
	})
}

// finish joins the goroutines of an outcome that nobody looks at.
func finish(o *Outcome) {
	o.Latency.Result()
	o.Jitter.Result()
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		outcome, err := virtual(ctx, Plan{Rate: 10, Workers: 2, Duration: time.Hour}, func(pacer) Operation {
			return func(ctx context.Context, _ int, _ int64, _ time.Duration) error { return ctx.Err() }
		})
		if !errors.Is(err, context.DeadlineExceeded) || outcome.Operations < 29 || outcome.Operations > 31 {
			t.Errorf("%d operations, %v", outcome.Operations, err)
		}
		finish(outcome)
	})
}

func TestAsynchronousLatencyCountsFromThePlannedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var under sync.WaitGroup
		send := func(_ context.Context, number int64, _ time.Duration, done func(error)) error {
			if number == 500 {
				time.Sleep(100 * time.Millisecond) // the client blocks: what follows is overdue
			}
			under.Go(func() { time.Sleep(2 * time.Millisecond); done(nil) })
			return nil
		}
		flush := func(context.Context) error { under.Wait(); return nil }
		p := Plan{Rate: 1000, Duration: time.Second}
		outcome, err := runAsync(t.Context(), p, send, flush, start, sleeping{start})
		if err != nil {
			t.Fatal(err)
		}
		got := outcome.Latency.Result()
		outcome.Jitter.Result()
		if got.Count != 1000 || time.Duration(got.P50) > 3*time.Millisecond || time.Duration(got.P99) < 90*time.Millisecond {
			t.Errorf("%d, p50 %s, p99 %s", got.Count, time.Duration(got.P50), time.Duration(got.P99))
		}
	})
}

func TestAsynchronousClosedLoopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var (
			mutex         sync.Mutex
			under, most   int
			group         sync.WaitGroup
			acknowledge   = 5 * time.Millisecond
			count         = func(by int) { mutex.Lock(); defer mutex.Unlock(); under += by; most = max(most, under) }
			planned, last time.Duration
		)
		send := func(_ context.Context, _ int64, at time.Duration, done func(error)) error {
			planned, last = at, max(last, at)
			count(1)
			group.Go(func() { time.Sleep(acknowledge); count(-1); done(nil) })
			return nil
		}
		flush := func(context.Context) error { group.Wait(); return nil }
		outcome, err := runAsync(t.Context(), Plan{InFlight: 7, Duration: time.Second}, send, flush, start, sleeping{start})
		if err != nil || most != 7 || outcome.Operations < 1300 || planned != last {
			t.Errorf("%d under way at most, %d operations, %v", most, outcome.Operations, err)
		}
		finish(outcome)
	})
}

// TestFailuresDoNotShortenTheRun: what succeeded in the first half is the rate
// of the whole.
func TestFailuresDoNotShortenTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcome, err := virtual(t.Context(), Plan{Rate: 100, Workers: 2, Warmup: time.Second, Duration: 10 * time.Second}, func(pace pacer) Operation {
			return func(context.Context, int, int64, time.Duration) error {
				if pace.now() > 6*time.Second {
					return errors.New("planted")
				}
				return nil
			}
		})
		if err != nil || outcome.Elapsed < 10*time.Second || outcome.Operations < 495 || outcome.Operations > 505 || outcome.Errors < 495 {
			t.Errorf("%d operations and %d errors in %s, %v", outcome.Operations, outcome.Errors, outcome.Elapsed, err)
		}
		finish(outcome)
	})
}

// TestLateAcknowledgementsAreLeftOut: a flush that gives up leaves operations
// under way, which may be acknowledged when all is over.
func TestLateAcknowledgementsAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		var late []func(error)
		send := func(_ context.Context, number int64, _ time.Duration, done func(error)) error {
			if number%2 == 1 {
				late = append(late, done)
				return nil
			}
			done(nil)
			return nil
		}
		gaveUp := errors.New("planted")
		outcome, err := runAsync(ctx, Plan{Rate: 10, Duration: time.Hour}, send, func(context.Context) error { return gaveUp }, start, sleeping{start})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the run ended with %v", err)
		}
		counted := outcome.Operations
		finish(outcome)
		time.Sleep(2 * time.Second)
		for _, done := range late {
			done(nil)
		}
		if counted < 9 || counted > 11 || len(late) < 9 {
			t.Errorf("%d operations counted, %d late", counted, len(late))
		}
	})
}

// TestLoadBeforeTheWarmUpEndsIsNotUnsent: only what would have been measured is.
func TestLoadBeforeTheWarmUpEndsIsNotUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcome, err := virtual(t.Context(), Plan{Rate: 100, Workers: 1, Warmup: time.Second, Duration: time.Second}, func(pacer) Operation {
			return func(context.Context, int, int64, time.Duration) error { time.Sleep(time.Minute); return nil }
		})
		if err != nil || outcome.Unsent != 100 {
			t.Errorf("%d unsent, %v", outcome.Unsent, err)
		}
		finish(outcome)
	})
}

func TestPlansAreChecked(t *testing.T) {
	for _, p := range []Plan{{Rate: -1, Duration: 1}, {Rate: math.NaN(), Duration: 1}, {Rate: 1e10, Duration: 1}, {Workers: 1 << 20, Duration: 1}, {}, {Duration: time.Second, Warmup: -1}} {
		if _, err := Run(t.Context(), p, nil); err == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
}

// TestPreciseNeverWakesEarly uses the real clock, without asserting how late.
func TestPreciseNeverWakesEarly(t *testing.T) {
	outcome, err := Run(t.Context(), Plan{Rate: 5000, Workers: 4, Duration: 50 * time.Millisecond}, func(context.Context, int, int64, time.Duration) error { return nil })
	if err != nil || outcome.Operations != 250 {
		t.Errorf("%d operations, %v", outcome.Operations, err)
	}
	finish(outcome)
}

func TestHiccup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := StartHiccup(0)
		time.Sleep(100 * time.Millisecond)
		got := h.Stop().Result()
		if got.Count < 99 || got.Max > int64(time.Microsecond) {
			t.Errorf("got %+v", got)
		}
	})
}

// BenchmarkNothing is what one planned and recorded operation costs.
func BenchmarkNothing(b *testing.B) {
	nothing := func(context.Context, int, int64, time.Duration) error { return nil }
	outcome, err := Run(b.Context(), Plan{Rate: 1e9, Workers: 1, Duration: time.Duration(b.N)}, nothing)
	if err != nil {
		b.Fatal(err)
	}
	finish(outcome)
	b.ReportMetric(float64(outcome.Operations)/outcome.Elapsed.Seconds(), "operations/s")
}
