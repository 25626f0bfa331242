package stream_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/stream"
)

// Documents do what a map does, in every area, and over reopening.
func TestDocumentsAreAMap(t *testing.T) {
	dir, o := t.TempDir(), options()
	s := open(t, dir, o)
	create(t, s, stream.Config{Name: "a"})
	create(t, s, stream.Config{Name: "b"})
	areas := func() []*stream.Documents {
		list := []*stream.Documents{s.Documents()}
		for _, name := range []string{"a", "b"} {
			found, err := s.Stream(name)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, found.Documents())
		}
		return list
	}
	want := []map[string]string{{}, {}, {}}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		i := rng.IntN(len(want))
		documents := areas()[i]
		key, value := fmt.Sprint(rng.IntN(2), "/", rng.IntN(9)), fmt.Sprint(round)
		if round%7 == 0 {
			value = ""
		}
		if rng.IntN(4) == 0 {
			delete(want[i], key)
			if err := documents.Delete(key); err != nil {
				t.Fatal(err)
			}
		} else {
			want[i][key] = value
			if err := documents.Put(key, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		if round%20 == 19 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, o)
		}
		for i, documents := range areas() {
			checkDocuments(t, documents, want[i])
		}
	}
}

// checkDocuments compares an area with a map, by Get and page by page.
func checkDocuments(t *testing.T, documents *stream.Documents, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got, found, err := documents.Get(key); err != nil || !found || string(got) != value {
			t.Errorf("%q is %q, %v, %v", key, got, found, err)
		}
	}
	if _, found, err := documents.Get("none"); found || err != nil {
		t.Errorf("a document that is not there: %v, %v", found, err)
	}
	for _, prefix := range []string{"", "0/", "1/"} {
		listed, after := []string{}, ""
		for more := true; more; {
			var page []stream.Document
			var err error
			if page, more, err = documents.List(prefix, after, 2); err != nil {
				t.Fatal(err)
			}
			for _, d := range page {
				listed, after = append(listed, d.Key), d.Key
				if string(d.Value) != want[d.Key] {
					t.Errorf("%q is listed as %q", d.Key, d.Value)
				}
			}
		}
		keys := slices.DeleteFunc(slices.Sorted(maps.Keys(want)), func(key string) bool { return !strings.HasPrefix(key, prefix) })
		if !slices.Equal(listed, keys) {
			t.Errorf("prefix %q lists %q, want %q", prefix, listed, keys)
		}
	}
}

func TestDocumentTransactions(t *testing.T) {
	s := open(t, t.TempDir(), options())
	documents := s.Documents()
	broken := errors.New("broken off")
	err := documents.Update(func(tx *stream.DocumentTx) error {
		if err := tx.Put("a", nil); err != nil {
			return err
		}
		if _, found, err := tx.Get("a"); !found || err != nil {
			t.Errorf("what a transaction wrote: %v, %v", found, err)
		}
		if list, _, err := tx.List("", "", 9); len(list) != 1 || err != nil {
			t.Errorf("list: %v, %v", list, err)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, found, _ := documents.Get("a"); found {
		t.Error("half a transaction")
	}
	if err := documents.Update(func(tx *stream.DocumentTx) error {
		return errors.Join(tx.Put("a", []byte("1")), tx.Put("b", []byte("2")), tx.Delete("c"))
	}); err != nil {
		t.Fatal(err)
	}
	checkDocuments(t, documents, map[string]string{"a": "1", "b": "2"})
}

func TestDocumentsRefuse(t *testing.T) {
	s := open(t, t.TempDir(), options())
	documents := s.Documents()
	large := make([]byte, stream.DocumentMax)
	if err := documents.Put(strings.Repeat("k", stream.DocumentKeyMax), large); err != nil {
		t.Errorf("the largest document: %v", err)
	}
	_, _, get := documents.Get("")
	for name, c := range map[string]struct {
		err  error
		want failure.Kind
	}{
		"no key":      {documents.Put("", nil), failure.InvalidArgument},
		"get no key":  {get, failure.InvalidArgument},
		"delete none": {documents.Delete(""), failure.InvalidArgument},
		"long key":    {documents.Put(strings.Repeat("k", stream.DocumentKeyMax+1), nil), failure.InvalidArgument},
		"large value": {documents.Put("k", make([]byte, stream.DocumentMax+1)), failure.TooLarge},
		"large transaction": {documents.Update(func(tx *stream.DocumentTx) error {
			for i := range 64 {
				if err := tx.Put(fmt.Sprint(i), large); err != nil {
					return err
				}
			}
			return nil
		}), failure.TooLarge},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	_, err := s.Create(t.Context(), stream.Config{Name: "a"}, stream.Document{})
	if !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("creating with a bad document: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, get = documents.Get("k")
	for _, err := range []error{get, documents.Put("k", nil)} {
		if !errors.Is(err, failure.Closed) {
			t.Errorf("after close: %v", err)
		}
	}
}

func TestDocumentsLiveAsLongAsTheirStream(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made, err := s.Create(t.Context(), stream.Config{Name: "a"}, stream.Document{Key: "tag", Value: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	documents, others := made.Documents(), create(t, s, stream.Config{Name: "b"}).Documents()
	checkDocuments(t, documents, map[string]string{"tag": "x"})
	if err := errors.Join(others.Put("kept", nil), s.Documents().Put("kept", nil)); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := documents.Put("tag", nil); !errors.Is(err, failure.NotFound) {
		t.Errorf("writing a document of a stream that is gone: %v", err)
	}
	checkDocuments(t, documents, nil)
	checkDocuments(t, create(t, s, stream.Config{Name: "a"}).Documents(), nil)
	checkDocuments(t, others, map[string]string{"kept": ""})
	checkDocuments(t, s.Documents(), map[string]string{"kept": ""})
}
