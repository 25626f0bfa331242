package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/cmd/millrace/internal/measure"
	"github.com/millrace-io/millrace/examples/data"
	"github.com/millrace-io/millrace/internal/device"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/server"
)

const (
	// StreamName is the stream that the flights go to.
	StreamName = "flights"
	// ShardCount is how many shards it has.
	ShardCount = 4
	// syncCount is how often the device is timed.
	syncCount = 50

	shutdownTimeout = 10 * time.Second
)

// Options say where and how to run.
type Options struct {
	// Data keeps the records in a directory; empty: in a temporary one.
	Data       string
	Durability record.Durability
	// Step is called when a step begins.
	Step func(name string)
}

// Report is what came of it.
type Report struct {
	Durability   string          `json:"durability"`
	Records      int             `json:"records"`
	Bytes        int64           `json:"bytes"` // of keys and data
	Keys         int             `json:"keys"`
	Shards       int             `json:"shards"`
	DeviceSync   time.Duration   `json:"device_sync_p50_ns"`
	WriteTime    time.Duration   `json:"write_ns"`
	Acknowledged measure.Summary `json:"acknowledged"`
	ReadTime     time.Duration   `json:"read_ns"`
	Digest       string          `json:"sha256"`
}

// Run does it all. Whatever is read back that differs from what was put is an
// error.
func Run(ctx context.Context, o Options) (report Report, err error) {
	if o.Step == nil {
		o.Step = func(string) {}
	}
	dir := o.Data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "millrace-demo-"); err != nil {
			return report, fmt.Errorf("demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if err := os.MkdirAll(dir, 0o750); err != nil {
		return report, fmt.Errorf("demo: %w", err)
	}
	o.Step("timing the device")
	times, err := device.MeasureSync(dir, syncCount)
	if err != nil {
		return report, fmt.Errorf("demo: %w", err)
	}
	s, err := server.New(server.Config{DataDirectory: dir, NativeAddress: "127.0.0.1:0", AdminAddress: "127.0.0.1:0", HTTPAddress: "127.0.0.1:0"})
	if err != nil {
		return report, fmt.Errorf("demo: %w", err)
	}
	if err := s.Start(ctx); err != nil {
		return report, fmt.Errorf("demo: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		err = errors.Join(err, s.Shutdown(ctx))
	}()
	report.DeviceSync = times.Median
	report.Durability, report.Shards = o.Durability.String(), ShardCount
	return report, move(ctx, s.NativeAddress(), o, &report)
}

// move loads the flights through a client, reads them back and compares.
func move(ctx context.Context, address string, o Options, report *Report) error {
	cl, err := client.New(ctx, address)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer cl.Close()
	_, err = cl.CreateStream(ctx, client.StreamConfig{Name: StreamName, Shards: ShardCount, Durability: o.Durability, RetentionTime: -1})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	records, want, err := flights()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	report.Records, report.Bytes, report.Keys = want.records, want.bytes, len(want.keys)

	o.Step("writing")
	latencies := measure.NewLatencies()
	started := time.Now()
	if err := write(ctx, cl, records, latencies); err != nil {
		return fmt.Errorf("demo: write: %w", err)
	}
	report.WriteTime, report.Acknowledged = time.Since(started), latencies.Summary()

	o.Step("reading")
	started = time.Now()
	got, err := readAll(ctx, cl)
	if err != nil {
		return fmt.Errorf("demo: read: %w", err)
	}
	report.ReadTime = time.Since(started)

	if err := got.compare(want); err != nil {
		return fmt.Errorf("demo: what was read is not what was put: %w", err)
	}
	report.Digest = got.sum()
	if report.Digest != want.sum() {
		return fmt.Errorf("demo: the digest of what was read is %s, of what was put %s", report.Digest, want.sum())
	}
	return nil
}

// flights returns the records to put and their digest. All are made before any
// clock is started.
func flights() ([]record.Record, *contents, error) {
	records := make([]record.Record, 0, data.FlightCount)
	want := newContents()
	for flight, err := range data.Flights() {
		if err != nil {
			return nil, nil, err
		}
		records = append(records, record.Record{PartitionKey: flight.Origin, Data: flight.Line})
		want.add(flight.Origin, flight.Line)
	}
	return records, want, nil
}

// write puts the records in order and waits until all are acknowledged.
func write(ctx context.Context, cl *client.Client, records []record.Record, latencies *measure.Latencies) error {
	producer, err := cl.NewProducer(ctx, StreamName)
	if err != nil {
		return err
	}
	var once sync.Once
	var failed error
	for _, r := range records {
		handedOver := time.Now()
		err = producer.Produce(ctx, r, func(result client.Result) {
			latencies.Record(time.Since(handedOver))
			if result.Err != nil {
				once.Do(func() { failed = result.Err })
			}
		})
		if err != nil {
			break
		}
	}
	// Close waits for the callbacks, so failed is safe to read behind it.
	return errors.Join(err, producer.Close(ctx), failed)
}

// readAll reads every shard with a consumer of its own, all at once.
func readAll(ctx context.Context, cl *client.Client) (*contents, error) {
	var consumers sync.WaitGroup
	found := make([]*contents, ShardCount)
	failed := make([]error, ShardCount)
	for shard := range ShardCount {
		consumers.Go(func() { found[shard], failed[shard] = readShard(ctx, cl, record.ShardID(shard)) })
	}
	consumers.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	total := newContents()
	for _, shard := range found {
		if err := total.merge(shard); err != nil {
			return nil, err
		}
	}
	return total, nil
}

// readShard reads one shard to its end and checks that its sequence numbers
// have no gap.
func readShard(ctx context.Context, cl *client.Client, shard record.ShardID) (*contents, error) {
	found := newContents()
	next := uint64(1)
	for r, err := range cl.Records(ctx, StreamName, client.InShard(shard), client.UntilLatest()) {
		if err != nil {
			return nil, err
		}
		if r.Position.Sequence != next {
			return nil, fmt.Errorf("%s: sequence %d follows %d", shard, r.Position.Sequence, next-1)
		}
		next++
		found.add(r.PartitionKey, r.Data)
	}
	return found, nil
}
