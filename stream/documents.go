package stream

import (
	"bytes"
	"encoding/binary"
	"errors"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/millrace-io/millrace/failure"
)

const (
	// DocumentKeyMax is the longest key of a document, in bytes.
	DocumentKeyMax = 1024
	// DocumentMax is the largest value of a document, in bytes.
	DocumentMax = 1 << 20
	// documentsBytesMax bounds what one transaction changes, and what one List returns:
	// both are in memory as a whole.
	documentsBytesMax = 64 << 20
	// documentOverhead is what a document counts beside its key and value.
	documentOverhead = 64
)

// Document is a value under a key. The store does not look into it.
type Document struct {
	// Key is 1 to DocumentKeyMax bytes of any kind. Keys are in the order of their bytes.
	Key string
	// Value is at most DocumentMax bytes, and may be none.
	Value []byte
}

// Documents is a small area for what layers above have to remember, beside the
// streams and in the same file. Changes are durable when they return; each is a
// transaction with a sync of its own, of which one runs at a time: an area for
// settings, not for data. Its methods may be called concurrently. What they return
// belongs to the caller.
//
// The documents of a stream are removed with it, in one transaction; reading them
// then finds nothing, and writing is failure.NotFound. After Close of the store
// everything is failure.Closed.
type Documents struct {
	catalogue *catalogue
	stream    uint64 // 0: of the store
}

// Documents returns the documents that belong to no stream.
func (s *Store) Documents() *Documents { return &Documents{s.catalogue, 0} }

// Documents returns the documents of the stream.
func (s *Stream) Documents() *Documents { return &Documents{s.catalogue, s.id} }

// Get returns the value of a document, and whether there is one of that key.
func (d *Documents) Get(key string) (value []byte, found bool, err error) {
	err = d.view(func(tx *DocumentTx) error {
		value, found, err = tx.Get(key)
		return err
	})
	return value, found, err
}

// List returns up to limit documents whose keys begin with prefix and sort after the
// given key, in order, and whether there are more. It may return fewer than limit
// although there are more, when they are large, but at least one.
func (d *Documents) List(prefix, after string, limit int) (documents []Document, more bool, err error) {
	err = d.view(func(tx *DocumentTx) error {
		documents, more, err = tx.List(prefix, after, limit)
		return err
	})
	return documents, more, err
}

// Put stores a document, in place of the one with that key if there is one. A key of
// no bytes or too many is failure.InvalidArgument, a large value failure.TooLarge.
func (d *Documents) Put(key string, value []byte) error {
	return d.Update(func(tx *DocumentTx) error { return tx.Put(key, value) })
}

// Delete removes a document, if there is one of that key.
func (d *Documents) Delete(key string) error {
	return d.Update(func(tx *DocumentTx) error { return tx.Delete(key) })
}

// Update makes several changes at once: all that change does, or nothing if it
// returns an error, which Update returns. Changes run one after the other, so that
// what one reads stays true until it is committed. Change must use nothing of the
// store but tx.
func (d *Documents) Update(change func(tx *DocumentTx) error) error {
	return errDocuments(d.catalogue.database.Update(func(tx *bbolt.Tx) error {
		if d.stream != 0 && tx.Bucket(bucketIDs).Get(binary.BigEndian.AppendUint64(nil, d.stream)) == nil {
			return failure.New(failure.NotFound, "stream: documents", "the stream was deleted")
		}
		return change(newDocumentTx(tx, d.stream))
	}))
}

func (d *Documents) view(read func(tx *DocumentTx) error) error {
	return errDocuments(d.catalogue.database.View(func(tx *bbolt.Tx) error {
		return read(newDocumentTx(tx, d.stream))
	}))
}

// errDocuments gives the errors of the database a kind.
func errDocuments(err error) error {
	if errors.Is(err, bbolterrors.ErrDatabaseNotOpen) {
		return failure.Wrap(failure.Closed, "stream: documents", err)
	}
	return err
}

// DocumentTx is a transaction. It is valid while the function that it was given to
// runs, and serves one goroutine.
type DocumentTx struct {
	bucket *bbolt.Bucket
	prefix []byte // of all keys of the area
	bytes  int    // changed so far
}

