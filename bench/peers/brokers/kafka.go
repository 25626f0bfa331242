package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/installed"
	"github.com/millrace-io/millrace/bench/target/process"
)

const (
	// kafkaTopic is the only topic; its partitions are the shards.
	kafkaTopic = "millrace"
	// kafkaDeliveryMax is after what time a record has failed.
	kafkaDeliveryMax = 30 * time.Second
)

// kafkaTarget is a single Kafka node with one partition for each shard.
type kafkaTarget struct{}

// About implements target.Target.
func (kafkaTarget) About() target.About {
	return target.About{
		Name: "kafka", Version: installed.Version("kafka"), Kind: "broker",
		Durabilities: []target.Durability{target.None, target.Group},
		Notes: "one KRaft node with 1 GiB of heap, one replica, franz-go: acks all, idempotent, no linger, no compression; partitions are consumed directly; " +
			"warmed up for 2 s with another topic, because Java compiles while it runs; " +
			"none: Kafka's default, acknowledged when the kernel has the record; group: log.flush.interval.messages=1, a sync for each batch before it is acknowledged; " +
			"the client verifies a CRC-32C for each batch",
	}
}

// kafkaSession is a server and a producer.
type kafkaSession struct {
	started
	address  string
	producer *kgo.Client
	records  sync.Pool
}

// kafkaRecord is a record until it is acknowledged.
type kafkaRecord struct {
	session *kafkaSession
	record  kgo.Record
	done    func(error)
	promise func(*kgo.Record, error) // bound once, so that sending allocates less
}

// Open implements target.Target.
func (t kafkaTarget) Open(ctx context.Context, c target.Config) (target.Session, error) {
	name := t.About().Name
	if c.Durability != target.None && c.Durability != target.Group {
		return nil, unknownDurability(name, c.Durability)
	}
	folder, err := installed.Folder(name, "kafka")
	if err != nil {
		return nil, err
	}
	return onFreePorts(ctx, 2, func(ports []int) (*kafkaSession, error) { return openKafka(ctx, folder, ports, c) })
}

// openKafka starts a server and connects to it.
func openKafka(ctx context.Context, folder string, ports []int, c target.Config) (*kafkaSession, error) {
	s := &kafkaSession{address: loopback(ports[0])}
	var err error
	if s.process, err = startKafka(ctx, folder, c.Dir, ports[0], ports[1], c.Durability == target.Group); err != nil {
		return nil, err
	}
	s.producer, err = kgo.NewClient(
		kgo.SeedBrokers(s.address), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(int32(max(1<<20, min(2*c.RecordBytes, kafkaRecordMax)))),
		kgo.RecordDeliveryTimeout(kafkaDeliveryMax))
	if err == nil {
		err = s.ready(ctx, max(c.Shards, 1), c.Reopen)
	}
	if err == nil && !c.Reopen { // to open again is measured
		err = s.warm(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("brokers: open kafka: %w", err), s.Close())
	}
	return s, nil
}

// ready waits for the server and makes the topic, unless it is there: a server
// that accepts connections may still refuse that.
func (s *kafkaSession) ready(ctx context.Context, partitions int, reopen bool) error {
	dial := process.Listening(s.address)
	return s.process.Ready(ctx, startMax, func(ctx context.Context) error {
		if err := dial(ctx); err != nil {
			return err
		}
		admin := kadm.NewClient(s.producer)
		if reopen {
			_, err := admin.ListEndOffsets(ctx, kafkaTopic)
			return err
		}
		_, err := admin.CreateTopic(ctx, int32(partitions), 1, nil, kafkaTopic)
		if errors.Is(err, kerr.TopicAlreadyExists) {
			return nil // an earlier attempt whose answer got lost
		}
		return err
	})
}

// send produces a record. Several goroutines may call it at once.
func (s *kafkaSession) send(ctx context.Context, shard int, record []byte, done func(error)) error {
	r, _ := s.records.Get().(*kafkaRecord)
	if r == nil {
		r = &kafkaRecord{session: s}
		r.promise = r.settle
	}
	r.record = kgo.Record{Topic: kafkaTopic, Partition: int32(shard), Value: append(r.record.Value[:0], record...)}
	r.done = done
	// It waits while the client's bound of 10,000 buffered records is reached.
	s.producer.Produce(ctx, &r.record, r.promise)
	return nil
}

// settle gives the result on.
func (r *kafkaRecord) settle(_ *kgo.Record, err error) {
	done := r.done
	r.session.records.Put(r)
	done(err)
}

// Append implements target.Session.
func (s *kafkaSession) Append(ctx context.Context, shard int, records [][]byte) error {
	return send(s.send).appendAll(ctx, shard, records)
}

// Send implements target.Sender.
func (s *kafkaSession) Send(ctx context.Context, shard int, record []byte, done func(error)) error {
	return s.send(ctx, shard, record, done)
}

// Flush implements target.Sender.
func (s *kafkaSession) Flush(ctx context.Context) error { return s.producer.Flush(ctx) }

// end returns the offset of the next record of a shard.
func (s *kafkaSession) end(ctx context.Context, shard int) (int64, error) {
	offsets, err := kadm.NewClient(s.producer).ListEndOffsets(ctx, kafkaTopic)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("brokers: end of a partition: %w", err)
	}
	offset, ok := offsets.Lookup(kafkaTopic, int32(shard))
	if !ok {
		return 0, fmt.Errorf("brokers: end of a partition: the topic has no partition %d", shard)
	}
	return offset.Offset, nil
}

// Follow implements target.Follower.
func (s *kafkaSession) Follow(ctx context.Context, shard int, ready func(), deliver func([]byte)) error {
	from, err := s.end(ctx, shard)
	if err != nil {
		return err
	}
	err = s.consume(ctx, shard, from, ready, func(r *kgo.Record) bool {
		deliver(r.Value)
		return true
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Scan implements target.Scanner.
func (s *kafkaSession) Scan(ctx context.Context, shard int, visit func([]byte)) error {
	end, err := s.end(ctx, shard)
	if err != nil || end == 0 {
		return err
	}
	return s.consume(ctx, shard, 0, func() {}, func(r *kgo.Record) bool {
		if r.Offset < end {
			visit(r.Value)
		}
		return r.Offset < end-1
	})
}

// consume reads a partition with a client of its own until visit returns false.
func (s *kafkaSession) consume(ctx context.Context, shard int, from int64, ready func(), visit func(*kgo.Record) bool) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.address), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		kafkaTopic: {int32(shard): kgo.NewOffset().At(from)},
	}))
	if err != nil {
		return fmt.Errorf("brokers: consume from kafka: %w", err)
	}
	defer client.Close()
	ready()
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("brokers: consume from kafka: %w", err)
		}
		for all := fetches.RecordIter(); !all.Done(); {
			if !visit(all.Next()) {
				return nil
			}
		}
	}
}

// Close implements target.Session.
func (s *kafkaSession) Close() error {
	if s.producer != nil {
		s.producer.Close()
	}
	return s.process.Stop()
}
