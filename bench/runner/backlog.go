package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
)

// fillBatchBytes is about how much one append of a backlog carries: large
// enough that the slowest peer fills a GiB in reasonable time.
const fillBatchBytes = 64 << 10

// backlog is the records that are there before anything is measured: the same
// few batches of noise again and again, evenly over the shards.
type backlog struct {
	// batch is what each append carries; the last one may be shorter.
	batch  [][]byte
	total  int64
	shards int
	// began and ended are when it was written.
	began, ended time.Time
}

// backlogOf returns the backlog of a scenario, which is not written yet.
func backlogOf(s *scenario.Scenario) *backlog {
	size := int(s.MessageSize)
	count := max(1, min(fillBatchBytes/size, 500))
	return &backlog{
		batch: newPayload(0, count, size).stamped(-1, -1), total: max(int64(s.Backlog)/int64(size), 1), shards: s.Shards(),
	}
}

// place returns where the record with that number in the backlog is: its shard
// and its number there, from 0, and what it must be.
func (b *backlog) place(record int64) (shard int, number uint64, want []byte) {
	size, shards := int64(len(b.batch)), int64(b.shards)
	turn, index := record/size, record%size
	return int(turn % shards), uint64(turn/shards*size + index), b.batch[index]
}

// fill appends the backlog, evenly over the shards.
func fill(ctx context.Context, s *scenario.Scenario, session target.Session, run *result.Run) (*backlog, error) {
	if s.Backlog == 0 {
		return nil, nil
	}
	b := backlogOf(s)
	b.began = time.Now()
	for written, turn := int64(0), 0; written < b.total; turn++ {
		count := min(int64(len(b.batch)), b.total-written)
		if err := session.Append(ctx, turn%b.shards, b.batch[:count]); err != nil {
			return nil, fmt.Errorf("write the backlog: %w", err)
		}
		written += count
	}
	b.ended = time.Now()
	run.Values["backlog_records"] = float64(b.total)
	run.Values["backlog_records_per_second"] = float64(b.total) / b.ended.Sub(b.began).Seconds()
	return b, nil
}

// scanned is what one pass over all shards found.
type scanned struct {
	records, bytes int64
	elapsed        time.Duration
	sum            byte
}

// touch reads a byte of each cache line of a record.
func touch(record []byte) (sum byte) {
	const cacheLine = 64
	for at := 0; at < len(record); at += cacheLine {
		sum += record[at]
	}
	return sum
}

// scan goes over every shard once. It touches every cache line of every record,
// as a reader that does something would.
func scan(ctx context.Context, scanner target.Scanner, shards int) (scanned, error) {
	var found scanned
	start := time.Now()
	for shard := range shards {
		err := scanner.Scan(ctx, shard, func(record []byte) {
			found.records++
			found.bytes += int64(len(record))
			found.sum += touch(record)
		})
		if err != nil {
			return found, fmt.Errorf("scan shard %d: %w", shard, err)
		}
	}
	found.elapsed = time.Since(start)
	return found, nil
}

// scanTogether has several readers go over every shard at once. It returns what
// all of them found, and the time until the last was through.
func scanTogether(ctx context.Context, scanner target.Scanner, shards, readers int) (scanned, error) {
	found, failures := make([]scanned, readers), make([]error, readers)
	var group sync.WaitGroup
	start := time.Now()
	for i := range readers {
		group.Go(func() { found[i], failures[i] = scan(ctx, scanner, shards) })
	}
	group.Wait()
	total := scanned{elapsed: time.Since(start)}
	for _, f := range found {
		total.records += f.records
		total.bytes += f.bytes
	}
	return total, errors.Join(failures...)
}

// scanPasses has the readers go over the backlog as often as the scenario says,
// and checks that each found all of it, and so many records behind it.
func scanPasses(ctx context.Context, s *scenario.Scenario, on target.Target, session target.Session, behind int64, run *result.Run) error {
	scanner, ok := session.(target.Scanner)
	if !ok {
		return lacksScan(on.About())
	}
	readers := max(s.CatchUpReaders, 1)
	for pass := 1; pass <= s.CatchUpPasses; pass++ {
		found, err := scanTogether(ctx, scanner, s.Shards(), readers)
		if err != nil {
			return err
		}
		// A log that forgets what it holds is read fastest.
		wanted := int64(run.Values["backlog_records"]) * int64(readers)
		found.records -= behind * int64(readers)
		found.bytes -= behind * int64(readers) * int64(s.MessageSize)
		if found.records != wanted || found.bytes != wanted*int64(s.MessageSize) {
			return fmt.Errorf("scan found %d records of %d, and %d bytes in them", found.records, wanted, found.bytes)
		}
		rate := float64(found.records) / found.elapsed.Seconds()
		if pass == 1 {
			run.Values["scan_first_pass_records_per_second"] = rate
		}
		run.Values["scan_records_per_second"] = rate
		run.Values["scan_bytes_per_second"] = float64(found.bytes) / found.elapsed.Seconds()
		run.Records, run.Bytes, run.Duration = found.records, found.bytes, int64(found.elapsed)
	}
	return nil
}

// unavailable reports whether the error is that of a target that cannot.
func unavailable(err error) bool {
	var cannot *target.UnavailableError
	return errors.As(err, &cannot)
}

// lacksScan says that a session cannot read what it holds.
func lacksScan(about target.About) error { return lacks(about, "read its records from the beginning") }
