package client_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

// cutter is a network whose connections can be cut, all at once.
type cutter struct {
	mutex       sync.Mutex
	connections []net.Conn
}

func (c *cutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	made, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.connections = append(c.connections, made)
	return made, nil
}

func (c *cutter) cut() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, each := range c.connections {
		_ = each.Close()
	}
	c.connections = nil
}

// serve runs a real server over a store whose logs are in memory.
func serve(t *testing.T) (*stream.Store, *client.Client, *cutter) {
	t.Helper()
	store, err := stream.Open(t.TempDir(), stream.Options{
		Options: wal.Options{
			Backend: wal.BackendHeap, FS: crashfs.New(crashfs.Options{}), SegmentBytesMin: 64 << 10, SegmentBytesMax: 256 << 10,
		},
		RetentionInterval: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	server, err := native.New(store, native.Options{})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	network := new(cutter)
	c, err := client.New(t.Context(), listener.Addr().String(), client.WithDialer(network.dial))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-served
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store, c, network
}

// reshape splits and merges shards of a stream at random, so often.
func reshape(store *stream.Store, name string, times int) error {
	rng := rand.New(rand.NewPCG(3, 4))
	for range times {
		found, err := store.Stream(name)
		if err != nil {
			return err
		}
		open := make(map[record.HashKey]stream.ShardDescription)
		var all []stream.ShardDescription
		for _, s := range found.Describe().Shards {
			if !s.Closed {
				open[s.Range.Start], all = s, append(all, s)
			}
		}
		one := all[rng.IntN(len(all))]
		above, adjacent := open[record.HashKey{Hi: one.Range.End.Hi + 1}]
		if adjacent && one.Range.End != record.HashKeyMax && (len(all) > 6 || rng.IntN(2) == 0) {
			_, err = store.Merge(context.Background(), name, one.ID, above.ID)
		} else if width := one.Range.End.Hi - one.Range.Start.Hi; width > 8 && len(all) < 8 {
			_, err = store.Split(context.Background(), name, one.ID, record.HashKey{Hi: one.Range.Start.Hi + width/2 + 1})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Producers and readers follow a stream whose shards are split and merged all the
// time, and whose connections are lost: every record is acknowledged and read once,
// those of one key in order.
func TestReshardUnderLoad(t *testing.T) {
	store, c, network := serve(t)
	if _, err := store.Create(t.Context(), stream.Config{Name: "a", Shards: 2, Durability: record.None}); err != nil {
		t.Fatal(err)
	}
	const keys = 24
	reading, stopReading := context.WithCancel(t.Context())
	defer stopReading()
	read := make(chan error, 1)
	go func() {
		total, err := inOrder(c.Records(reading, "a"), keys)
		t.Logf("%d records", total)
		read <- err
	}()
	p, err := c.NewProducer(t.Context(), "a", client.WithBatchBytes(512), client.WithBufferBytes(256<<10))
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var producing sync.WaitGroup
	for key := range keys {
		producing.Go(func() { number(t, p, fmt.Sprint("key-", key), &stop) })
	}
	for range 8 {
		if err := reshape(store, "a", 4); err != nil {
			t.Error(err)
		}
		network.cut() // what was acknowledged on the way is lost
	}
	stop.Store(true)
	producing.Wait()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		stopReading()
	}
	if err := <-read; err != nil && !t.Failed() {
		t.Error(err)
	}
	if _, err := inOrder(c.Records(t.Context(), "a", client.UntilLatest()), keys); err != nil {
		t.Error(err)
	}
}

// number produces records with the numbers from 0, until it is told to stop, and then
// one that says so.
func number(t *testing.T, p *client.Producer, key string, stop *atomic.Bool) {
	for i := 0; ; i++ {
		last := stop.Load()
		r := record.Record{PartitionKey: key, Data: fmt.Append(nil, i)}
		if last {
			r.Data = fmt.Append(nil, i, " end")
		}
		err := p.Produce(t.Context(), r, func(result client.Result) {
			if result.Err != nil {
				t.Errorf("%s %s: %v", key, r.Data, result.Err)
			}
		})
		if err != nil {
			t.Error(err)
		}
		if last || err != nil {
			return
		}
	}
}

// inOrder reads until so many keys have ended, and checks that the numbers of each
// come once and in order.
func inOrder(records iter.Seq2[client.Record, error], keys int) (total int, err error) {
	next := make(map[string]int)
	for r, err := range records {
		if err != nil {
			return total, err
		}
		text, last := strings.CutSuffix(string(r.Data), " end")
		if want := fmt.Sprint(next[r.PartitionKey]); text != want {
			return total, fmt.Errorf("%s: read %s at %+v, want %s", r.PartitionKey, r.Data, r.Position, want)
		}
		next[r.PartitionKey]++
		total++
		if last {
			keys--
		}
		if keys == 0 {
			return total, nil
		}
	}
	return total, fmt.Errorf("%d keys have not ended", keys)
}
