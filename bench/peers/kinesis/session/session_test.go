package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/bench/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	_ target.Session  = (*Session)(nil)
	_ target.Sender   = (*Session)(nil)
	_ target.Follower = (*Session)(nil)
	_ target.Scanner  = (*Session)(nil)
)

// numbered returns records with their numbers as text.
func numbered(count int) [][]byte {
	records := make([][]byte, count)
	for i := range records {
		records[i] = fmt.Appendf(nil, "%06d", i)
	}
	return records
}

func TestAppendSplitsBatches(t *testing.T) {
	tests := []struct {
		name    string
		records [][]byte
		want    []int
	}{
		{"one", numbered(1), []int{1}},
		{"one request", numbered(500), []int{500}},
		{"many requests", numbered(1203), []int{500, 500, 203}},
		{"large records", slices.Repeat([][]byte{bytes.Repeat([]byte("x"), 1<<20)}, 7), []int{3, 3, 1}},
		{"a record larger than a request", [][]byte{bytes.Repeat([]byte("x"), requestBytesMax+1), []byte("small")}, []int{1, 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := &fake{}
			s := openFake(t, f, target.Config{Shards: 3})
			if err := s.Append(t.Context(), 2, test.records); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, record := range test.records {
				want = append(want, string(record))
			}
			if !slices.Equal(f.sizes, test.want) || !slices.Equal(f.shards[2], want) {
				t.Errorf("requests of %v records, wanted %v; %d records in the shard", f.sizes, test.want, len(f.shards[2]))
			}
		})
	}
}

func TestRefusedRecordsAreSentAgain(t *testing.T) {
	f := &fake{refuse: func(request, entry int) bool { return request < 2 && entry%2 == 1 }}
	s := openFake(t, f, target.Config{})
	if err := s.Append(t.Context(), 0, numbered(8)); err != nil {
		t.Fatal(err)
	}
	// First the even ones, then every other one of the rest, then the rest.
	want := []string{"000000", "000002", "000004", "000006", "000001", "000005", "000003", "000007"}
	if difference := cmp.Diff(want, f.shards[0]); difference != "" {
		t.Error(difference)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	f := &fake{refuse: func(_, entry int) bool { return entry == 0 }}
	s := openFake(t, f, target.Config{})
	err := s.Append(t.Context(), 0, numbered(attemptsMax+2))
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Attempts != attemptsMax || refused.Code != "ProvisionedThroughputExceededException" {
		t.Errorf("got %v", err)
	}
	// A request of one record is a PutRecord, of which the fake refuses none:
	// so the first record must be refused until the end.
	if len(f.sizes) != attemptsMax {
		t.Errorf("%d requests, wanted %d", len(f.sizes), attemptsMax)
	}
}

// sendNumbered sends so many records to every shard and waits for them.
func sendNumbered(t *testing.T, s *Session, count, shards int) {
	t.Helper()
	for _, record := range numbered(count) {
		for shard := range shards {
			err := s.Send(t.Context(), shard, record, func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// disorder returns what is wrong with the numbers in the shards, if anything.
func disorder(shards [][]string, count int) string {
	want := make([]string, count)
	for i, record := range numbered(count) {
		want[i] = string(record)
	}
	for i, found := range shards {
		if !slices.Equal(found, want) {
			return fmt.Sprintf("shard %d has %d records, %v...", i, len(found), found[:min(len(found), 10)])
		}
	}
	return ""
}

func TestSendKeepsTheOrderOfShards(t *testing.T) {
	for _, shards := range []int{1, 2, 5} {
		f := &fake{}
		s := openFake(t, f, target.Config{Shards: shards})
		const count = 3000
		sendNumbered(t, s, count, shards)
		if wrong := disorder(f.shards, count); wrong != "" {
			t.Error(wrong)
		}
		if f.atOnce > min(shards, inFlightDefault) {
			t.Errorf("%d requests at once for %d shards", f.atOnce, shards)
		}
	}
}

// TestRequestsWithoutOrderOvertake shows that order is something that Send
// keeps, and that the test above would find its loss: the server holds the first
// request until the second is over.
func TestRequestsWithoutOrderOvertake(t *testing.T) {
	second := make(chan struct{})
	f := &fake{before: func(request int) {
		switch request {
		case 0:
			<-second
		case 2:
			close(second)
		}
	}}
	s := openFake(t, f, target.Config{Options: map[string]string{"ordered": "false"}})
	const count = 2000
	sendNumbered(t, s, count, 1)
	if f.atOnce != inFlightDefault {
		t.Errorf("%d requests at once, wanted %d", f.atOnce, inFlightDefault)
	}
	if disorder(f.shards, count) == "" {
		t.Error("the records are in order although a request was overtaken")
	}
}

func TestFlushGivesUpWithItsContext(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	f := &fake{before: func(int) {
		close(arrived)
		<-release
	}}
	s := openFake(t, f, target.Config{})
	defer close(release)
	const count = 3
	var failed, settled atomic.Int64
	for range count {
		err := s.Send(t.Context(), 0, []byte("x"), func(err error) {
			settled.Add(1)
			if errors.Is(err, context.Canceled) {
				failed.Add(1)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if settled.Load() != count || failed.Load() != count {
		t.Errorf("%d records, %d are settled, %d of them as given up", count, settled.Load(), failed.Load())
	}
}

func TestScanGoesOnUntilItHasWhatWasAcknowledged(t *testing.T) {
	// This server says with every answer that nothing is behind.
	f := &fake{page: 10, throttled: 1}
	s := openFake(t, f, target.Config{Shards: 2})
	if err := s.Append(t.Context(), 1, numbered(95)); err != nil {
		t.Fatal(err)
	}
	var found []string
	if err := s.Scan(t.Context(), 1, func(record []byte) { found = append(found, string(record)) }); err != nil {
		t.Fatal(err)
	}
	if wrong := disorder([][]string{found}, 95); wrong != "" {
		t.Error(wrong)
	}
}

func TestScanIsBounded(t *testing.T) {
	s := openFake(t, &fake{behind: 1}, target.Config{})
	if err := s.Scan(t.Context(), 0, func([]byte) {}); err == nil {
		t.Error("a scan of a server that never comes to an end has come to one")
	}
}

func TestOptions(t *testing.T) {
	tests := []struct {
		given map[string]string
		wrong string
	}{
		{map[string]string{"in_flight": "4", "ordered": "false", "poll": "1s"}, ""},
		{map[string]string{"in_flight": "0"}, "in_flight"},
		{map[string]string{"in_flight": "65"}, "in_flight"},
		{map[string]string{"ordered": "perhaps"}, "ordered"},
		{map[string]string{"poll": "0s"}, "poll"},
		{map[string]string{"pol": "1s"}, "pol"},
	}
	for _, test := range tests {
		_, err := readOptions(test.given)
		var wrong *OptionError
		if errors.As(err, &wrong) != (test.wrong != "") || wrong != nil && wrong.Name != test.wrong {
			t.Errorf("%v: got %v", test.given, err)
		}
	}
}

func TestClosed(t *testing.T) {
	s := openFake(t, &fake{}, target.Config{})
	sendNumbered(t, s, 3, 1)
	if err := s.Append(t.Context(), 1, numbered(1)); err == nil {
		t.Error("a shard that is not there took a record")
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), 0, numbered(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := s.Send(t.Context(), 0, nil, func(error) {}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}