func newDocumentTx(tx *bbolt.Tx, stream uint64) *DocumentTx {
	return &DocumentTx{bucket: tx.Bucket(bucketDocuments), prefix: binary.BigEndian.AppendUint64(nil, stream)}
}

// Get is [Documents.Get], with the changes made so far.
func (t *DocumentTx) Get(key string) (value []byte, found bool, err error) {
	if err := checkKey(key); err != nil {
		return nil, false, err
	}
	err = guarded(func() error {
		if stored := t.bucket.Get(t.key(key)); stored != nil {
			value, found = append([]byte{}, stored...), true
		}
		return nil
	})
	return value, found, err
}

// Put is [Documents.Put]. All changes of a transaction together are at most 64 MiB,
// or failure.TooLarge.
func (t *DocumentTx) Put(key string, value []byte) error {
	if err := checkDocument(key, value); err != nil {
		return err
	}
	if err := t.count(len(key) + len(value)); err != nil {
		return err
	}
	// The database keeps the value until the transaction is over.
	value = append([]byte{}, value...) // not nil: that would be no document
	return guarded(func() error { return t.bucket.Put(t.key(key), value) })
}

// Delete is [Documents.Delete].
func (t *DocumentTx) Delete(key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := t.count(len(key)); err != nil {
		return err
	}
	return guarded(func() error { return t.bucket.Delete(t.key(key)) })
}

// List is [Documents.List], with the changes made so far.
func (t *DocumentTx) List(prefix, after string, limit int) (documents []Document, more bool, err error) {
	err = guarded(func() error {
		wanted, bytes := t.key(prefix), 0
		cursor := t.bucket.Cursor()
		key, value := cursor.Seek(t.key(max(prefix, after)))
		if after != "" && string(key) == string(t.key(after)) {
			key, value = cursor.Next()
		}
		for ; hasPrefix(key, wanted); key, value = cursor.Next() {
			bytes += len(key) + len(value) + documentOverhead
			if len(documents) >= limit || len(documents) > 0 && bytes > documentsBytesMax {
				more = true
				return nil
			}
			documents = append(documents, Document{string(key[len(t.prefix):]), append([]byte{}, value...)})
		}
		return nil
	})
	return documents, more, err
}

// clear removes all documents of the area.
func (t *DocumentTx) clear() error {
	return guarded(func() error {
		cursor := t.bucket.Cursor()
		for key, _ := cursor.Seek(t.prefix); hasPrefix(key, t.prefix); key, _ = cursor.Seek(t.prefix) {
			if err := cursor.Delete(); err != nil {
				return err
			}
		}
		return nil
	})
}

func hasPrefix(key, prefix []byte) bool { return key != nil && bytes.HasPrefix(key, prefix) }

// key returns a key as the database knows it.
func (t *DocumentTx) key(key string) []byte { return append(bytes.Clone(t.prefix), key...) }

// count refuses what makes a transaction too large.
func (t *DocumentTx) count(size int) error {
	if t.bytes += size + documentOverhead; t.bytes > documentsBytesMax {
		return failure.New(failure.TooLarge, "stream: documents", "a transaction of more than %d bytes", documentsBytesMax)
	}
	return nil
}

func checkKey(key string) error {
	if len(key) == 0 || len(key) > DocumentKeyMax {
		return failure.New(failure.InvalidArgument, "stream: documents", "a key of %d bytes is not within 1 to %d", len(key), DocumentKeyMax)
	}
	return nil
}

func checkDocument(key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if len(value) > DocumentMax {
		return failure.New(failure.TooLarge, "stream: documents", "a value of %d bytes, the limit is %d", len(value), DocumentMax)
	}
	return nil
}

// checkDocuments refuses what activate could not store.
func checkDocuments(documents []Document) error {
	size := DocumentTx{}
	for _, d := range documents {
		if err := checkDocument(d.Key, d.Value); err != nil {
			return err
		}
		if err := size.count(len(d.Key) + len(d.Value)); err != nil {
			return err
		}
	}
	return nil
}
