package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// outcomes collects the results of records by their data.
type outcomes struct {
	mutex   sync.Mutex
	results map[string][]client.Result
}

func newOutcomes() *outcomes { return &outcomes{results: make(map[string][]client.Result)} }

func (o *outcomes) of(data string) func(client.Result) {
	return func(r client.Result) {
		o.mutex.Lock()
		defer o.mutex.Unlock()
		o.results[data] = append(o.results[data], r)
	}
}

// check holds the results against what the server has: everything acknowledged
// is there, once, in order, at its position.
func (o *outcomes) check(t interface{ Fatalf(string, ...any) }, produced []string, contents [][]string) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	place := make(map[string]int)
	for i, data := range produced {
		place[data] = i
	}
	seen := make(map[string]int)
	for shard, texts := range contents {
		previous := -1
		for _, data := range texts {
			if seen[data]++; seen[data] > 1 {
				t.Fatalf("%s was written twice", data)
			}
			if place[data] < previous {
				t.Fatalf("%s is out of order in shard %d: %v", data, shard, texts)
			}
			previous = place[data]
		}
	}
	for _, data := range produced {
		results := o.results[data]
		if len(results) != 1 {
			t.Fatalf("%s has %d results", data, len(results))
		}
		r := results[0]
		if r.Err != nil {
			continue
		}
		texts := contents[r.Position.Shard]
		if i := r.Position.Sequence; i == 0 || i > uint64(len(texts)) || texts[i-1] != data {
			t.Fatalf("%s is not at %+v of %v", data, r.Position, texts)
		}
	}
}

// produce produces n records of many keys.
func produce(ctx context.Context, p *client.Producer, n int, o *outcomes) ([]string, error) {
	var produced []string
	for i := range n {
		data := fmt.Sprintf("record-%05d", i)
		r := record.Record{PartitionKey: fmt.Sprint("key-", i%17), Data: []byte(data)}
		if err := p.Produce(ctx, r, o.of(data)); err != nil {
			return produced, err
		}
		produced = append(produced, data)
	}
	return produced, nil
}

// TestProducerUnderFaults runs producers of all settings against servers with all
// faults. Whatever happens, nothing is written twice or out of order, every
// record has one result, and faults that pass leave no error.
func TestProducerUnderFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		shards := rapid.IntRange(1, 3).Draw(rt, "shards")
		inFlight := rapid.IntRange(1, 5).Draw(rt, "in flight")
		batchBytes := rapid.IntRange(1, 2000).Draw(rt, "batch bytes")
		bufferBytes := rapid.IntRange(1, 20000).Draw(rt, "buffer bytes")
		n := rapid.IntRange(1, 200).Draw(rt, "records")
		passing := []fault{
			faultNone, faultNone, faultNone, faultThrottle, faultDropUnread, faultDropUnacked, faultHalfAnswer, faultGarbageReply,
		}
		script := rapid.SliceOfN(rapid.SampledFrom(passing), 0, 40).Draw(rt, "script")
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.faults = func(i int) fault {
				if i < len(script) {
					return script[i]
				}
				return faultNone
			}
			f.create("orders", shards)
			c := connect(t, f, client.WithRetryBudget(time.Hour))
			p, err := c.NewProducer(t.Context(), "orders", client.WithInFlight(inFlight),
				client.WithBatchBytes(batchBytes), client.WithBufferBytes(bufferBytes))
			if err != nil {
				rt.Fatalf("%v", err)
			}
			o := newOutcomes()
			produced, err := produce(t.Context(), p, n, o)
			if err != nil {
				rt.Fatalf("%v", err)
			}
			if err := p.Close(t.Context()); err != nil {
				rt.Fatalf("%v", err)
			}
			o.check(rt, produced, f.contents("orders"))
			for data, results := range o.results {
				if results[0].Err != nil {
					rt.Fatalf("%s: %v", data, results[0].Err)
				}
			}
		})
	})
}

// TestRefusalIsNotForEver refuses one batch while others are under way, to a
// client that does not retry. The log misses a number from then on: the producer
// must begin anew, or nothing of it would ever be written again.
func TestRefusalIsNotForEver(t *testing.T) {
	f := newFake(t)
	f.create("orders", 1)
	f.faults = func(number int) fault {
		if number == 20 {
			return faultRefuse
		}
		return faultNone
	}
	c := connect(t, f, client.WithRetryBudget(0))
	var putters sync.WaitGroup
	var refused atomic.Int64
	for range 8 {
		putters.Go(func() {
			for range 20 {
				if _, err := c.Put(t.Context(), "orders", record.Record{PartitionKey: "k"}); err != nil {
					refused.Add(1)
				}
			}
		})
	}
	putters.Wait()
	if _, err := c.Put(t.Context(), "orders", record.Record{PartitionKey: "k"}); err != nil {
		t.Errorf("after the refusal: %v", err)
	}
	if n := refused.Load(); n < 1 || n > 8 {
		t.Errorf("%d records refused, one batch was", n)
	}
}

