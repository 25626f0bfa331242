package millrace_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace"
	"github.com/millrace-io/millrace/failure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newEngine opens an engine that the race detector can follow as far as records
// come out of it.
func newEngine(t *testing.T) *millrace.Engine {
	t.Helper()
	engine, err := millrace.Open(t.TempDir(), millrace.Options{Backend: millrace.BackendPread})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

func newStream(t *testing.T, engine *millrace.Engine, name string) *millrace.Stream {
	t.Helper()
	made, err := engine.CreateStream(t.Context(), millrace.StreamConfig{Name: name, Durability: millrace.None})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestReadingFromEveryStart(t *testing.T) {
	s := newStream(t, newEngine(t), "a")
	for _, data := range []string{"one", "two", "three"} {
		if _, err := s.Put(t.Context(), millrace.Record{PartitionKey: "k", Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		start millrace.Start
		want  []string
	}{
		"trim horizon": {millrace.TrimHorizon(), []string{"one", "two", "three"}},
		"at 2":         {millrace.AtSequence(2), []string{"two", "three"}},
		"after 2":      {millrace.AfterSequence(2), []string{"three"}},
		"latest":       {millrace.Latest(), nil},
		"creation":     {millrace.AtTime(s.Describe().Created), []string{"one", "two", "three"}},
	}
	for name, c := range cases {
		var got []string
		for view, err := range s.Scan(t.Context(), 0, c.start) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(view.Data))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// lastError goes through a loop and returns the error that ended it.
func lastError(ctx context.Context, t *testing.T, s *millrace.Stream, id millrace.ShardID, start millrace.Start) error {
	t.Helper()
	for _, err := range s.Records(ctx, id, start) {
		if err != nil {
			return err
		}
	}
	t.Fatal("the loop ended without an error")
	return nil
}

func TestWhatEndsALoop(t *testing.T) {
	engine := newEngine(t)
	s := newStream(t, engine, "a")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lastError(ended, t, s, 0, millrace.TrimHorizon()); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	for _, err := range s.Scan(ended, 0, millrace.TrimHorizon()) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("scan with an ended context: %v", err)
		}
	}
	if err := lastError(t.Context(), t, s, 1, millrace.TrimHorizon()); !errors.Is(err, failure.NotFound) {
		t.Errorf("no such shard: %v", err)
	}
	if err := lastError(t.Context(), t, s, 0, millrace.AtSequence(9)); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("a record that is not there yet: %v", err)
	}
	loop := make(chan error, 1)
	go func() { loop <- lastError(context.Background(), t, s, 0, millrace.Latest()) }()
	if err := engine.DeleteStream(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := <-loop; !errors.Is(err, failure.NotFound) {
		t.Errorf("deleted stream: %v", err)
	}
}

func TestStreamsGoesThroughAllNames(t *testing.T) {
	engine := newEngine(t)
	for _, name := range []string{"c", "a", "b"} {
		newStream(t, engine, name)
	}
	if got := slices.Collect(engine.Streams()); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("streams %q", got)
	}
	for name := range engine.Streams() {
		if name != "a" {
			t.Errorf("first is %q", name)
		}
		break
	}
}

func TestReadsAreCounted(t *testing.T) {
	engine := newEngine(t)
	s := newStream(t, engine, "a")
	for range 3 {
		if _, err := s.Put(t.Context(), millrace.Record{PartitionKey: "k", Data: []byte("123")}); err != nil {
			t.Fatal(err)
		}
	}
	for range s.Scan(t.Context(), 0, millrace.TrimHorizon()) {
	}
	counted := engine.Stats().Streams[0].Shards[0]
	if counted.ReadRecords != 3 || counted.ReadBytes != 12 || counted.Shard.Log.Records != 3 {
		t.Errorf("%+v", counted)
	}
	if damage := engine.Damage(); len(damage) != 0 {
		t.Error(damage)
	}
	if err := engine.EnforceRetention(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestShardsEnd: the loop of a shard ends where the shard does, whether it waited there or comes later,
// and the children have what follows.
func TestShardsEnd(t *testing.T) {
	engine := newEngine(t)
	s := newStream(t, engine, "a")
	put := func(key string) millrace.Position {
		at, err := s.Put(t.Context(), millrace.Record{PartitionKey: key, Data: []byte(key)})
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	keys := func(id millrace.ShardID) (found []string) {
		for view, err := range s.Records(t.Context(), id, millrace.TrimHorizon()) {
			if err != nil {
				t.Error(err)
				break
			}
			found = append(found, string(view.Key))
		}
		return found
	}
	put("a")
	put("b")
	waits := make(chan []string, 1)
	go func() { waits <- keys(0) }()
	children, err := engine.SplitShard(t.Context(), "a", 0, millrace.HashKey{Hi: 1 << 63})
	if err != nil {
		t.Fatal(err)
	}
	for name, found := range map[string][]string{"waited": <-waits, "came later": keys(0)} {
		if !slices.Equal(found, []string{"a", "b"}) {
			t.Errorf("who %s found %v", name, found)
		}
	}
	at := put("c")
	merged, err := engine.MergeShards(t.Context(), "a", children[0], children[1])
	if err != nil {
		t.Fatal(err)
	}
	if found := keys(at.Shard); !slices.Equal(found, []string{"c"}) || at.Shard != children[0] && at.Shard != children[1] {
		t.Errorf("shard %v has %v", at.Shard, found)
	}
	if at := put("d"); at.Shard != merged {
		t.Errorf("a record went to %v instead of %v", at.Shard, merged)
	}
}
