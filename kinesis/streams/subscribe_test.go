package streams_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/kinesis/wire"
)

// subscription is one, as a client sees it.
type subscription struct {
	f      *fixture
	stream *awskinesis.SubscribeToShardEventStream
}

func (f *fixture) trySubscribe(consumer *string, shard string, at types.StartingPosition) (*subscription, error) {
	out, err := f.newClient().SubscribeToShard(f.t.Context(), &awskinesis.SubscribeToShardInput{ConsumerARN: consumer, ShardId: &shard, StartingPosition: &at})
	if err != nil {
		return nil, err
	}
	s := &subscription{f, out.GetStream()}
	f.t.Cleanup(func() { _ = s.stream.Close() }) // ended already, mostly
	return s, nil
}

func (f *fixture) subscribe(consumer *string, shard string, kind types.ShardIteratorType) *subscription {
	f.t.Helper()
	s, err := f.trySubscribe(consumer, shard, types.StartingPosition{Type: kind})
	f.must(err)
	return s
}

// next returns the next event, or nil at the end.
func (s *subscription) next() *types.SubscribeToShardEvent {
	s.f.t.Helper()
	select {
	case event := <-s.stream.Events():
		if event == nil {
			return nil
		}
		return &event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
	case <-time.After(patience):
		s.f.t.Fatal("no event comes")
		return nil
	}
}

// read returns so many records, which may come in several events.
func (s *subscription) read(count int) []types.Record {
	s.f.t.Helper()
	var records []types.Record
	for len(records) < count {
		event := s.next()
		if event == nil {
			s.f.t.Fatalf("the subscription ended after %d records: %v", len(records), s.stream.Err())
		}
		records = append(records, event.Records...)
	}
	return records
}

// ends reads on until the subscription ends, and returns why.
func (s *subscription) ends() error {
	s.f.t.Helper()
	for s.next() != nil {
	}
	return s.stream.Err()
}

// TestSubscription: records come as they are written; a later subscription goes on behind the last
// event of an earlier one.
func TestSubscription(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	consumer := f.consumer("orders", "reader")
	f.put("orders", "0", "")
	first := f.subscribe(consumer, shard0, types.ShardIteratorTypeTrimHorizon)
	f.expect("what was there", data(first.read(1)), []string{"0"})
	var last *types.SubscribeToShardEvent
	for i := range 3 {
		f.put("orders", strconv.Itoa(i+1), "")
		for last = first.next(); len(last.Records) == 0; last = first.next() {
		}
		f.expect("pushed", data(last.Records), []string{strconv.Itoa(i + 1)})
	}
	if *last.ContinuationSequenceNumber != *last.Records[0].SequenceNumber || *last.MillisBehindLatest != 0 || last.ChildShards != nil {
		t.Errorf("the event is %+v", last)
	}
	f.must(first.stream.Close())
	f.clock.Advance(5 * time.Second)
	f.put("orders", "4", "")
	second, err := f.trySubscribe(consumer, shard0, types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: last.ContinuationSequenceNumber})
	f.must(err)
	f.expect("behind the last event", data(second.read(1)), []string{"4"})
}

// TestTakeover: within 5 seconds another subscription is refused, then it takes over.
func TestTakeover(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 2)
	consumer, other := f.consumer("orders", "reader"), f.consumer("orders", "writer")
	first := f.subscribe(consumer, shard0, types.ShardIteratorTypeLatest)
	// Other shards and other consumers have subscriptions of their own.
	f.subscribe(consumer, shard1, types.ShardIteratorTypeLatest)
	f.subscribe(other, shard0, types.ShardIteratorTypeLatest)
	f.clock.Advance(5*time.Second - time.Millisecond)
	_, err := f.trySubscribe(consumer, shard0, types.StartingPosition{Type: types.ShardIteratorTypeLatest})
	f.refused(err, "ResourceInUseException", "Another active subscription exists for this consumer: "+account+":orders:reader")
	f.clock.Advance(time.Millisecond)
	second := f.subscribe(consumer, shard0, types.ShardIteratorTypeLatest)
	if err := first.ends(); err != nil {
		t.Errorf("what was taken over ends with %v", err)
	}
	f.put("orders", "a", "0")
	f.expect("the new one", data(second.read(1)), []string{"a"})
}

// TestSubscriptionToTheEnd: at the end of a shard its children are told, and nothing comes after.
func TestSubscriptionToTheEnd(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	consumer := f.consumer("orders", "reader")
	waiting := f.subscribe(consumer, shard0, types.ShardIteratorTypeTrimHorizon)
	f.put("orders", "a", "")
	f.expect("before the end", data(waiting.read(1)), []string{"a"})
	f.split("orders", shard0, middle)
	check := func(s *subscription) {
		t.Helper()
		for {
			event := s.next()
			if event == nil {
				t.Fatalf("the end is not told: %v", s.stream.Err())
			}
			if event.ChildShards == nil {
				continue
			}
			if len(event.ChildShards) != 2 || *event.ChildShards[0].ShardId != shard1 || event.ChildShards[0].ParentShards[0] != shard0 || event.ContinuationSequenceNumber != nil {
				t.Errorf("the end is told as %+v", event)
			}
			break
		}
		if err := s.ends(); err != nil {
			t.Error(err)
		}
	}
	check(waiting)
	f.clock.Advance(5 * time.Second)
	check(f.subscribe(consumer, shard0, types.ShardIteratorTypeTrimHorizon))
	f.clock.Advance(5 * time.Second)
	check(f.subscribe(consumer, shard0, types.ShardIteratorTypeLatest))
}

