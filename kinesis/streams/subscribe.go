package streams

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/kinesis/wire"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/wal"
)

const (
	// eventBytesMax is the most data and keys of one event.
	eventBytesMax = 1 << 20
	// takeoverAfter is how old a subscription must be for another one of the same consumer and
	// shard to take its place.
	takeoverAfter = 5 * time.Second
)

// subscriptions are those at work: one for each consumer and shard.
type subscriptions struct {
	mutex  sync.Mutex
	active map[subscriptionKey]*subscription
}

type subscriptionKey struct {
	stream   uint64
	consumer string
	shard    record.ShardID
}

// subscription is one at work.
type subscription struct {
	began  time.Time
	cancel context.CancelCauseFunc
}

// Why a subscription is ended by somebody else.
var (
	errTakenOver    = errors.New("streams: another subscription has taken over")
	errDeregistered = errors.New("streams: the consumer was deregistered")
)

// begin makes a subscription the active one of its key. An older one is ended, unless it has
// just begun.
func (s *subscriptions) begin(key subscriptionKey, began time.Time, cancel context.CancelCauseFunc) (*subscription, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if old := s.active[key]; old != nil {
		if began.Sub(old.began) < takeoverAfter {
			return nil, false
		}
		old.cancel(errTakenOver)
	}
	if s.active == nil {
		s.active = make(map[subscriptionKey]*subscription)
	}
	added := &subscription{began, cancel}
	s.active[key] = added
	return added, true
}

// end takes a subscription off the books, unless another has its place.
func (s *subscriptions) end(key subscriptionKey, which *subscription) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.active[key] == which {
		delete(s.active, key)
	}
}

// endConsumer ends the subscriptions of a consumer.
func (s *subscriptions) endConsumer(of uint64, consumer string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for key, each := range s.active {
		if key.stream == of && key.consumer == consumer {
			each.cancel(errDeregistered)
		}
	}
}

func (a *API) subscribeToShard(ctx context.Context, c *kinesis.Call) error {
	in, err := a.gets.subscribe.Read(c)
	if err != nil {
		return err
	}
	t, k, err := a.consumer(ctx, c, "", "", in.ConsumerARN)
	if err != nil {
		return err
	}
	if status := k.statusAt(a.options.Clock.Now()); status != statusActive {
		return resourceInUse("Consumer %s of stream %s under account %s not ACTIVE, instead in state %s", k.Name, t.Name(), t.account, status)
	}
	from, err := a.shardToRead(t, in.ShardId)
	if err != nil {
		return err
	}
	next, err := a.position(t, from, position{in.StartingPosition.Type, in.StartingPosition.SequenceNumber, in.StartingPosition.Timestamp})
	if err != nil {
		return err
	}
	if isTrue(in.DryRun) {
		return dryRun()
	}
	cursor, err := openCursor(from, next)
	if err != nil {
		return a.readError(t, from.ID(), err)
	}
	defer cursor.Close()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.closing, func() { cancel(failure.Closed) })()
	key := subscriptionKey{t.ID(), k.Name, from.ID()}
	active, ok := a.subscriptions.begin(key, a.options.Clock.Now(), cancel)
	if !ok {
		return resourceInUse("Another active subscription exists for this consumer: %s:%s:%s", t.account, t.Name(), k.Name)
	}
	defer a.subscriptions.end(key, active)
	if !a.rates.allow(a, rateKey{"SubscribeToShard", t.ID(), from.ID(), k.Name}, subscriptionsPerSecond) {
		return limitExceeded("Rate exceeded for consumer %s and shard %s in stream %s under account %s.", k.Name, from.ID(), t.Name(), t.account)
	}
	return a.push(ctx, c, &pushing{target: t, consumer: k.Name, from: from, cursor: cursor, next: next})
}

// pushing is a subscription as its goroutine sees it.
type pushing struct {
	*target
	consumer string
	from     *shard.Shard
	cursor   *wal.Cursor
	next     uint64 // the record to come; 0 is the oldest
	// arrival is that of the last record sent, Unix nanoseconds.
	arrival int64
	// bytes is what the last event had of data and keys.
	bytes int
}

