package streams

import (
	"context"
	"time"

	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
)

const (
	// A stream ON_DEMAND is to have room for twice its load: a shard that takes more than half
	// of what a shard may is split, and two neighbours that take less than an eighth together
	// for a while are merged.
	scaleUpPart   = 2
	scaleDownPart = 8
	// scaleDownAfter is how long two shards must have been quiet.
	scaleDownAfter = 15 * time.Minute
	// onDemandShardsMax is where splitting ends: 200 MB/s.
	onDemandShardsMax = 200
)

// load is what a shard took when it was looked at last.
type load struct {
	bytes, records uint64
	at             time.Time
	// quiet is since when the shard has taken less than a sixteenth; zero if it has not.
	quiet time.Time
	// rate is bytes and records a second, measured between the last two looks.
	rate shard.Limits
}

type loads map[readShard]load

// startScaling begins to look at streams ON_DEMAND.
func (a *API) startScaling() {
	if a.options.ScaleInterval < 0 {
		return
	}
	seen := make(loads)
	var look func(context.Context)
	look = func(ctx context.Context) {
		seen = a.scaleAll(ctx, seen)
		if ctx.Err() == nil {
			a.later(a.options.ScaleInterval, look)
		}
	}
	a.later(a.options.ScaleInterval, look)
}

// scaleAll looks at every stream ON_DEMAND and changes one or two shards of each at most. It returns
// what it has seen.
func (a *API) scaleAll(ctx context.Context, before loads) loads {
	seen := make(loads)
	// What fails is tried again the next time, and keeps no other stream from it.
	_ = a.each(func(t *target) error {
		if t.settings.Mode == modeOnDemand {
			_ = a.scale(ctx, t, before, seen)
		}
		return nil
	})
	return seen
}

// scale splits the busiest shard that is too busy, or else merges two neighbours that are quiet.
func (a *API) scale(ctx context.Context, t *target, before, seen loads) error {
	open, now, most := openRanges(t.Describe()), a.options.Clock.Now(), shard.KinesisLimits()
	busiest, share := -1, 1.0/scaleUpPart
	for i, s := range open {
		l, known := a.measure(t, s.id, before, now)
		part := max(float64(l.rate.BytesPerSecond)/float64(most.BytesPerSecond), float64(l.rate.RecordsPerSecond)/float64(most.RecordsPerSecond))
		if known && part > share {
			busiest, share = i, part
		}
		if part*2*scaleDownPart >= 1 {
			l.quiet = time.Time{}
		} else if l.quiet.IsZero() {
			l.quiet = now
		}
		seen[readShard{t.ID(), s.id}] = l
	}
	if busiest >= 0 && len(open) < onDemandShardsMax {
		return a.update(ctx, t, func(*settings) error {
			_, err := a.store.Split(ctx, t.Name(), open[busiest].id, middle(open[busiest].HashRange))
			return err
		})
	}
	for i := 0; i+1 < len(open) && len(open) > onDemandShards; i++ {
		if seen.quiet(t.ID(), open[i].id, now) && seen.quiet(t.ID(), open[i+1].id, now) {
			return a.update(ctx, t, func(*settings) error {
				_, err := a.store.Merge(ctx, t.Name(), open[i].id, open[i+1].id)
				return err
			})
		}
	}
	return nil
}

// measure returns what a shard takes a second since it was looked at last; known is false the
// first time.
func (a *API) measure(t *target, id record.ShardID, before loads, now time.Time) (l load, known bool) {
	of, err := t.Shard(id)
	if err != nil {
		return load{}, false
	}
	l, known = before[readShard{t.ID(), id}]
	stats := of.Stats().Log
	if took := now.Sub(l.at).Seconds(); known && took > 0 {
		l.rate.BytesPerSecond = int64(float64(stats.AppendedBytes-l.bytes) / took)
		l.rate.RecordsPerSecond = int64(float64(stats.Records-l.records) / took)
	}
	l.bytes, l.records, l.at = stats.AppendedBytes, stats.Records, now
	return l, known
}

// quiet reports whether a shard has been quiet for long enough to be merged.
func (s loads) quiet(of uint64, id record.ShardID, now time.Time) bool {
	l, known := s[readShard{of, id}]
	return known && !l.quiet.IsZero() && now.Sub(l.quiet) >= scaleDownAfter
}

// middle returns the key at which a range is cut in half.
func middle(r record.HashRange) record.HashKey {
	low, borrow := r.End.Lo-r.Start.Lo, uint64(0)
	if r.End.Lo < r.Start.Lo {
		borrow = 1
	}
	high := r.End.Hi - r.Start.Hi - borrow
	low = low>>1 | high<<63
	high >>= 1
	sum := record.HashKey{Hi: r.Start.Hi + high, Lo: r.Start.Lo + low}
	if sum.Lo < r.Start.Lo {
		sum.Hi++
	}
	sum.Lo++ // the upper half begins behind the middle
	if sum.Lo == 0 {
		sum.Hi++
	}
	return sum
}
