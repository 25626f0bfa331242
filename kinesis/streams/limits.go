package streams

import (
	"sync"
	"time"

	"github.com/millrace-io/millrace/record"
)

// rates are the rates at which operations may be called, by name; one second at a time.
type rates struct {
	mutex  sync.Mutex
	second int64
	counts map[string]int
}

// take counts a call of an operation that may be called so often a second.
func (r *rates) take(a *API, operation string, most int) error {
	if !a.options.EnforceLimits {
		return nil
	}
	now := a.options.Clock.Now().Unix()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.second != now || r.counts == nil {
		r.second, r.counts = now, make(map[string]int)
	}
	if r.counts[operation] >= most {
		return limitExceeded("Rate exceeded for account %s.", a.options.Account)
	}
	r.counts[operation]++
	return nil
}

const (
	readsPerSecond     = 5
	readBytesPerSecond = 2 << 20
	// readBytesMax is the most that one answer holds; after that many the shard rests for 5
	// seconds.
	readBytesMax = 10 << 20
	// readShardsMax bounds what is remembered.
	readShardsMax = 64 << 10
)

// readLimits are how fast shards may be read: 5 calls a second, and 2 MiB a second, where an
// answer may take what 5 seconds give.
type readLimits struct {
	mutex  sync.Mutex
	shards map[readShard]*readLimit
}

type readShard struct {
	stream uint64
	shard  record.ShardID
}

// readLimit is one shard: calls in this second, and when what was read is paid for.
type readLimit struct {
	second int64
	calls  int
	free   time.Time
}

// take counts a call, and refuses it while the shard is busy with earlier ones.
func (r *readLimits) take(a *API, of uint64, shard record.ShardID, streamName string) error {
	if !a.options.EnforceLimits {
		return nil
	}
	now := a.options.Clock.Now()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.shards == nil || len(r.shards) >= readShardsMax {
		r.shards = make(map[readShard]*readLimit)
	}
	limit := r.shards[readShard{of, shard}]
	if limit == nil {
		limit = new(readLimit)
		r.shards[readShard{of, shard}] = limit
	}
	if limit.second != now.Unix() {
		limit.second, limit.calls = now.Unix(), 0
	}
	if limit.calls >= readsPerSecond || now.Before(limit.free) {
		return rateExceeded(shard, streamName, a.options.Account)
	}
	limit.calls++
	return nil
}

// paid counts what a call has read.
func (r *readLimits) paid(a *API, of uint64, shard record.ShardID, bytes int) {
	if !a.options.EnforceLimits {
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if limit := r.shards[readShard{of, shard}]; limit != nil && bytes > readBytesPerSecond {
		limit.free = a.options.Clock.Now().Add(time.Duration(bytes) * time.Second / readBytesPerSecond)
	}
}

// forget drops the shards of a stream.
func (r *readLimits) forget(of uint64) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for key := range r.shards {
		if key.stream == of {
			delete(r.shards, key)
		}
	}
}