// TestSubscriptionEnds: by its age, by deregistering, by deletion, and by Drain.
func TestSubscriptionEnds(t *testing.T) {
	f := newFixture(t, func(o *streams.Options) { o.HeartbeatInterval = time.Millisecond })
	f.create("orders", 1)
	consumer := f.consumer("orders", "reader")
	s := f.subscribe(consumer, shard0, types.ShardIteratorTypeLatest)
	if event := s.next(); event == nil || len(event.Records) != 0 || event.ContinuationSequenceNumber == nil || *event.MillisBehindLatest != 0 {
		t.Errorf("an empty event is %+v", event)
	}
	f.must(w(f.client.DeregisterStreamConsumer(t.Context(), &awskinesis.DeregisterStreamConsumerInput{ConsumerARN: consumer})))
	var gone *types.ResourceNotFoundException
	if err := s.ends(); !errors.As(err, &gone) || gone.ErrorMessage() != "Consumer reader of stream orders under account "+account+" not found." {
		t.Errorf("deregistering ends it with %v", err)
	}
	_, err := f.trySubscribe(consumer, shard0, types.StartingPosition{Type: types.ShardIteratorTypeLatest})
	f.refused(err, "ResourceNotFoundException", "")

	f.clock.Advance(time.Minute)
	consumer = f.consumer("orders", "reader")
	s = f.subscribe(consumer, shard0, types.ShardIteratorTypeLatest)
	f.must(w(f.client.DeleteStream(t.Context(), &awskinesis.DeleteStreamInput{StreamName: aws.String("orders"), EnforceConsumerDeletion: aws.Bool(true)})))
	if err := s.ends(); !errors.As(err, &gone) {
		t.Errorf("deletion ends it with %v", err)
	}
	f.create("orders", 1)
	consumer = f.consumer("orders", "reader")
	s = f.subscribe(consumer, shard0, types.ShardIteratorTypeLatest)
	f.api.Drain()
	if err := s.ends(); err != nil {
		t.Errorf("Drain ends it with %v", err)
	}

	short := newFixture(t, func(o *streams.Options) { o.SubscriptionMax = 10 * time.Millisecond })
	short.create("orders", 1)
	s = short.subscribe(short.consumer("orders", "reader"), shard0, types.ShardIteratorTypeLatest)
	if err := s.ends(); err != nil {
		t.Errorf("its age ends it with %v", err)
	}
}

// TestSubscriptionRefusals are what is said before there are events.
func TestSubscriptionRefusals(t *testing.T) {
	f := newFixture(t, func(o *streams.Options) { o.StatusDelay = time.Second })
	f.create("orders", 1)
	f.clock.Advance(time.Second)
	consumer := f.consumer("orders", "reader")
	latest := types.StartingPosition{Type: types.ShardIteratorTypeLatest}
	_, err := f.trySubscribe(consumer, shard0, latest)
	f.refused(err, "ResourceInUseException", "Consumer reader of stream orders under account "+account+" not ACTIVE, instead in state CREATING")
	f.clock.Advance(time.Second)
	_, err = f.trySubscribe(consumer, "shardId-1", latest)
	f.refused(err, "ResourceNotFoundException", "Shard "+shard1+" in stream orders under account "+account+" does not exist")
	_, err = f.trySubscribe(consumer, shard0, types.StartingPosition{Type: types.ShardIteratorTypeAtSequenceNumber})
	f.refused(err, "InvalidArgumentException", "")
	future := f.clock.Now().Add(time.Minute)
	_, err = f.trySubscribe(consumer, shard0, types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: &future})
	f.refused(err, "InvalidArgumentException", "")
	_, err = f.trySubscribe(aws.String(arnOf("orders")+"/consumer/reader:1"), shard0, latest) // another epoch
	f.refused(err, "ResourceNotFoundException", "")
}

// TestEventsInCBOR: who asks in CBOR has events in CBOR.
func TestEventsInCBOR(t *testing.T) {
	f := newFixture(t, func(o *streams.Options) { o.SubscriptionMax = time.Second })
	f.create("orders", 1)
	consumer := f.consumer("orders", "reader")
	f.put("orders", "some data", "")
	f.split("orders", shard0, middle)
	var body wire.CBORWriter
	(&tree{kind: wire.Object, names: []string{"ConsumerARN", "ShardId", "StartingPosition"}, parts: []*tree{
		{kind: wire.Text, text: *consumer},
		{kind: wire.Text, text: shard0},
		{kind: wire.Object, names: []string{"Type"}, parts: []*tree{{kind: wire.Text, text: "TRIM_HORIZON"}}},
	}}).write(&body)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.server.URL, bytes.NewReader(body.Bytes()))
	f.must(err)
	r.Header.Set("Content-Type", mediaCBOR)
	r.Header.Set("X-Amz-Target", "Kinesis_20131202.SubscribeToShard")
	got, err := (&http.Client{Transport: f.transport}).Do(r)
	f.must(err)
	defer got.Body.Close()
	frames, err := io.ReadAll(got.Body)
	f.must(err)
	if got.Header.Get("Content-Type") != "application/vnd.amazon.eventstream" || !bytes.Contains(frames, []byte("application/cbor")) {
		t.Errorf("the answer has the type %q", got.Header.Get("Content-Type"))
	}
	at := bytes.Index(frames, []byte("some data"))
	if at < 1 || frames[at-1] != 0x40|byte(len("some data")) {
		t.Errorf("the data is no byte string in %q", frames)
	}
	if !bytes.Contains(frames, []byte("ApproximateArrivalTimestamp\xc1\x1b")) { // tag 1, an integer of 8 bytes
		t.Errorf("the time is none of CBOR in %q", frames)
	}
}