// TestProducerGoesOnAfterRefusal loses one batch for good in the middle of many.
func TestProducerGoesOnAfterRefusal(t *testing.T) {
	for _, bad := range []fault{faultRefuse, faultWrongCount} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.faults = func(i int) fault {
				if i == 3 {
					return bad
				}
				return faultNone
			}
			f.create("orders", 1)
			c := connect(t, f)
			p, err := c.NewProducer(t.Context(), "orders", client.WithBatchBytes(200))
			if err != nil {
				t.Fatal(err)
			}
			o := newOutcomes()
			produced, err := produce(t.Context(), p, 100, o)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			o.check(t, produced, f.contents("orders"))
			failed := 0
			for _, results := range o.results {
				if results[0].Err != nil {
					failed++
				}
			}
			if failed == 0 || failed > 5 {
				t.Errorf("fault %d failed %d records", bad, failed)
			}
		})
	}
}

// TestProducerForgotten has the log forget its producers, as after many others
// have come, while batches are under way.
func TestProducerForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.faults = func(i int) fault {
			if i%5 == 4 {
				return faultForget
			}
			return faultNone
		}
		f.create("orders", 1)
		c := connect(t, f)
		p, err := c.NewProducer(t.Context(), "orders", client.WithBatchBytes(200))
		if err != nil {
			t.Fatal(err)
		}
		o := newOutcomes()
		produced, err := produce(t.Context(), p, 100, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		contents := f.contents("orders")
		o.check(t, produced, contents)
		if diff := cmp.Diff([][]string{produced}, contents); diff != "" {
			t.Error(diff)
		}
	})
}

// TestProducerSurvivesRestart has the server away for a while.
func TestProducerSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 2)
		c := connect(t, f)
		p, err := c.NewProducer(t.Context(), "orders")
		if err != nil {
			t.Fatal(err)
		}
		o := newOutcomes()
		first, err := produce(t.Context(), p, 50, o)
		if err != nil {
			t.Fatal(err)
		}
		f.stop()
		time.AfterFunc(20*time.Second, func() {
			f.mutex.Lock()
			f.down = false
			f.mutex.Unlock()
		})
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.check(t, first, f.contents("orders"))
		for data, results := range o.results {
			if results[0].Err != nil {
				t.Errorf("%s: %v", data, results[0].Err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestProducerBudget has the server away for longer than the budget.
func TestProducerBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 2)
		c := connect(t, f, client.WithRetryBudget(10*time.Second))
		p, err := c.NewProducer(t.Context(), "orders")
		if err != nil {
			t.Fatal(err)
		}
		f.stop()
		o := newOutcomes()
		started := time.Now()
		if _, err := produce(t.Context(), p, 50, o); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if spent := time.Since(started); spent < 5*time.Second || spent > 20*time.Second {
			t.Errorf("gave up after %v", spent)
		}
		for data, results := range o.results {
			if !errors.Is(results[0].Err, failure.Unavailable) && !errors.Is(results[0].Err, failure.Disconnected) {
				t.Errorf("%s: %v", data, results[0].Err)
			}
		}
	})
}

// TestProducerFollowsRecreatedStream deletes the stream and creates it again with
// other shards while records are produced.
func TestProducerFollowsRecreatedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 2)
		c := connect(t, f)
		p, err := c.NewProducer(t.Context(), "orders")
		if err != nil {
			t.Fatal(err)
		}
		before := newOutcomes()
		if _, err := produce(t.Context(), p, 20, before); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.create("orders", 5)
		after := newOutcomes()
		produced, err := produce(t.Context(), p, 100, after)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, texts := range f.contents("orders") {
			total += len(texts)
		}
		if total != len(produced) {
			t.Errorf("%d of %d records in the new stream", total, len(produced))
		}
		for data, results := range after.results {
			if len(results) != 1 || results[0].Err != nil {
				t.Errorf("%s: %+v", data, results)
			}
		}
		f.mutex.Lock()
		delete(f.streams, "orders")
		f.mutex.Unlock()
		lost := newOutcomes()
		if _, err := produce(t.Context(), p, 20, lost); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for data, results := range lost.results {
			if len(results) != 1 || !errors.Is(results[0].Err, failure.NotFound) {
				t.Errorf("%s: %+v", data, results)
			}
		}
	})
}

