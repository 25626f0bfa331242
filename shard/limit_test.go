package shard

import (
	"testing"
	"time"

	"github.com/millrace-io/millrace/internal/clock"
	"pgregory.net/rapid"
)

// handClock is moved by the test alone.
type handClock struct {
	clock.Clock
	now time.Time
}

func (c *handClock) Now() time.Time { return c.now }

func newHandClock() *handClock {
	return &handClock{Clock: clock.System(), now: time.Unix(1_700_000_000, 0)}
}

func TestLimiterAllowsOneSecondAtOnceThenTheRate(t *testing.T) {
	hand := newHandClock()
	l := newLimiter(Limits{BytesPerSecond: 1000, RecordsPerSecond: 10}, hand)
	if wait := l.take(1, 1000); wait != 0 {
		t.Fatalf("a full bucket asked to wait %v", wait)
	}
	if wait := l.take(1, 100); wait != 100*time.Millisecond {
		t.Fatalf("wait = %v, want 100ms", wait)
	}
	hand.now = hand.now.Add(100 * time.Millisecond)
	if wait := l.take(1, 100); wait != 0 {
		t.Fatalf("after the wait it had named, it asked for %v more", wait)
	}
}

func TestLimiterCountsRecords(t *testing.T) {
	hand := newHandClock()
	l := newLimiter(Limits{RecordsPerSecond: 10}, hand)
	for range 10 {
		if wait := l.take(1, 1<<30); wait != 0 {
			t.Fatalf("wait = %v within the allowance", wait)
		}
	}
	if wait := l.take(1, 0); wait != 100*time.Millisecond {
		t.Fatalf("wait = %v, want 100ms", wait)
	}
}

func TestLimiterChargesNothingWhenItRefuses(t *testing.T) {
	hand := newHandClock()
	l := newLimiter(Limits{BytesPerSecond: 1000, RecordsPerSecond: 1000}, hand)
	l.take(1, 1000)
	for range 100 {
		l.take(100, 1)
	}
	hand.now = hand.now.Add(time.Second)
	if wait := l.take(900, 1000); wait != 0 {
		t.Fatalf("refused batches were charged: wait = %v", wait)
	}
}

func TestLimiterLetsABatchLargerThanTheBucketPassWhenFull(t *testing.T) {
	hand := newHandClock()
	l := newLimiter(Limits{BytesPerSecond: 1000}, hand)
	if wait := l.take(1, 5000); wait != 0 {
		t.Fatalf("wait = %v on a full bucket", wait)
	}
	if wait := l.take(1, 5000); wait != 5*time.Second {
		t.Fatalf("wait = %v, want 5s: the debt of the first batch", wait)
	}
}

func TestLimiterSurvivesAClockThatStepsBack(t *testing.T) {
	hand := newHandClock()
	l := newLimiter(Limits{BytesPerSecond: 1000}, hand)
	l.take(1, 1000)
	hand.now = hand.now.Add(-time.Hour)
	hand.now = hand.now.Add(2 * time.Hour)
	if wait := l.take(1, 1000); wait != 0 {
		t.Fatalf("wait = %v", wait)
	}
}

// Over any history the admitted bytes stay below the rate times the time plus
// one burst plus one batch, and a batch that waits as told is admitted.
func TestLimiterHoldsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hand := newHandClock()
		rate := rapid.Int64Range(1, 1<<20).Draw(t, "rate")
		l := newLimiter(Limits{BytesPerSecond: rate}, hand)
		began, admitted, largest := hand.now, int64(0), int64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			hand.now = hand.now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "pause")))
			bytes := rapid.Int64Range(1, 2*rate).Draw(t, "bytes")
			if wait := l.take(1, bytes); wait > 0 {
				hand.now = hand.now.Add(wait + 1) // rounding of cost is below 1 ns
				if again := l.take(1, bytes); again > 0 {
					t.Fatalf("told to wait %v and then %v more", wait, again)
				}
			}
			admitted += bytes
			largest = max(largest, bytes)
		}
		seconds := hand.now.Sub(began).Seconds()
		if ceiling := float64(rate)*(seconds+1) + float64(largest) + 1; float64(admitted) > ceiling {
			t.Fatalf("admitted %d bytes in %.3f s at %d bytes/s", admitted, seconds, rate)
		}
	})
}

func TestLimiterDoesNotAllocate(t *testing.T) {
	l := newLimiter(KinesisLimits(), clock.System())
	if n := testing.AllocsPerRun(100, func() { l.take(1, 1) }); n != 0 {
		t.Fatalf("%v allocations per take", n)
	}
}
