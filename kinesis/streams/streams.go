package streams

import (
	"context"
	_ "embed"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/stream"
)

// table is the service's: see package model.
//
//go:embed kinesis.model
var table string

// Options configure the API. The zero value is ready for use.
type Options struct {
	// Account is the twelve digits that all resources belong to. Default: 000000000000.
	Account string
	// StatusDelay is how long a stream shows CREATING, UPDATING or DELETING. Default: 500 ms.
	// Negative: not at all.
	StatusDelay time.Duration
	// EnforceLimits gives streams and operations the quotas of AWS. Writes are limited only
	// in streams created while it is set.
	EnforceLimits bool
	// ShardsMax is how many open shards the account may have, if limits are enforced. Default:
	// 500.
	ShardsMax int
	// StreamShardsMax is how many shards the store lets a stream have, closed ones included until
	// retention takes them: what would need more is refused before it begins. Default: 1024.
	StreamShardsMax int
	// ScaleInterval is how often the load of ON_DEMAND streams is looked at. Default: 10 s.
	// Negative: never.
	ScaleInterval time.Duration
	// SubscriptionMax is how long a subscription to a shard lasts. Default: 5 minutes.
	SubscriptionMax time.Duration
	// HeartbeatInterval is how often a subscription without records gets an empty event.
	// Default: 5 s.
	HeartbeatInterval time.Duration
	// Clock tells the time. Default: that of the system.
	Clock clock.Clock
}

// AccountDefault is the account that all resources belong to unless told otherwise.
const AccountDefault = "000000000000"

const (
	statusDelayDefault  = 500 * time.Millisecond
	shardsDefault       = 500
	streamShardsDefault = 1024
	scaleDefault        = 10 * time.Second
	subscriptionDefault = 5 * time.Minute
	heartbeatDefault    = 5 * time.Second
)

