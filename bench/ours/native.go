package ours

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/process"
	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/record"
)

// Native is a server in a process of its own, with package client on this side
// of a loopback connection.
type Native struct {
	// Program is a millrace binary.
	Program string
}

// About implements target.Target.
func (Native) About() target.About {
	return target.About{
		Name: "native", Version: version(), Kind: "broker", Durabilities: everyDurability,
		Checks: true,
		Notes:  "millrace serve and package client, one connection for writing and one for each reader; none: acknowledged when the kernel has the bytes",
	}
}

// Open implements target.Target.
func (n Native) Open(ctx context.Context, c target.Config) (target.Session, error) {
	promise, err := durability(c.Durability)
	if err != nil {
		return nil, err
	}
	if err := noOptions("native", c.Options); err != nil {
		return nil, err
	}
	started, at, err := serve(ctx, n.Program, c.Dir)
	if err != nil {
		return nil, err
	}
	s := &nativeSession{process: started, hashes: hashesOf(max(c.Shards, 1))}
	if s.client, err = client.New(ctx, at.Native); err == nil && !c.Reopen {
		_, err = s.client.CreateStream(ctx, client.StreamConfig{Name: streamName, Shards: len(s.hashes), Durability: promise})
	}
	if err == nil {
		// The producer's own defaults, but for the linger: a benchmark in which
		// records wait 5 ms for company would measure that.
		s.producer, err = s.client.NewProducer(ctx, streamName, client.WithLinger(0))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ours: open native: %w", err), s.Close())
	}
	return s, nil
}

// nativeSession is a server and the connections to it.
type nativeSession struct {
	process  *process.Process
	client   *client.Client
	producer *client.Producer
	hashes   []record.HashKey
	buffers  sync.Pool
}

// readyMax is how long a server may take to start. Recovery is bounded by what
// a scenario writes.
const readyMax = time.Minute

// addresses are what a server listens to.
type addresses struct {
	Native string `json:"native_address"`
	HTTP   string `json:"http_address"`
}

// serve starts a server over dir.
func serve(ctx context.Context, program, dir string) (*process.Process, addresses, error) {
	started, err := process.Start(ctx, process.Command{
		Path: program,
		Args: []string{
			"serve", "--data", filepath.Join(dir, "data"), "--native-address", "127.0.0.1:0",
			"--admin-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--status-delay", "0s", "--log-level", "warn", "--output", "json",
		},
		Dir: dir,
	})
	if err != nil {
		return nil, addresses{}, err
	}
	var at addresses
	err = started.Ready(ctx, readyMax, func(context.Context) error {
		at, err = addressesIn(started.Output())
		return err
	})
	if err != nil {
		return nil, addresses{}, errors.Join(err, started.Stop())
	}
	return started, at, nil
}

// addressesIn finds the addresses in what a server has printed, which is an
// indented JSON object, and the lines of a log before or behind it.
func addressesIn(output string) (addresses, error) {
	const opening = "{\n"
	var at addresses
	_, members, found := strings.Cut(output, opening)
	if !found {
		return at, errors.New("ours: the server has not printed its addresses")
	}
	if err := json.NewDecoder(strings.NewReader(opening + members)).Decode(&at); err != nil {
		return at, fmt.Errorf("ours: the server's addresses: %w", err)
	}
	if at.Native == "" || at.HTTP == "" {
		return at, errors.New("ours: the server has not printed all of its addresses")
	}
	return at, nil
}

// Append implements target.Session.
func (s *nativeSession) Append(ctx context.Context, shard int, records [][]byte) error {
	b := batches.Get().(*batch)
	defer batches.Put(b)
	list := b.of(records)
	for i := range list {
		list[i].ExplicitHash = &s.hashes[shard]
	}
	_, err := s.client.PutBatch(ctx, streamName, list)
	return err
}

// buffer is a copy of a record that the producer keeps until it is
// acknowledged.
type buffer struct {
	session *nativeSession
	data    []byte
	done    func(error)
	settled func(client.Result) // bound once, so that sending allocates nothing
}

// Send implements target.Sender.
func (s *nativeSession) Send(ctx context.Context, shard int, data []byte, done func(error)) error {
	b, _ := s.buffers.Get().(*buffer)
	if b == nil {
		b = &buffer{session: s}
		b.settled = b.settle
	}
	b.data, b.done = append(b.data[:0], data...), done
	return s.producer.Produce(ctx, record.Record{PartitionKey: partitionKey, ExplicitHash: &s.hashes[shard], Data: b.data}, b.settled)
}

// settle gives the result on and the buffer back.
func (b *buffer) settle(r client.Result) {
	done := b.done
	b.session.buffers.Put(b)
	done(r.Err)
}

// Flush implements target.Sender.
func (s *nativeSession) Flush(ctx context.Context) error { return s.producer.Flush(ctx) }

// Follow implements target.Follower.
func (s *nativeSession) Follow(ctx context.Context, shard int, ready func(), deliver func([]byte)) error {
	// The start is asked for before the loop begins, so that nothing appended
	// after ready is missed.
	description, err := s.client.DescribeStream(ctx, streamName)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	id := record.ShardID(shard)
	after := map[record.ShardID]uint64{id: description.Shards[shard].Next - 1}
	ready()
	return s.read(ctx, deliver, client.InShard(id), client.FromPositions(after))
}

// Scan implements target.Scanner.
func (s *nativeSession) Scan(ctx context.Context, shard int, visit func([]byte)) error {
	err := s.read(ctx, visit, client.InShard(record.ShardID(shard)), client.FromTrimHorizon(), client.UntilLatest())
	return errors.Join(err, ctx.Err())
}

// read delivers records batch by batch.
func (s *nativeSession) read(ctx context.Context, deliver func([]byte), from ...client.ConsumerOption) error {
	for batch, err := range s.client.Batches(ctx, streamName, from...) {
		if err != nil {
			return unlessEnded(ctx, err)
		}
		for i := range batch.Len() {
			deliver(batch.View(i).Data)
		}
	}
	return nil
}

// ServerCPU implements target.Server.
func (s *nativeSession) ServerCPU() (time.Duration, error) { return s.process.CPU() }

// ServerMemory implements target.Server.
func (s *nativeSession) ServerMemory() (int64, error) { return s.process.Memory() }

// Close implements target.Session.
func (s *nativeSession) Close() error {
	var err error
	if s.producer != nil {
		ctx, cancel := context.WithTimeout(context.Background(), readyMax)
		err = s.producer.Close(ctx)
		cancel()
	}
	if s.client != nil {
		err = errors.Join(err, s.client.Close())
	}
	return errors.Join(err, s.process.Stop())
}
