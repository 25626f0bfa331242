package shard

import (
	"sync"
	"time"

	"github.com/millrace-io/millrace/internal/clock"
)

// Limits bound how fast a shard may be written. Both count what the producer
// sent: partition keys and data, without framing. A zero field is no limit.
type Limits struct {
	// BytesPerSecond is the sustained rate of keys and data.
	BytesPerSecond int64
	// RecordsPerSecond is the sustained rate of records.
	RecordsPerSecond int64
}

// KinesisLimits are the write limits of one shard of Amazon Kinesis: 1 MiB and
// 1,000 records a second.
func KinesisLimits() Limits {
	return Limits{BytesPerSecond: 1 << 20, RecordsPerSecond: 1000}
}

// enabled reports whether any limit is set.
func (l Limits) enabled() bool { return l.BytesPerSecond > 0 || l.RecordsPerSecond > 0 }

// burst is how much unused allowance a shard keeps. One second is what
// Kinesis describes its limits by.
const burst = int64(time.Second)

// limiter is a pair of token buckets that are charged together or not at all.
// golang.org/x/time/rate would need two reservations and a cancellation for
// that, which is why this is our own.
type limiter struct {
	clock clock.Clock
	// base is when the limiter began; times below are nanoseconds since, so
	// that a step of the wall clock cannot close the shard for as long.
	base time.Time

	mutex   sync.Mutex
	bytes   bucket // guarded by mutex
	records bucket // guarded by mutex
}

func newLimiter(limits Limits, c clock.Clock) *limiter {
	return &limiter{
		clock:   c,
		base:    c.Now(),
		bytes:   bucket{perSecond: limits.BytesPerSecond},
		records: bucket{perSecond: limits.RecordsPerSecond},
	}
}

// take charges a batch. When the batch must wait it charges nothing and
// returns how long; that many nanoseconds later the same batch would pass if
// nobody else came.
func (l *limiter) take(records int, bytes int64) time.Duration {
	now := int64(l.clock.Now().Sub(l.base))
	l.mutex.Lock()
	defer l.mutex.Unlock()
	wait := max(l.bytes.wait(now, bytes), l.records.wait(now, int64(records)))
	if wait > 0 {
		return time.Duration(wait)
	}
	l.bytes.charge(now, bytes)
	l.records.charge(now, int64(records))
	return 0
}

// bucket is a token bucket kept as the one instant at which it will be full
// again.
type bucket struct {
	perSecond int64 // 0 = unlimited
	full      int64 // nanoseconds since the limiter's base
}

// cost is how long n units take to grow back. The product stays below 2^63:
// n is bounded by the largest batch.
func (b *bucket) cost(n int64) int64 { return n * int64(time.Second) / b.perSecond }

// wait returns how many nanoseconds are missing for n units. A batch larger
// than the whole bucket passes when the bucket is full, or it never could, and
// is paid for by whoever comes next.
func (b *bucket) wait(now, n int64) int64 {
	if b.perSecond <= 0 || b.full <= now {
		return 0
	}
	used := b.full - now
	return max(0, min(used, used+b.cost(n)-burst))
}

func (b *bucket) charge(now, n int64) {
	if b.perSecond > 0 {
		b.full = max(b.full, now) + b.cost(n)
	}
}
