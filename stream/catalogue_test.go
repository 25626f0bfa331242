package stream

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

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

// goldenChanged is a row with all that releases of version 1 would misread.
func goldenChanged() *row {
	r := golden()
	r.Version = rowChanged
	r.Shards[0].ClosedAt, r.Shards[0].Last, r.Shards[0].Expired = 2, 77, true
	r.Intent = []shardRow{{ID: 3, Log: 11, Start: "0", End: record.HashKeyMax.String(), Parents: []record.ShardID{1, 2}}}
	return r
}

func TestRowGolden(t *testing.T) {
	for path, want := range map[string]*row{"testdata/row-1.json": golden(), "testdata/row-2.json": goldenChanged()} {
		stored, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		read, err := decodeRow([]byte("orders"), stored)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, read, cmp.AllowUnexported(row{})); diff != "" {
			t.Error(diff)
		}
		encoded, err := json.MarshalIndent(want, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(stored), string(encoded)+"\n"); diff != "" {
			t.Errorf("the encoding of %s changed; a new one needs a new version:\n%s", path, diff)
		}
	}
}

// Only rows that an older release would misread are kept from it.
func TestRowVersions(t *testing.T) {
	c, err := openCatalogue(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	closed, intent, expired := golden(), golden(), golden()
	closed.Shards[0].ClosedAt, closed.Shards[0].Last = 2, 77
	intent.Intent = goldenChanged().Intent
	expired.Shards[0].Expired = true
	for name, each := range map[string]struct {
		row  *row
		want int
	}{
		"plain": {golden(), 1}, "closed": {closed, 1}, "intent": {intent, 2}, "expired": {expired, 2},
	} {
		each.row.Version = 0
		if err := c.replace(new(row), each.row); err != nil {
			t.Fatal(err)
		}
		rows, err := c.load()
		if err != nil || len(rows) != 1 || rows[0].Version != each.want {
			t.Errorf("%s: %+v, %v; want version %d", name, rows, err, each.want)
		}
	}
}

// A catalogue of a release without documents opens and takes some.
func TestCatalogueWithoutDocuments(t *testing.T) {
	dir := t.TempDir()
	c, err := openCatalogue(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = c.database.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketDocuments) })
	if err := errors.Join(err, c.close()); err != nil {
		t.Fatal(err)
	}
	if c, err = openCatalogue(dir); err != nil {
		t.Fatal(err)
	}
	defer c.close()
	documents := &Documents{c, 0}
	if err := documents.Put("k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	// The bytes as they are documented.
	err = c.database.View(func(tx *bbolt.Tx) error {
		if got := tx.Bucket([]byte("documents")).Get([]byte("\x00\x00\x00\x00\x00\x00\x00\x00k")); string(got) != "v" {
			t.Errorf("stored %q", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
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
		"expired open": {change(func(r *row) { r.Shards[1].Expired = true }), failure.Corrupt},
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
	changed, err := json.Marshal(goldenChanged())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(changed)
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