func (o Options) withDefaults() (Options, error) {
	if o.Account == "" {
		o.Account = AccountDefault
	}
	if !accountPattern.MatchString(o.Account) {
		return o, failure.New(failure.InvalidArgument, "streams: configure", "account %.32q is not twelve digits", o.Account)
	}
	if o.StatusDelay == 0 {
		o.StatusDelay = statusDelayDefault
	}
	o.StatusDelay = max(o.StatusDelay, 0)
	if o.ShardsMax == 0 {
		o.ShardsMax = shardsDefault
	}
	if o.StreamShardsMax == 0 {
		o.StreamShardsMax = streamShardsDefault
	}
	if o.ScaleInterval == 0 {
		o.ScaleInterval = scaleDefault
	}
	if o.SubscriptionMax == 0 {
		o.SubscriptionMax = subscriptionDefault
	}
	if o.HeartbeatInterval == 0 {
		o.HeartbeatInterval = heartbeatDefault
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	return o, nil
}

// API serves the operations. It may be used concurrently.
type API struct {
	store   *stream.Store
	options Options
	sealer  *sealer
	service *kinesis.Service
	puts    putCodecs
	gets    getCodecs
	// distributed numbers records that go to any shard, whatever their key.
	distributed atomic.Uint64

	// changing is held while a stream or something of it is changed, which may take as long as
	// a reshard does. It is taken before mutex and before the locks of the store.
	changing sync.Mutex
	// mutex guards settings.
	mutex    sync.RWMutex
	settings map[uint64]*settings // by stream; what was read or changed so far

	subscriptions subscriptions
	reads         readLimits
	rates         rates

	// closing ends what works in the background, and group is that.
	closing context.Context
	end     context.CancelFunc
	group   sync.WaitGroup
}

// New returns the API of a store and finishes deletions that an earlier process had begun.
func New(store *stream.Store, o Options) (*API, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	parsed, err := model.Parse(table)
	if err != nil {
		return nil, err
	}
	sealed, err := newSealer(store)
	if err != nil {
		return nil, err
	}
	a := &API{store: store, options: o, sealer: sealed, settings: make(map[uint64]*settings)}
	a.closing, a.end = context.WithCancel(context.Background())
	a.service = kinesis.NewService(parsed, "kinesis")
	a.register()
	if err := a.resumeDeletions(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	a.startScaling()
	return a, nil
}

// Service returns the operations, for a front.
func (a *API) Service() *kinesis.Service { return a.service }

// Drain ends subscriptions, which may last for minutes, so that a front can be stopped.
func (a *API) Drain() { a.end() }

// Close ends subscriptions and what works in the background, and waits for that. The front
// must not hand over requests any more. Deletions that are still to come are done by the
// next process.
func (a *API) Close() error {
	a.end()
	a.group.Wait()
	return nil
}

// later does something after a delay unless the API is closed before.
func (a *API) later(delay time.Duration, do func(context.Context)) {
	due := make(chan struct{})
	timer := a.options.Clock.AfterFunc(delay, func() { close(due) })
	a.group.Go(func() {
		select {
		case <-due:
			do(a.closing)
		case <-a.closing.Done():
			timer.Stop()
		}
	})
}

// register gives every operation of the table its function.
func (a *API) register() {
	s := a.service
	handle(a, "CreateStream", a.createStream)
	handle(a, "DeleteStream", a.deleteStream)
	handle(a, "DescribeStream", a.describeStream)
	handle(a, "DescribeStreamSummary", a.describeStreamSummary)
	handle(a, "ListStreams", a.listStreams)
	kinesis.Handle(s, "ListShards", a.listShards)

	handle(a, "SplitShard", a.splitShard)
	handle(a, "MergeShards", a.mergeShards)
	handle(a, "UpdateShardCount", a.updateShardCount)

	handle(a, "IncreaseStreamRetentionPeriod", a.increaseRetention)
	handle(a, "DecreaseStreamRetentionPeriod", a.decreaseRetention)
	handle(a, "EnableEnhancedMonitoring", a.enableMonitoring)
	handle(a, "DisableEnhancedMonitoring", a.disableMonitoring)
	handle(a, "StartStreamEncryption", a.startEncryption)
	handle(a, "StopStreamEncryption", a.stopEncryption)
	handle(a, "UpdateStreamMode", a.updateStreamMode)
	handle(a, "UpdateMaxRecordSize", a.updateMaxRecordSize)
	handle(a, "UpdateStreamWarmThroughput", a.updateWarmThroughput)
	handle(a, "UpdateStreamRecordDistributionStrategy", a.updateDistribution)

	handle(a, "DescribeLimits", a.describeLimits)
	handle(a, "DescribeAccountSettings", a.describeAccountSettings)
	handle(a, "UpdateAccountSettings", a.updateAccountSettings)

	handle(a, "AddTagsToStream", a.addTagsToStream)
	handle(a, "RemoveTagsFromStream", a.removeTagsFromStream)
	handle(a, "ListTagsForStream", a.listTagsForStream)
	handle(a, "TagResource", a.tagResource)
	handle(a, "UntagResource", a.untagResource)
	handle(a, "ListTagsForResource", a.listTagsForResource)
	handle(a, "PutResourcePolicy", a.putResourcePolicy)
	handle(a, "GetResourcePolicy", a.getResourcePolicy)
	handle(a, "DeleteResourcePolicy", a.deleteResourcePolicy)

	handle(a, "RegisterStreamConsumer", a.registerConsumer)
	handle(a, "DeregisterStreamConsumer", a.deregisterConsumer)
	handle(a, "DescribeStreamConsumer", a.describeConsumer)
	handle(a, "ListStreamConsumers", a.listConsumers)

	handle(a, "CreateChannel", a.createChannel)
	handle(a, "UpdateChannel", a.updateChannel)
	handle(a, "DeleteChannel", a.deleteChannel)
	handle(a, "DescribeChannel", a.describeChannel)
	handle(a, "ListChannels", a.listChannels)

	kinesis.Handle(s, "GetShardIterator", a.getShardIterator)
	a.registerPuts(s)
	a.registerGets(s)
}

// Empty is the output of operations that have none.
type Empty struct{}
