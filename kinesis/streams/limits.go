package streams

import (
	"context"
	"sync"
	"time"

	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/record"
)

// rates count calls, one second at a time.
type rates struct {
	mutex  sync.Mutex
	second int64
	counts map[rateKey]int
}

// rateKey is what is counted: calls of an operation, where AWS has it for one stream, shard or
// consumer.
type rateKey struct {
	operation string
	stream    uint64
	shard     record.ShardID
	consumer  string
}

// allow counts a call of what may be called so often a second, and reports whether it may be.
func (r *rates) allow(a *API, key rateKey, most int) bool {
	if !a.options.EnforceLimits {
		return true
	}
	now := a.options.Clock.Now().Unix()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.second != now || r.counts == nil {
		r.second, r.counts = now, make(map[rateKey]int)
	}
	if r.counts[key] >= most {
		return false
	}
	r.counts[key]++
	return true
}

// callsPerSecond is how often the account may call an operation; the others callsDefault.
var callsPerSecond = map[string]int{
	"DescribeLimits":         1,
	"DescribeStream":         10,
	"DescribeStreamConsumer": 20,
	"DescribeStreamSummary":  20,
	"UpdateShardCount":       10,
}

const (
	callsDefault = 5
	// listShardsPerSecond is for one stream, iteratorsPerSecond for one shard, and
	// subscriptionsPerSecond for a consumer of one shard.
	listShardsPerSecond    = 1000
	iteratorsPerSecond     = 5
	subscriptionsPerSecond = 1
)

// handle has an operation served that the account may call so often a second.
func handle[In, Out any](a *API, name string, serve func(context.Context, *kinesis.Call, *In) (*Out, error)) {
	most := callsDefault
	if known, found := callsPerSecond[name]; found {
		most = known
	}
	kinesis.Handle(a.service, name, func(ctx context.Context, c *kinesis.Call, in *In) (*Out, error) {
		if !a.rates.allow(a, rateKey{operation: name}, most) {
			return nil, limitExceeded("Rate exceeded for account %s.", a.options.Account)
		}
		return serve(ctx, c, in)
	})
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
	mutex sync.Mutex
	free  map[readShard]time.Time // when what was read is paid for
}

type readShard struct {
	stream uint64
	shard  record.ShardID
}

// take counts a call, and refuses it while the shard is busy with earlier ones.
func (r *readLimits) take(a *API, t *target, shard record.ShardID) error {
	if !a.options.EnforceLimits {
		return nil
	}
	r.mutex.Lock()
	free := r.free[readShard{t.ID(), shard}]
	r.mutex.Unlock()
	if a.options.Clock.Now().Before(free) || !a.rates.allow(a, rateKey{operation: "GetRecords", stream: t.ID(), shard: shard}, readsPerSecond) {
		return rateExceeded(shard, t.Name(), t.account)
	}
	return nil
}

// paid counts what a call has read.
func (r *readLimits) paid(a *API, t *target, shard record.ShardID, bytes int) {
	if !a.options.EnforceLimits || bytes <= readBytesPerSecond {
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.free == nil || len(r.free) >= readShardsMax {
		r.free = make(map[readShard]time.Time)
	}
	r.free[readShard{t.ID(), shard}] = a.options.Clock.Now().Add(time.Duration(bytes) * time.Second / readBytesPerSecond)
}

// forget drops the shards of a stream.
func (r *readLimits) forget(of uint64) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for key := range r.free {
		if key.stream == of {
			delete(r.free, key)
		}
	}
}
