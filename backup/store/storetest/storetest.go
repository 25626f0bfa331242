// Package storetest is what every backup store must pass.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/backup/store"
	"github.com/millrace-io/millrace/failure"
)

// Run tests an empty store. many is how long a long listing is.
func Run(t *testing.T, s store.Store, many int) {
	ctx := t.Context()
	put := func(name string, content []byte) error {
		return s.Put(ctx, name, bytes.NewReader(content), int64(len(content)), sha256.Sum256(content))
	}
	get := func(name string) []byte {
		t.Helper()
		r, err := s.Get(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		return b
	}
	t.Run("nothing", func(t *testing.T) {
		if got := list(t, s, ""); len(got) != 0 {
			t.Errorf("an empty store lists %v", got)
		}
		if _, err := s.Get(ctx, "objects/none"); !errors.Is(err, failure.NotFound) {
			t.Errorf("got %v", err)
		}
	})
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	t.Run("put, get", func(t *testing.T) {
		for name, content := range map[string][]byte{"objects/a": []byte("a"), "objects/b": large, "backups/empty.json": {}, "objects/a1": []byte("x")} {
			if err := put(name, content); err != nil {
				t.Fatal(err)
			}
			if got := get(name); !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes, want %d", name, len(got), len(content))
			}
		}
		if err := put("objects/a1", []byte("yy")); err != nil {
			t.Fatal(err)
		}
		if got := get("objects/a1"); string(got) != "yy" {
			t.Errorf("replaced by %q", got)
		}
	})
	t.Run("list", func(t *testing.T) {
		want := []store.Entry{{Name: "objects/a", Bytes: 1}, {Name: "objects/a1", Bytes: 2}, {Name: "objects/b", Bytes: int64(len(large))}}
		if got := list(t, s, "objects/"); !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
		if got := list(t, s, "objects/a"); !slices.Equal(got, want[:2]) {
			t.Errorf("got %v", got)
		}
		for _, err := range s.List(ctx, "") {
			if err != nil {
				t.Error(err)
			}
			break // a listing may be left early
		}
	})
	t.Run("a long list", func(t *testing.T) {
		var want []store.Entry
		for i := range many {
			name := fmt.Sprintf("many/%04d", i)
			if err := put(name, []byte(name)); err != nil {
				t.Fatal(err)
			}
			want = append(want, store.Entry{Name: name, Bytes: int64(len(name))})
		}
		if got := list(t, s, "many/"); !slices.Equal(got, want) {
			t.Errorf("%d entries, want %d", len(got), len(want))
		}
	})
	t.Run("wrong digest", func(t *testing.T) {
		err := s.Put(ctx, "objects/bad", strings.NewReader("something"), 9, sha256.Sum256([]byte("another")))
		if !errors.Is(err, failure.Corrupt) {
			t.Errorf("put: %v", err)
		}
		if _, err := s.Get(ctx, "objects/bad"); !errors.Is(err, failure.NotFound) {
			t.Errorf("it is there: %v", err)
		}
	})
	t.Run("an ended context", func(t *testing.T) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		err := s.Put(ended, "objects/late", strings.NewReader("x"), 1, sha256.Sum256([]byte("x")))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("put: %v", err)
		}
	})
}

func list(t *testing.T, s store.Store, prefix string) []store.Entry {
	t.Helper()
	var got []store.Entry
	for entry, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry)
	}
	return got
}
