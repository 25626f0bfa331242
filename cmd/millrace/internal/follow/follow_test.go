package follow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/cmd/millrace/internal/lines"
	"github.com/millrace-io/millrace/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStream holds arrival times by shard; sequence numbers count from 1.
type fakeStream map[record.ShardID][]int

var errPlanted = errors.New("planted")

// read serves a span; a negative time is an error.
func (f fakeStream) read(_ context.Context, span Span) iter.Seq2[lines.Record, error] {
	return func(yield func(lines.Record, error) bool) {
		for i, at := range f[span.Shard] {
			sequence := uint64(i + 1)
			if sequence < span.Start.Sequence {
				continue
			}
			if sequence >= span.Until {
				return
			}
			if at < 0 {
				yield(lines.Record{}, errPlanted)
				return
			}
			if !yield(lines.Record{Shard: span.Shard, Sequence: sequence, Arrival: time.Unix(int64(at), 0)}, nil) {
				return
			}
		}
	}
}

// spans covers every shard up to its end.
func (f fakeStream) spans() []Span {
	var spans []Span
	for shard := range len(f) {
		id := record.ShardID(shard)
		spans = append(spans, Span{Shard: id, Start: record.AtSequence(1), Until: uint64(len(f[id]) + 1)})
	}
	return spans
}

// names renders records as shard/sequence.
func names(records iter.Seq2[lines.Record, error]) (found []string, err error) {
	for rec, err := range records {
		if err != nil {
			return found, err
		}
		found = append(found, fmt.Sprintf("%d/%d", rec.Shard, rec.Sequence))
	}
	return found, nil
}

func TestMergeByArrival(t *testing.T) {
	stream := fakeStream{0: {1, 4, 4}, 1: {}, 2: {2, 4, 9}}
	got, err := names(Merge(t.Context(), stream.read, stream.spans()))
	want := []string{"0/1", "2/1", "0/2", "0/3", "2/2", "2/3"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	for rec := range Merge(t.Context(), stream.read, stream.spans()) {
		if rec.Sequence != 1 {
			t.Errorf("got %+v", rec)
		}
		break
	}
}

func TestMergeIsASortOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := fakeStream{}
		total := 0
		for shard := range rapid.IntRange(1, 5).Draw(t, "shards") {
			times := rapid.SliceOf(rapid.IntRange(0, 20)).Draw(t, "times")
			slices.Sort(times)
			stream[record.ShardID(shard)] = times
			total += len(times)
		}
		var last time.Time
		count := 0
		for rec, err := range Merge(t.Context(), stream.read, stream.spans()) {
			if err != nil || rec.Arrival.Before(last) {
				t.Fatalf("%+v follows %v, error %v", rec, last, err)
			}
			last = rec.Arrival
			count++
		}
		if count != total {
			t.Fatalf("%d of %d records", count, total)
		}
	})
}

func TestMergeReportsErrors(t *testing.T) {
	for _, stream := range []fakeStream{{0: {1}, 1: {-1}}, {0: {1, -1}, 1: {5}}} {
		if got, err := names(Merge(t.Context(), stream.read, stream.spans())); !errors.Is(err, errPlanted) {
			t.Errorf("got %v, %v", got, err)
		}
	}
}

func TestLast(t *testing.T) {
	stream := fakeStream{0: {1, 2, 3, 4, 5}}
	for n, want := range map[int][]string{
		0: nil, 2: {"0/4", "0/5"}, 5: {"0/1", "0/2", "0/3", "0/4", "0/5"}, 9: {"0/1", "0/2", "0/3", "0/4", "0/5"},
	} {
		got, err := names(Last(n, Merge(t.Context(), stream.read, stream.spans())))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("last %d: error %v (-want +got):\n%s", n, err, diff)
		}
	}
	broken := fakeStream{0: {1, -1}}
	if _, err := names(Last(1, Merge(t.Context(), broken.read, broken.spans()))); !errors.Is(err, errPlanted) {
		t.Errorf("got %v", err)
	}
}

func TestManySpansComeOneAfterTheOther(t *testing.T) {
	stream := fakeStream{}
	var want []string
	for shard := range mergeMax + 1 {
		stream[record.ShardID(shard)] = []int{5, 5 + shard}
		want = append(want, fmt.Sprintf("%d/1", shard), fmt.Sprintf("%d/2", shard))
	}
	got, err := names(Merge(t.Context(), stream.read, stream.spans()))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	stream[mergeMax] = []int{-1}
	if _, err := names(Merge(t.Context(), stream.read, stream.spans())); !errors.Is(err, errPlanted) {
		t.Errorf("got %v", err)
	}
}
