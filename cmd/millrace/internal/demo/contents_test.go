package demo

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pair is a record.
type pair struct{ key, data string }

func contentsOf(records ...pair) *contents {
	c := newContents()
	for _, r := range records {
		c.add(r.key, []byte(r.data))
	}
	return c
}

func TestContentsIgnoreTheSpreadOverShards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, even, odd := newContents(), newContents(), newContents()
		for _, key := range rapid.SliceOf(rapid.IntRange(0, 9)).Draw(t, "keys") {
			data := rapid.SliceOf(rapid.Byte()).Draw(t, "data")
			name := string(rune('a' + key))
			whole.add(name, data)
			if key%2 == 0 {
				even.add(name, data)
			} else {
				odd.add(name, data)
			}
		}
		if err := odd.merge(even); err != nil {
			t.Fatal(err)
		}
		if odd.sum() != whole.sum() || odd.records != whole.records || odd.bytes != whole.bytes {
			t.Fatalf("the merged shards differ from the whole: %+v, %+v", odd, whole)
		}
		if err := odd.compare(whole); err != nil {
			t.Fatal(err)
		}
	})
}

func TestContentsFindWhatDiffers(t *testing.T) {
	want := contentsOf(pair{"a", "1"}, pair{"a", "2"}, pair{"b", "3"})
	cases := map[string]*contents{
		`key "b": all 1 records are missing`:           contentsOf(pair{"a", "1"}, pair{"a", "2"}),
		`key "c": 1 records that were never put`:       contentsOf(pair{"a", "1"}, pair{"a", "2"}, pair{"b", "3"}, pair{"c", "4"}),
		`key "a": read 1 records, put 2`:               contentsOf(pair{"a", "1"}, pair{"b", "3"}),
		`key "a": the same number of records, but`:     contentsOf(pair{"a", "2"}, pair{"a", "1"}, pair{"b", "3"}),
		`key "b": the same number of records, but oth`: contentsOf(pair{"a", "1"}, pair{"a", "2"}, pair{"b", "4"}),
	}
	for text, got := range cases {
		if err := got.compare(want); err == nil || !strings.HasPrefix(err.Error(), text) {
			t.Errorf("got %v, want %s", err, text)
		}
		if got.sum() == want.sum() {
			t.Errorf("%s: the digests agree", text)
		}
	}
	if err := contentsOf(pair{"a", "1"}).merge(contentsOf(pair{"a", "2"})); err == nil {
		t.Error("a key in two shards is no error")
	}
}