// push sends events until the subscription is over: at its age, at the end of the shard, or when
// the client, another subscription or the server ends it.
func (a *API) push(ctx context.Context, c *kinesis.Call, p *pushing) error {
	ctx, cancel := context.WithTimeout(ctx, a.options.SubscriptionMax)
	defer cancel()
	events, err := c.Events()
	if err != nil {
		return nil // the client has gone
	}
	// Who waits at the tail of a shard that is closed must see its end.
	open, done := p.from.UntilEnd(ctx)
	defer done()
	for idle := false; ctx.Err() == nil; {
		over, sent, err := a.sendEvent(events, p, idle)
		switch {
		case err != nil && sent:
			return nil // the client has gone
		case err == nil && over:
			return nil
		case err == nil && sent:
			idle = false
			a.rest(ctx, p)
			continue
		case err == nil:
			idle, err = a.awaitRecords(open, p)
		}
		if err != nil {
			_ = events.Fail(a.readError(p.target, p.from.ID(), err)) // nobody else is there to be told
			return nil
		}
	}
	if cause := context.Cause(ctx); errors.Is(cause, errDeregistered) {
		_ = events.Fail(consumerNotFound(p.consumer, p.target)) // nobody else is there to be told
	}
	return nil
}

// awaitRecords returns when there may be more to send. It reports whether there was nothing for so
// long that the client must be shown that the connection lives.
func (a *API) awaitRecords(open context.Context, p *pushing) (idle bool, err error) {
	wait, cancel := context.WithTimeout(open, a.options.HeartbeatInterval)
	defer cancel()
	err = p.cursor.Wait(wait)
	switch {
	case err == nil || open.Err() != nil:
		return false, nil // records, the end of the shard, or that of the subscription
	case errors.Is(err, context.DeadlineExceeded):
		return true, nil
	default:
		return false, p.from.Explain(err)
	}
}

// sendEvent sends what there is: records, or the end of the shard; with empty also nothing. It
// reports whether the shard is at its end, and whether an event was sent or tried to.
func (a *API) sendEvent(events *kinesis.Events, p *pushing, empty bool) (over, sent bool, err error) {
	last, ended := p.from.End() // before reading: what is read then is all
	var b block
	var failed error
	write := func(w wire.Writer) {
		w.Object()
		w.Key("Records")
		w.List()
		b = a.writeRecords(w, p.target, p.from, p.cursor, getRecordsMax, eventBytesMax)
		w.EndList()
		p.bytes = b.bytes
		if b.records > 0 {
			p.next, p.arrival = b.next, b.arrival
		}
		failed = p.cursor.Err()
		if over = ended && (b.records == 0 || p.next > last) && failed == nil; over { // see answerRecords
			a.writeChildren(w, p.target, p.from.ID())
		} else {
			w.Key("ContinuationSequenceNumber")
			w.Text(a.continuation(p))
		}
		w.Key("MillisBehindLatest")
		w.Int(a.millisBehind(b, p.from, p.next))
		w.EndObject()
	}
	sent, err = events.SendIf("SubscribeToShardEvent", write, func() bool { return failed == nil && (b.records > 0 || over || empty) })
	p.CountRead(p.from.ID(), uint64(b.records), uint64(b.bytes))
	if failed != nil {
		return false, false, p.from.Explain(failed)
	}
	return over, sent, err
}

// continuation returns the sequence number behind which another subscription would go on.
func (a *API) continuation(p *pushing) string {
	arrival := p.arrival
	if arrival == 0 {
		arrival = p.from.Created().UnixNano()
	}
	return p.from.SequenceNumber(max(p.next, 1)-1, arrival).String()
}

// rest keeps to 2 MiB a second where that is enforced.
func (a *API) rest(ctx context.Context, p *pushing) {
	if !a.options.EnforceLimits {
		return
	}
	due := make(chan struct{})
	timer := a.options.Clock.AfterFunc(time.Duration(p.bytes)*time.Second/readBytesPerSecond, func() { close(due) })
	select {
	case <-due:
	case <-ctx.Done():
		timer.Stop()
	}
}
