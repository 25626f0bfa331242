package follow

import (
	"cmp"
	"container/heap"
	"context"
	"iter"

	"github.com/millrace-io/millrace/cmd/millrace/internal/lines"
	"github.com/millrace-io/millrace/record"
)

// Span is a part of one shard.
type Span struct {
	Shard record.ShardID
	Start record.Start
	// Until ends the span before this sequence number.
	Until uint64
}

// mergeMax is how many shards are read at once; each takes a connection.
const mergeMax = 64

// Read returns the records of a span. It ends by itself where the span does.
type Read func(ctx context.Context, span Span) iter.Seq2[lines.Record, error]

// Merge returns the records of all spans in the order of arrival; within a
// shard that is the order of sequence numbers. Of more than 64 spans the records
// come span by span instead. An error ends the sequence.
func Merge(ctx context.Context, read Read, spans []Span) iter.Seq2[lines.Record, error] {
	if len(spans) > mergeMax {
		return chain(ctx, read, spans)
	}
	return func(yield func(lines.Record, error) bool) {
		var heads earliest
		for _, span := range spans {
			next, stop := iter.Pull2(read(ctx, span))
			defer stop()
			head := &head{next: next}
			more, err := head.advance()
			if err != nil {
				yield(lines.Record{}, err)
				return
			}
			if more {
				heads = append(heads, head)
			}
		}
		heap.Init(&heads)
		for len(heads) > 0 {
			head := heads[0]
			if !yield(head.record, nil) {
				return
			}
			more, err := head.advance()
			if err != nil {
				yield(lines.Record{}, err)
				return
			}
			if more {
				heap.Fix(&heads, 0)
			} else {
				heap.Pop(&heads)
			}
		}
	}
}

// chain returns the records of one span after the other.
func chain(ctx context.Context, read Read, spans []Span) iter.Seq2[lines.Record, error] {
	return func(yield func(lines.Record, error) bool) {
		for _, span := range spans {
			for rec, err := range read(ctx, span) {
				if !yield(rec, err) || err != nil {
					return
				}
			}
		}
	}
}

// head is the next record of one span.
type head struct {
	record lines.Record
	next   func() (lines.Record, error, bool)
}

// advance reads the next record and reports whether there was one.
func (h *head) advance() (bool, error) {
	rec, err, more := h.next()
	if err != nil {
		return false, err
	}
	h.record = rec
	return more, nil
}

// earliest is a heap of heads by arrival, then shard.
type earliest []*head

func (e earliest) Len() int { return len(e) }
func (e earliest) Less(i, j int) bool {
	a, b := e[i].record, e[j].record
	return cmp.Or(a.Arrival.Compare(b.Arrival), cmp.Compare(a.Shard, b.Shard)) < 0
}
func (e earliest) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *earliest) Push(x any)   { *e = append(*e, x.(*head)) }
func (e *earliest) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// Last returns the last n records of a sequence, which it reads to the end.
func Last(n int, records iter.Seq2[lines.Record, error]) iter.Seq2[lines.Record, error] {
	return func(yield func(lines.Record, error) bool) {
		ring := make([]lines.Record, 0, min(n, 1024))
		count := 0
		for rec, err := range records {
			if err != nil {
				yield(lines.Record{}, err)
				return
			}
			if len(ring) < n {
				ring = append(ring, rec)
			} else if n > 0 {
				ring[count%n] = rec
			}
			count++
		}
		for i := range ring {
			if !yield(ring[(count+i)%len(ring)], nil) {
				return
			}
		}
	}
}
