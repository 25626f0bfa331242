package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/millrace-io/millrace/cmd/millrace/internal/measure"
	"github.com/millrace-io/millrace/internal/units"
	"github.com/millrace-io/millrace/record"
)

// Position is where a record came to stand.
type Position struct {
	Shard    record.ShardID
	Sequence uint64
}

// Sink is where records go.
type Sink interface {
	// Produce hands a record over, waiting while too much is under way. Unless
	// it fails, done is called once, maybe from another goroutine and maybe
	// before Produce returns. It must not block.
	Produce(ctx context.Context, rec record.Record, done func(Position, error)) error
	// Flush waits until done has been called for everything handed over.
	Flush(ctx context.Context) error
}

// Report says how a load went.
type Report struct {
	Records   int64 // acknowledged
	Bytes     int64 // of their data
	Failed    int64
	Elapsed   time.Duration
	Latencies measure.Summary // from the hand-over to the acknowledgement
}

// String renders the report in one line.
func (r Report) String() string {
	text := fmt.Sprintf("%s, %s in %s", units.Plural(r.Records, "record"), units.Bytes(r.Bytes).Human(), units.Duration(r.Elapsed).Human())
	if r.Failed > 0 {
		text += fmt.Sprintf("; %s failed", units.Count(r.Failed))
	}
	return text
}

// Rates renders the report in two lines more.
func (r Report) Rates() string {
	return fmt.Sprintf("%s, %s\nacknowledged after %s",
		units.PerSecond(r.Records, r.Elapsed), units.MegabytesPerSecond(r.Bytes, r.Elapsed), r.Latencies)
}

// Acknowledged is called for every record that was, from any goroutine. It must
// not block.
type Acknowledged func(rec record.Record, at Position)

// run is the state of one load.
type run struct {
	sink         Sink
	acknowledged Acknowledged
	latencies    *measure.Latencies
	cancel       context.CancelFunc

	mutex  sync.Mutex // guards the fields below
	report Report
	failed error // the first
}

// Run moves records from source to sink until the source ends, drain is done,
// or a record fails. What is under way then is waited for, unless stop is done
// as well.
func Run(drain, stop context.Context, source Source, sink Sink, acknowledged Acknowledged) (Report, error) {
	drain, cancel := context.WithCancel(drain)
	defer cancel()
	r := &run{sink: sink, acknowledged: acknowledged, latencies: measure.NewLatencies(), cancel: cancel}
	started := time.Now()
	sourceErr := r.feed(drain, stop, source)
	flushErr := sink.Flush(stop)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.report.Elapsed = time.Since(started)
	r.report.Latencies = r.latencies.Summary()
	return r.report, errors.Join(r.failed, sourceErr, flushErr)
}

// feed hands records over until there is a reason to stop.
func (r *run) feed(drain, stop context.Context, source Source) error {
	for !r.hasFailed() {
		rec, err := source.Next(drain)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		handedOver := time.Now()
		err = r.sink.Produce(stop, rec, func(at Position, err error) { r.done(rec, at, err, handedOver) })
		if err != nil {
			return err
		}
	}
	return nil
}

// hasFailed reports whether some record has.
func (r *run) hasFailed() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.failed != nil
}

// done takes the result of one record.
func (r *run) done(rec record.Record, at Position, err error, handedOver time.Time) {
	r.latencies.Record(time.Since(handedOver))
	r.mutex.Lock()
	if err != nil {
		r.report.Failed++
		if r.failed == nil {
			r.failed = err
			r.cancel()
		}
	} else {
		r.report.Records++
		r.report.Bytes += int64(len(rec.Data))
	}
	r.mutex.Unlock()
	if err == nil && r.acknowledged != nil {
		r.acknowledged(rec, at)
	}
}
