// Package store is where backups are put: named objects, written once.
//
// [Store] is the interface; backup/store/directory and backup/store/s3 implement
// it, and backup/store/storetest is the test that both pass.
package store

import (
	"context"
	"crypto/sha256"
	"io"
	"iter"

	"github.com/millrace-io/millrace/failure"
)

// Digest is the SHA-256 of an object.
type Digest = [sha256.Size]byte

// Entry is one object of a listing.
type Entry struct {
	Name  string
	Bytes int64
}

// Store keeps objects under names such as "objects/ab12": letters, digits, dots,
// hyphens, and slashes between parts. Methods may be called concurrently, and end
// with an error of the context when that ends.
type Store interface {
	// Put stores content, of the given size and digest, under name. When it
	// returns nil the object is as durable as the store can make it; otherwise
	// there is no object of that name, or the one that was there before. Content
	// that does not have the digest is failure.Corrupt.
	Put(ctx context.Context, name string, content io.ReadSeeker, size int64, digest Digest) error
	// Get opens an object from its beginning. One that does not exist is
	// failure.NotFound. The caller closes it.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List yields the objects whose names begin with prefix, sorted by name.
	// An error ends it.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
}

// NotFound returns the error for an object that does not exist.
func NotFound(name string) error {
	return failure.New(failure.NotFound, "backup store", "there is no object %q", name)
}
