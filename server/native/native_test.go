package native_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/stream"
)

func TestWelcomeTellsTheLimits(t *testing.T) {
	f := start(t, native.Options{Name: "millrace/test", InFlightMax: 7, MessageBytesMax: 1 << 20})
	p := f.dial(t)
	p.send(protocol.Hello{Version: 99}.AppendTo(nil, 5))
	var got protocol.Welcome
	if err := got.Parse(p.receive(protocol.TypeWelcome, 5)); err != nil {
		t.Fatal(err)
	}
	want := protocol.Welcome{
		Version: protocol.Version, Server: "millrace/test",
		BatchBytesMax: uint32(1<<20 - protocol.AppendHeadBytes), InFlightMax: 7,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestControlRequests(t *testing.T) {
	f := start(t, native.Options{})
	p := f.connect(t)
	p.send(protocol.Create{Name: "orders", Shards: 2, Durability: record.Interval, RetentionTime: time.Hour}.AppendTo(nil, 2))
	var created protocol.Description
	if err := created.Parse(p.receive(protocol.TypeDescription, 2)); err != nil {
		t.Fatal(err)
	}
	if created.Name != "orders" || len(created.Shards) != 2 || created.RetentionTime != time.Hour || created.Durability != record.Interval {
		t.Errorf("created %+v", created)
	}
	p.send(protocol.Describe{Name: "orders"}.AppendTo(nil, 3))
	var described protocol.Description
	if err := described.Parse(p.receive(protocol.TypeDescription, 3)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(created, described); diff != "" {
		t.Error(diff)
	}
	p.send(protocol.Create{Name: "orders"}.AppendTo(nil, 4))
	p.refused(4, failure.AlreadyExists)
	p.send(protocol.Create{Name: "no/good"}.AppendTo(nil, 5))
	p.refused(5, failure.InvalidArgument)
	f.create(t, stream.Config{Name: "another"})
	p.send(protocol.List{Limit: 1}.AppendTo(nil, 6))
	var listed protocol.Streams
	if err := listed.Parse(p.receive(protocol.TypeStreams, 6)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(protocol.Streams{Names: []string{"another"}, More: true}, listed); diff != "" {
		t.Error(diff)
	}
	p.send(protocol.Delete{Name: "orders"}.AppendTo(nil, 7))
	p.receive(protocol.TypeDone, 7)
	p.send(protocol.Delete{Name: "orders"}.AppendTo(nil, 8))
	p.refused(8, failure.NotFound)
	p.send(protocol.Describe{Name: "orders"}.AppendTo(nil, 9))
	p.refused(9, failure.NotFound)
	p.send(protocol.Ping{}.AppendTo(nil, 10))
	p.receive(protocol.TypePong, 10)
}

func TestAppendsAreAnsweredInOrderAndErrorsKeepTheirPlace(t *testing.T) {
	f := start(t, native.Options{})
	for _, mode := range []record.Durability{record.Group, record.Interval, record.None} {
		t.Run(mode.String(), func(t *testing.T) {
			made := f.create(t, stream.Config{Name: mode.String(), Shards: 2, Durability: mode})
			var low, high record.HashKey
			high = record.HashKeyMax
			p := f.connect(t)
			var burst []byte
			const rounds = 200
			for i := range rounds {
				request := uint32(10 * i)
				burst = append(burst, appendMessage(made, 0, request+1, protocol.Producer{},
					record.Record{PartitionKey: "k", ExplicitHash: &low, Data: fmt.Append(nil, i)})...)
				burst = append(burst, appendMessage(made, 0, request+2, protocol.Producer{},
					record.Record{PartitionKey: "k", ExplicitHash: &high})...)
				burst = append(burst, appendMessage(made, 1, request+3, protocol.Producer{},
					record.Record{PartitionKey: "k", ExplicitHash: &high}, record.Record{PartitionKey: "k", ExplicitHash: &high})...)
				burst = append(burst, appendMessage(made, 9, request+4, protocol.Producer{}, record.Record{PartitionKey: "k"})...)
			}
			go p.send(burst)
			for i := range rounds {
				request := uint32(10 * i)
				if got := p.acknowledged(request + 1); got.First != uint64(i+1) || got.Last != got.First || got.Time == 0 {
					t.Fatalf("round %d: %+v", i, got)
				}
				p.refused(request+2, failure.WrongShard)
				if got := p.acknowledged(request + 3); got.First != uint64(2*i+1) || got.Last != got.First+1 {
					t.Fatalf("round %d: %+v", i, got)
				}
				p.refused(request+4, failure.NotFound)
			}
		})
	}
}

func TestRepeatedBatchOfAProducerGetsTheSameAnswer(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a"})
	p := f.connect(t)
	batch := func(request, sequence uint32) []byte {
		return appendMessage(made, 0, request, protocol.Producer{ID: 5, Epoch: 1, Sequence: sequence},
			record.Record{PartitionKey: "k"}, record.Record{PartitionKey: "k"})
	}
	p.send(batch(1, 0), batch(2, 2), batch(3, 2), batch(4, 9))
	p.acknowledged(1)
	second, repeat := p.acknowledged(2), p.acknowledged(3)
	if second != repeat {
		t.Errorf("the repeat got %+v, the original %+v", repeat, second)
	}
	p.refused(4, failure.SequenceGap)
}

func TestRequestMayStrengthenDurability(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a", Durability: record.None})
	p := f.connect(t)
	batch := protocol.AppendBatch(nil, []record.Record{{PartitionKey: "k"}}, protocol.Producer{})
	m := protocol.Append{
		StreamID: made.ID(), CRC: protocol.Checksum(0, batch), Count: 1,
		Durability: protocol.RequireDurability(record.Group),
	}
	p.send(append(m.AppendTo(nil, 1, len(batch)), batch...))
	acknowledged := p.acknowledged(1)
	s, err := made.Shard(0)
	if err != nil {
		t.Fatal(err)
	}
	if durable := s.Stats().Log.Durable; durable < acknowledged.Last {
		t.Errorf("record %d was acknowledged as synced, %d is", acknowledged.Last, durable)
	}
}

func TestFetch(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a", Durability: record.None})
	p := f.connect(t)
	fetch := func(request uint32, start record.Start, maxBytes uint32, wait time.Duration) {
		p.send(protocol.Fetch{StreamID: made.ID(), Start: start, MaxBytes: maxBytes, Wait: wait}.AppendTo(nil, request))
	}
	fetch(1, record.TrimHorizon(), 1<<20, 0)
	if head, data := p.frames(1, 0); len(data) != 0 || head.First != 1 || head.Next != 1 || head.Tip != 1 {
		t.Errorf("from an empty shard: %+v %q", head, data)
	}
	fetch(2, record.Latest(), 1<<20, time.Minute)
	p.send(put(made, 3, "first"))
	// Either may come first.
	for range 2 {
		message, err := p.reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		if message.Type == protocol.TypeFrames {
			var head protocol.Frames
			if err := head.Parse(message); err != nil {
				t.Fatal(err)
			}
			if data := dataOf(t, head, message.Body, 0); message.Request != 2 || !slices.Equal(data, []string{"first"}) {
				t.Errorf("request %d got %q", message.Request, data)
			}
		}
	}
	p.send(put(made, 4, "second"))
	p.acknowledged(4)
	fetch(5, record.TrimHorizon(), 1, 0)
	if head, data := p.frames(5, 1); !slices.Equal(data, []string{"first"}) || head.Next != 2 || head.Tip != 3 {
		t.Errorf("at most 1 byte: %+v %q", head, data)
	}
	fetch(6, record.AfterSequence(1), 1<<20, 0)
	if _, data := p.frames(6, 2); !slices.Equal(data, []string{"second"}) {
		t.Errorf("after 1: %q", data)
	}
	fetch(7, record.AtSequence(100), 1<<20, 0)
	p.refused(7, failure.InvalidArgument)
	p.send(protocol.Fetch{StreamID: made.ID() + 1}.AppendTo(nil, 8))
	p.refused(8, failure.NotFound)
}

func TestSubscriptionFollowsTheShardUnderCredits(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a", Durability: record.None})
	writer, p := f.connect(t), f.connect(t)
	p.send(protocol.Subscribe{StreamID: made.ID(), Start: record.TrimHorizon(), Credits: 1}.AppendTo(nil, 9))
	next := uint64(1)
	for i := range 50 {
		writer.send(put(made, uint32(i+1), fmt.Sprint(i)))
		writer.acknowledged(uint32(i + 1))
		// One byte of credit is one frame: the balance goes below zero.
		head, data := p.frames(9, next)
		if !slices.Equal(data, []string{fmt.Sprint(i)}) || head.First != next {
			t.Fatalf("%d: %+v %q", i, head, data)
		}
		next = head.Next
		p.send(protocol.Credit{Bytes: 1 << 10}.AppendTo(nil, 9))
		p.send(protocol.Ping{}.AppendTo(nil, 10))
		p.receive(protocol.TypePong, 10)
	}
	p.send(protocol.Unsubscribe{}.AppendTo(nil, 9))
	p.receive(protocol.TypeDone, 9)
	// The number is free again, and an end that crossed on the way is answered.
	p.send(protocol.Unsubscribe{}.AppendTo(nil, 9), protocol.Credit{Bytes: 1}.AppendTo(nil, 9))
	p.receive(protocol.TypeDone, 9)
	p.send(protocol.Subscribe{StreamID: made.ID(), Start: record.AtSequence(50), Credits: 1 << 20}.AppendTo(nil, 9))
	if _, data := p.frames(9, 50); !slices.Equal(data, []string{"49"}) {
		t.Errorf("second subscription: %q", data)
	}
}

func TestSlowConsumerHoldsUpNobody(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a", Durability: record.None})
	p := f.connect(t)
	p.send(protocol.Subscribe{StreamID: made.ID(), Start: record.TrimHorizon(), Credits: 1}.AppendTo(nil, 8))
	p.send(protocol.Subscribe{StreamID: made.ID(), Start: record.TrimHorizon(), Credits: 0}.AppendTo(nil, 9))
	p.send(put(made, 10, "a"))
	// One frame for the first subscription, none for the second, and on the same
	// connection everything else goes on.
	got := map[uint32]int{}
	for range 2 {
		message, err := p.reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		got[message.Request]++
	}
	if diff := cmp.Diff(map[uint32]int{8: 1, 10: 1}, got); diff != "" {
		t.Fatal(diff)
	}
	for i := range 100 {
		p.send(put(made, uint32(100+i), "b"))
		p.acknowledged(uint32(100 + i))
	}
	p.send(protocol.Credit{Bytes: 1 << 20}.AppendTo(nil, 9))
	received := 0
	for next := uint64(1); next < 102; {
		head, data := p.frames(9, next)
		next, received = head.Next, received+len(data)
	}
	if received != 101 {
		t.Errorf("the second subscription got %d records after its credits came", received)
	}
}

func TestDeletedStreamEndsItsSubscriptions(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a", Durability: record.None})
	p := f.connect(t)
	p.send(put(made, 1, "x"))
	p.acknowledged(1)
	p.send(protocol.Subscribe{StreamID: made.ID(), Start: record.TrimHorizon(), Credits: 1 << 20}.AppendTo(nil, 2))
	p.frames(2, 1)
	p.send(protocol.Fetch{StreamID: made.ID(), Start: record.Latest(), MaxBytes: 1, Wait: time.Minute}.AppendTo(nil, 3))
	p.send(protocol.Subscribe{StreamID: made.ID(), Start: record.TrimHorizon(), Credits: 0}.AppendTo(nil, 4))
	if err := f.store.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	p.send(protocol.Credit{Bytes: 1}.AppendTo(nil, 4))
	refused := map[uint32]bool{}
	for len(refused) < 3 {
		message, err := p.reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		if message.Type == protocol.TypeFrames && message.Request == 4 {
			continue // an open cursor may read on what it has pinned
		}
		if err := p.failure(message); !errors.Is(err, failure.NotFound) {
			t.Errorf("request %d: %v", message.Request, err)
		}
		refused[message.Request] = true
	}
	if diff := cmp.Diff(map[uint32]bool{2: true, 3: true, 4: true}, refused); diff != "" {
		t.Error(diff)
	}
	p.send(put(made, 5, "y"))
	p.refused(5, failure.NotFound)
	f.healthy(t)
}

// A subscription and a fetch that wait at the end of a shard hear that it is closed;
// appends to it are sent away, and the children are described.
func TestReadersHearOfTheEndOfAShard(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a", Durability: record.None})
	p, fetching := f.connect(t), f.connect(t)
	p.send(put(made, 1, "last"))
	p.acknowledged(1)
	p.send(protocol.Subscribe{StreamID: made.ID(), Start: record.TrimHorizon(), Credits: 1 << 20}.AppendTo(nil, 9))
	if _, data := p.frames(9, 1); !slices.Equal(data, []string{"last"}) {
		t.Errorf("read %q", data)
	}
	fetching.send(protocol.Fetch{StreamID: made.ID(), Start: record.AtSequence(2), MaxBytes: 1 << 20, Wait: time.Minute}.AppendTo(nil, 5))
	if _, err := f.store.Split(t.Context(), "a", 0, record.HashKey{Hi: 1 << 63}); err != nil {
		t.Fatal(err)
	}
	for _, each := range []struct {
		peer    *peer
		request uint32
	}{{p, 9}, {fetching, 5}} {
		if head, data := each.peer.frames(each.request, 2); !head.End || len(data) != 0 || head.Next != 2 {
			t.Errorf("at the end: %+v %q", head, data)
		}
	}
	p.send(put(made, 2, "too late"))
	p.refused(2, failure.WrongShard)
	p.send(protocol.Describe{Name: "a"}.AppendTo(nil, 3))
	var d protocol.Description
	if err := d.Parse(p.receive(protocol.TypeDescription, 3)); err != nil || len(d.Shards) != 3 {
		t.Errorf("%+v, %v", d, err)
	}
}