// TestFlushWaitsForReroutedRecords sends records to a stream that is not the same
// any more, in batches that are full at once: they are older than the flush
// wherever they go.
func TestFlushWaitsForReroutedRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 2)
		c := connect(t, f)
		p, err := c.NewProducer(t.Context(), "orders", client.WithBatchBytes(1))
		if err != nil {
			t.Fatal(err)
		}
		f.create("orders", 3)
		o := newOutcomes()
		produced, err := produce(t.Context(), p, 20, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.mutex.Lock()
		if len(o.results) != len(produced) {
			t.Errorf("%d of %d records have a result", len(o.results), len(produced))
		}
		o.mutex.Unlock()
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestProducerBackPressure fills the buffer while the server is away.
func TestProducerBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 1)
		c := connect(t, f)
		p, err := c.NewProducer(t.Context(), "orders", client.WithBufferBytes(1000))
		if err != nil {
			t.Fatal(err)
		}
		f.stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		o := newOutcomes()
		produced, err := produce(ctx, p, 1000, o)
		if !errors.Is(err, failure.Timeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if len(produced) < 10 || len(produced) > 50 {
			t.Errorf("%d records in 1000 bytes", len(produced))
		}
		f.restart()
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.check(t, produced, f.contents("orders"))
	})
}

// TestProducerCloseGivesUp closes with a context that ends first.
func TestProducerCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 1)
		c := connect(t, f)
		p, err := c.NewProducer(t.Context(), "orders")
		if err != nil {
			t.Fatal(err)
		}
		f.stop()
		o := newOutcomes()
		produced, err := produce(t.Context(), p, 10, o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, failure.Timeout) {
			t.Errorf("got %v", err)
		}
		for _, data := range produced {
			if results := o.results[data]; len(results) != 1 || !errors.Is(results[0].Err, failure.Closed) {
				t.Errorf("%s: %+v", data, results)
			}
		}
	})
}

// TestProducerGivesUpWhileAnswered closes producers whose batches are just being
// answered. The race detector is what looks on.
func TestProducerGivesUpWhileAnswered(t *testing.T) {
	f := newFake(t)
	f.create("orders", 4)
	c := connect(t, f)
	for round := range 100 {
		p, err := c.NewProducer(t.Context(), "orders", client.WithLinger(0))
		if err != nil {
			t.Fatal(err)
		}
		o := newOutcomes()
		produced, err := produce(t.Context(), p, 1+round, o)
		if err != nil {
			t.Fatal(err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		_ = p.Close(ended) // whether everything was answered in time is chance
		for _, data := range produced {
			if len(o.results[data]) != 1 {
				t.Fatalf("%s: %d results", data, len(o.results[data]))
			}
		}
	}
}

// TestRequestTimeout has a server that stops answering without hanging up.
func TestRequestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 1)
		c := connect(t, f, client.WithRequestTimeout(2*time.Second))
		p, err := c.NewProducer(t.Context(), "orders")
		if err != nil {
			t.Fatal(err)
		}
		o := newOutcomes()
		f.gate = make(chan struct{})
		produced, err := produce(t.Context(), p, 10, o)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(3*time.Second, func() { close(f.gate) })
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.check(t, produced, f.contents("orders"))
		for data, results := range o.results {
			if results[0].Err != nil {
				t.Errorf("%s: %v", data, results[0].Err)
			}
		}
	})
}

func TestProducerOptions(t *testing.T) {
	f := newFake(t)
	f.create("orders", 1)
	c := connect(t, f)
	for name, option := range map[string]client.ProducerOption{
		"linger":     client.WithLinger(-1),
		"batch":      client.WithBatchBytes(0),
		"buffer":     client.WithBufferBytes(0),
		"none":       client.WithInFlight(0),
		"too many":   client.WithInFlight(17),
		"durability": client.WithDurability(9),
	} {
		if _, err := c.NewProducer(t.Context(), "orders", option); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.NewProducer(t.Context(), "none"); !errors.Is(err, failure.NotFound) {
		t.Errorf("no stream: %v", err)
	}
}

// TestManyPutters writes from many goroutines at once.
func TestManyPutters(t *testing.T) {
	f := newFake(t)
	f.create("orders", 3)
	c := connect(t, f)
	const writers, each = 16, 20
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				key := fmt.Sprintf("%d-%d", w, i)
				if _, err := c.Put(t.Context(), "orders", record.Record{PartitionKey: key, Data: []byte(key)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	total := 0
	for _, texts := range f.contents("orders") {
		total += len(texts)
	}
	if total != writers*each {
		t.Errorf("%d records", total)
	}
}

func TestProducerDurability(t *testing.T) {
	f := newFake(t)
	f.create("orders", 1)
	c := connect(t, f)
	p, err := c.NewProducer(t.Context(), "orders", client.WithDurability(record.Interval))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := produce(t.Context(), p, 1, newOutcomes()); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := protocol.RequireDurability(record.Interval); f.durability != want {
		t.Errorf("asked for %d, want %d", f.durability, want)
	}
}
