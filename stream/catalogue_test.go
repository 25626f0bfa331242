package stream

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

// golden is a row with everything in it. Its encoding is in testdata and must
// stay readable for ever.
func golden() *row {
	return &row{
		Version: 1, ID: 1<<52 + 7, Name: "orders", State: stateActive, Created: 1_700_000_000_000_000_001,
		Durability: "interval", SyncInterval: 1e8, RetentionTime: RetainForever, RetentionBytes: 5, EnforceLimits: true,
		Shards: []shardRow{
			{ID: 0, Log: 3, Start: "0", End: record.HashKeyMax.String(), Created: 1, Closed: true},
			{ID: 1, Log: 9, Start: "0", End: "99", Created: 2, Parents: []record.ShardID{0}},
			{ID: 2, Log: 10, Start: "100", End: record.HashKeyMax.String(), Created: 2, Parents: []record.ShardID{0}},
		},
	}
}

func TestRowGolden(t *testing.T) {
	const path = "testdata/row-1.json"
	stored, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read, err := decodeRow([]byte("orders"), stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(golden(), read); diff != "" {
		t.Error(diff)
	}
	encoded, err := json.MarshalIndent(golden(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(stored), string(encoded)+"\n"); diff != "" {
		t.Errorf("the encoding changed; a new one needs a new version:\n%s", diff)
	}
}

// A stream whose parent was split is routed by its children.
func TestRoutesFollowTheOpenShards(t *testing.T) {
	s := &Store{}
	split, err := s.newStream(golden())
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]record.ShardID{"0": 1, "99": 1, "100": 2, record.HashKeyMax.String(): 2} {
		hash, err := record.ParseHashKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if got := split.Route(hash); got != want {
			t.Errorf("%s goes to %v, want %v", key, got, want)
		}
	}
	if d := split.Describe(); !d.Shards[0].Closed || d.Shards[2].Parents[0] != 0 {
		t.Errorf("%+v", d.Shards)
	}
}

func TestRowsThatCannotBe(t *testing.T) {
	change := func(change func(r *row)) *row {
		r := golden()
		change(r)
		return r
	}
	cases := map[string]struct {
		row  *row
		want failure.Kind
	}{
		"gap":          {change(func(r *row) { r.Shards[2].Start = "101" }), failure.Corrupt},
		"overlap":      {change(func(r *row) { r.Shards[2].Start = "99" }), failure.Corrupt},
		"no end":       {change(func(r *row) { r.Shards[2].Closed = true }), failure.Corrupt},
		"no shards":    {change(func(r *row) { r.Shards = nil }), failure.Corrupt},
		"backwards":    {change(func(r *row) { r.Shards[1].Start, r.Shards[1].End = "99", "0" }), failure.Corrupt},
		"no number":    {change(func(r *row) { r.Shards[1].End = "x" }), failure.Corrupt},
		"durability":   {change(func(r *row) { r.Durability = "hopeful" }), failure.Corrupt},
		"out of place": {change(func(r *row) { r.Shards[1].ID = 2 }), failure.Corrupt},
		"newer":        {change(func(r *row) { r.Version = 3 }), failure.NewerVersion},
		"version 0":    {change(func(r *row) { r.Version = 0 }), failure.Corrupt},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			encoded, err := json.Marshal(c.row)
			if err != nil {
				t.Fatal(err)
			}
			read, err := decodeRow([]byte("orders"), encoded)
			if err == nil {
				_, err = (&Store{}).newStream(read)
			}
			if !errors.Is(err, c.want) {
				t.Errorf("err = %v, want %v", err, c.want)
			}
		})
	}
}

// Any bytes in a row are read or refused, and what is read can be routed.
func FuzzRow(f *testing.F) {
	encoded, err := json.Marshal(golden())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded)
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := decodeRow([]byte("orders"), value)
		if err != nil {
			return
		}
		opened, err := (&Store{}).newStream(r)
		if err != nil {
			return
		}
		for _, key := range []record.HashKey{{}, {Hi: 1 << 63}, record.HashKeyMax} {
			id := opened.Route(key)
			if o := opened.view.Load().shards[id].options; !o.Range.Contains(key) || o.Closed {
				t.Fatalf("%v goes to %v of %v", key, id, o.Range)
			}
		}
	})
}
