package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStreams(t *testing.T) {
	f := newFake(t)
	c, ctx := connect(t, f), t.Context()
	for _, name := range []string{"orders", "clicks", "audit"} {
		d, err := c.CreateStream(ctx, client.StreamConfig{Name: name, Shards: 2})
		if err != nil {
			t.Fatal(err)
		}
		if d.Name != name || len(d.Shards) != 2 {
			t.Errorf("created %+v", d)
		}
	}
	if _, err := c.CreateStream(ctx, client.StreamConfig{Name: "orders"}); !errors.Is(err, failure.AlreadyExists) {
		t.Errorf("created twice: %v", err)
	}
	if _, err := c.CreateStream(ctx, client.StreamConfig{}); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("created without a name: %v", err)
	}
	if err := c.DeleteStream(ctx, "clicks"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DescribeStream(ctx, "clicks"); !errors.Is(err, failure.NotFound) {
		t.Errorf("still there: %v", err)
	}
	if _, err := c.CreateStream(ctx, client.StreamConfig{Name: "b"}); err != nil {
		t.Fatal(err)
	}
	names, err := c.ListStreams(ctx)
	if diff := cmp.Diff([]string{"audit", "b", "orders"}, names); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := c.Ping(ctx); err != nil {
		t.Error(err)
	}
}

func TestPut(t *testing.T) {
	f := newFake(t)
	f.create("orders", 4)
	c := connect(t, f)
	for i := range 20 {
		key := fmt.Sprint("customer-", i)
		position, err := c.Put(t.Context(), "orders", record.Record{PartitionKey: key, Data: []byte(key)})
		if err != nil {
			t.Fatal(err)
		}
		shard := f.contents("orders")[position.Shard]
		if position.Sequence != uint64(len(shard)) || shard[len(shard)-1] != key {
			t.Errorf("%s is at %+v of %v", key, position, shard)
		}
		number := position.SequenceNumber()
		if number.Index != position.Sequence || number.ShardCreated != 1_700_000_000 || position.Arrival().IsZero() {
			t.Errorf("sequence number %+v", number)
		}
	}
}

