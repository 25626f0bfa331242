package wal

import (
	"context"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// AppendEach appends every record as a batch of its own, so that the log may be
// cut after any of them (see [Log.CutAfter]), and returns when all are as
// durable as the log promises: usually with one write and one sync. Their
// sequence numbers follow each other if nobody else appends.
//
// It is not atomic. After an error the returned range is that of the records
// which have a place in the log and may become durable; First is 0 if none has.
func (l *Log) AppendEach(ctx context.Context, records []record.Record) (placed record.Range, err error) {
	if len(records) == 0 {
		return placed, failure.New(failure.InvalidArgument, "append", "there are no records")
	}
	var last Pending
	for i := range records {
		one := records[i : i+1]
		p := placement{records: one, count: 1, size: int64(protocol.BatchSize(one))}
		if last, err = l.place(ctx, &p, l.options.Durability); err != nil {
			// Whoever comes next would commit them: let it be now.
			l.mu.Lock()
			l.startLocked()
			l.mu.Unlock()
			return placed, err
		}
		if i == 0 {
			placed.First = last.Range.First
		}
		placed.Last, placed.Time = last.Range.Last, last.Range.Time
	}
	return placed, l.Wait(ctx, last)
}
