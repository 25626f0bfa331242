package killtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/record"
)

// Workload says what is written until the server is killed.
type Workload struct {
	Stream string
	// RecordSize is the bytes of each record, Keys the number of partition keys.
	RecordSize, Keys int
	// KillAfter is how many acknowledgements of this round the kill awaits.
	KillAfter int
	// Kill ends the server. It is called once, while records are under way.
	Kill func() error
}

// Write writes records as fast as the server takes them until it is killed, and
// notes in the ledger what was sent and what was acknowledged. When it returns
// nothing is under way.
func Write(ctx context.Context, address string, ledger *Ledger, w Workload) error {
	// No retries: a batch that was lost with the server must not be sent again
	// to the next one, or nothing could be said about what is missing.
	cl, err := client.New(ctx, address, client.WithRetryBudget(0))
	if err != nil {
		return fmt.Errorf("killtest: write: %w", err)
	}
	defer cl.Close()
	producer, err := cl.NewProducer(ctx, w.Stream, client.WithBatchBytes(64<<10), client.WithBufferBytes(256<<10), client.WithLinger(0))
	if err != nil {
		return fmt.Errorf("killtest: write: %w", err)
	}
	enough, over := make(chan struct{}), make(chan struct{})
	var enoughOnce, overOnce sync.Once
	if w.KillAfter == 0 {
		enoughOnce.Do(func() { close(enough) })
	}
	var killer sync.WaitGroup
	var killErr error
	killer.Go(func() {
		select {
		case <-enough:
		case <-over: // the server ended by itself, which Kill reports
		}
		killErr = w.Kill()
		overOnce.Do(func() { close(over) })
	})
	acknowledged := 0 // by the callbacks, which come one at a time
	for running := true; running; {
		select {
		case <-over:
			running = false
			continue
		default:
		}
		id, rec := ledger.Send(w.RecordSize, w.Keys)
		err := producer.Produce(ctx, rec, func(r client.Result) {
			if r.Err != nil {
				overOnce.Do(func() { close(over) })
				return
			}
			ledger.Acknowledge(id, r.Position.Shard, r.Position.Sequence)
			if acknowledged++; acknowledged == w.KillAfter {
				enoughOnce.Do(func() { close(enough) })
			}
		})
		running = err == nil
	}
	overOnce.Do(func() { close(over) })
	killer.Wait()
	// The results are in the ledger: an error of Close says only that the rest
	// was given up, which is what the round is about.
	_ = producer.Close(ctx)
	return killErr
}

// Verify shows the ledger what the server holds: everything, or what it has not
// seen yet.
func Verify(ctx context.Context, address, stream string, ledger *Ledger, full bool) error {
	// A server that is up and cannot say what it holds will not say it later.
	cl, err := client.New(ctx, address, client.WithRetryBudget(0))
	if err != nil {
		return fmt.Errorf("killtest: verify: %w", err)
	}
	defer cl.Close()
	description, err := cl.DescribeStream(ctx, stream)
	if err != nil {
		return fmt.Errorf("killtest: verify: %w", err)
	}
	ledger.StartPass(full)
	after := map[record.ShardID]uint64{}
	for _, shard := range description.Shards {
		after[shard.ID] = ledger.Next(shard.ID) - 1
	}
	for r, err := range cl.Records(ctx, stream, client.FromPositions(after), client.UntilLatest()) {
		if err != nil {
			return errors.Join(fmt.Errorf("killtest: verify: %w", err), ledger.Err())
		}
		ledger.Read(r.Position.Shard, r.Position.Sequence, r.PartitionKey, r.Data)
	}
	ledger.EndPass()
	return ledger.Err()
}