func TestPutBatchIsOneBatchPerShard(t *testing.T) {
	f := newFake(t)
	f.create("orders", 4)
	c := connect(t, f)
	var records []record.Record
	for i := range 1000 {
		key := fmt.Sprint("customer-", i)
		records = append(records, record.Record{PartitionKey: key, Data: []byte(key)})
	}
	results, err := c.PutBatch(t.Context(), "orders", records)
	if err != nil {
		t.Fatal(err)
	}
	contents := f.contents("orders")
	for i, r := range results {
		if r.Err != nil || contents[r.Position.Shard][r.Position.Sequence-1] != records[i].PartitionKey {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	if f.appends != 4 {
		t.Errorf("%d batches for 4 shards", f.appends)
	}
}

func TestPutBatchSomeRefused(t *testing.T) {
	f := newFake(t)
	f.create("orders", 1)
	c := connect(t, f)
	results, err := c.PutBatch(t.Context(), "orders", []record.Record{
		{PartitionKey: "a", Data: []byte("a")}, {Data: []byte("no key")}, {PartitionKey: "b", Data: []byte("b")},
	})
	if !errors.Is(err, failure.InvalidArgument) || len(results) != 3 {
		t.Fatalf("%v, %d results", err, len(results))
	}
	if results[0].Err != nil || !errors.Is(results[1].Err, failure.InvalidArgument) || results[2].Err != nil {
		t.Errorf("%+v", results)
	}
	if diff := cmp.Diff([][]string{{"a", "b"}}, f.contents("orders")); diff != "" {
		t.Error(diff)
	}
	if results, err := c.PutBatch(t.Context(), "orders", nil); results != nil || err != nil {
		t.Errorf("nothing to put: %v, %v", results, err)
	}
	if results, err := c.PutBatch(t.Context(), "none", make([]record.Record, 2)); !errors.Is(err, failure.NotFound) || len(results) != 2 {
		t.Errorf("no stream: %v, %v", results, err)
	}
}

func TestRecordsAreRefusedBeforeSending(t *testing.T) {
	f := newFake(t)
	f.create("orders", 1)
	c := connect(t, f)
	cases := []struct {
		name string
		r    record.Record
		want failure.Kind
	}{
		{"empty key", record.Record{Data: []byte("x")}, failure.InvalidArgument},
		{"key not UTF-8", record.Record{PartitionKey: "\xff"}, failure.InvalidArgument},
		{"long key", record.Record{PartitionKey: strings.Repeat("k", 257)}, failure.TooLarge},
		{"large data", record.Record{PartitionKey: "k", Data: make([]byte, record.DataMax+1)}, failure.TooLarge},
		{"more than the server takes", record.Record{PartitionKey: "k", Data: make([]byte, 1<<20)}, failure.TooLarge},
	}
	for _, test := range cases {
		if _, err := c.Put(t.Context(), "orders", test.r); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if f.appends != 0 {
		t.Errorf("%d batches were sent", f.appends)
	}
}

func TestNewReportsAnAbsentServer(t *testing.T) {
	f := newFake(t)
	f.stop()
	_, err := client.New(t.Context(), "fake", client.WithDialer(f.dial))
	if !errors.Is(err, failure.Unavailable) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// pipeTo returns a dialer to something that is no Millrace server.
func pipeTo(serve func(net.Conn)) client.DialFunc {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			serve(far)
		}()
		return near, nil
	}
}

func TestNewRefusesStrangers(t *testing.T) {
	answer := func(b []byte) func(net.Conn) {
		return func(connection net.Conn) {
			_, _ = protocol.NewReader(connection, 0).Next()
			_, _ = connection.Write(b)
		}
	}
	cases := []struct {
		name  string
		serve func(net.Conn)
		want  failure.Kind
	}{
		{"hangs up", func(net.Conn) {}, failure.Unavailable},
		{"speaks HTTP", answer([]byte("HTTP/1.1 400 Bad Request\r\n\r\n....")), failure.Unavailable},
		{"answers something else", answer(protocol.Pong{}.AppendTo(nil, 1)), failure.NotOurs},
		{"another version", answer(protocol.Welcome{Version: 2}.AppendTo(nil, 1)), failure.NewerVersion},
		{"refuses", answer(protocol.Error{Kind: failure.NewerVersion}.AppendTo(nil, 1)), failure.NewerVersion},
	}
	for _, test := range cases {
		if _, err := client.New(t.Context(), "fake", client.WithDialer(pipeTo(test.serve))); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// TestDialTimeout connects to a server that accepts and says nothing.
func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mute := pipeTo(func(connection net.Conn) {
			reader := protocol.NewReader(connection, 0)
			for {
				if _, err := reader.Next(); err != nil {
					return
				}
			}
		})
		_, err := client.New(t.Context(), "fake", client.WithDialer(mute), client.WithDialTimeout(time.Second))
		if !errors.Is(err, failure.Unavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAfterClose(t *testing.T) {
	f := newFake(t)
	f.create("orders", 1)
	c := connect(t, f)
	p, err := c.NewProducer(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DescribeStream(t.Context(), "orders"); !errors.Is(err, failure.Closed) {
		t.Errorf("describe: %v", err)
	}
	if _, err := c.Put(t.Context(), "orders", record.Record{PartitionKey: "k"}); !errors.Is(err, failure.Closed) {
		t.Errorf("put: %v", err)
	}
	if err := p.Produce(t.Context(), record.Record{PartitionKey: "k"}, nil); !errors.Is(err, failure.Closed) {
		t.Errorf("produce: %v", err)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Errorf("flush: %v", err)
	}
}

func TestCallsSurviveRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 1)
		c := connect(t, f)
		f.stop()
		time.AfterFunc(3*time.Second, func() {
			f.mutex.Lock()
			f.down = false
			f.mutex.Unlock()
		})
		if _, err := c.DescribeStream(t.Context(), "orders"); err != nil {
			t.Errorf("describe: %v", err)
		}
		f.stop()
		started := time.Now()
		_, err := c.DescribeStream(t.Context(), "orders")
		if !errors.Is(err, failure.Unavailable) {
			t.Errorf("got %v", err)
		}
		if spent := time.Since(started); spent > time.Minute {
			t.Errorf("gave up after %v", spent)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.DescribeStream(ctx, "orders"); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, failure.Unavailable) {
			t.Errorf("got %v", err)
		}
	})
}

// TestSilentServer has a server that stops answering without hanging up.
func TestSilentServer(t *testing.T) {
	for name, ask := range map[string]func(t *testing.T, c *client.Client) error{
		"call": func(t *testing.T, c *client.Client) error {
			_, err := c.DescribeStream(t.Context(), "orders")
			return err
		},
		"loop": func(t *testing.T, c *client.Client) error {
			_, err := collect(t.Context(), c, "orders", 1, -1, client.UntilLatest())
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.create("orders", 1)
			f.describeGate = make(chan struct{})
			c := connect(t, f, client.WithRequestTimeout(2*time.Second))
			time.AfterFunc(5*time.Second, func() { close(f.describeGate) })
			if err := ask(t, c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestPutToManyStreams goes past the streams for which Put keeps producers.
func TestPutToManyStreams(t *testing.T) {
	f := newFake(t)
	c := connect(t, f)
	for round := range 2 {
		for i := range 300 {
			name := fmt.Sprint("stream-", i)
			if round == 0 {
				f.create(name, 1)
			}
			if _, err := c.Put(t.Context(), name, record.Record{PartitionKey: "k", Data: []byte{byte(round)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff([][]string{{"\x00", "\x01"}}, f.contents("stream-0")); diff != "" {
		t.Error(diff)
	}
}
