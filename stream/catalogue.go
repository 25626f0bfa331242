package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
)

// The catalogue is a bbolt database. Its buckets, all frozen:
//
//	meta      "format" -> u32 big-endian, 1
//	streams   name -> JSON of row
//	ids       stream id, u64 big-endian -> name
//	counters  "stream", "log" -> u64 big-endian, the last number given out
//	documents stream id, u64 big-endian, 0 for the store, then the key -> the value
//
// Releases before the documents do not have their bucket, and leave it alone.
const (
	catalogueFile   = "catalogue.db"
	catalogueFormat = 1

	// lockPatience is how long opening waits for another process; the log
	// directory's lock has usually refused it before.
	lockPatience = time.Second
)

var (
	bucketMeta      = []byte("meta")
	bucketStreams   = []byte("streams")
	bucketIDs       = []byte("ids")
	bucketCounters  = []byte("counters")
	bucketDocuments = []byte("documents")

	keyFormat        = []byte("format")
	keyStreamCounter = []byte("stream")
	keyLogCounter    = []byte("log")
)

// catalogue is the database. Every change is one transaction, durable when the
// method returns.
type catalogue struct{ database *bbolt.DB }

// openCatalogue opens or creates the catalogue of a data directory.
func openCatalogue(dir string) (*catalogue, error) {
	path := filepath.Join(dir, catalogueFile)
	var database *bbolt.DB
	err := guarded(func() (err error) {
		database, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockPatience, FreelistType: bbolt.FreelistMapType})
		return err
	})
	if err != nil {
		return nil, failure.Wrap(openKind(err), "stream: open "+path, err)
	}
	c := &catalogue{database}
	if err := guarded(c.prepare); err != nil {
		return nil, errors.Join(err, database.Close())
	}
	// bbolt syncs the file but not its name.
	if err := vfs.OS().SyncDir(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("stream: sync %s: %w", dir, err), database.Close())
	}
	return c, nil
}

// guarded calls f, which reads the database. bbolt panics, or touches memory that
// is not there, when a page is not what it should be: that is an error of ours.
// What f holds open stays open then.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = failure.New(failure.Corrupt, "stream: catalogue", "%v; restore it from a backup", p)
		}
	}()
	return f()
}

func openKind(err error) failure.Kind {
	switch {
	case failure.KindOf(err) == failure.Corrupt:
		return failure.Corrupt
	case errors.Is(err, bbolterrors.ErrTimeout):
		return failure.Conflict
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrVersionMismatch):
		return failure.NotOurs
	case errors.Is(err, bbolterrors.ErrChecksum):
		return failure.Corrupt
	default:
		return failure.Internal
	}
}

// prepare makes the buckets of a new catalogue and checks the format of an old
// one.
func (c *catalogue) prepare() error {
	return c.database.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketStreams, bucketIDs, bucketCounters, bucketDocuments} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return fmt.Errorf("stream: catalogue bucket %s: %w", name, err)
			}
		}
		meta := tx.Bucket(bucketMeta)
		switch stored := meta.Get(keyFormat); {
		case stored == nil:
			return meta.Put(keyFormat, binary.BigEndian.AppendUint32(nil, catalogueFormat))
		case len(stored) != 4:
			return failure.New(failure.Corrupt, "stream: catalogue", "format of %d bytes", len(stored))
		default:
			return checkVersion("catalogue format", int(binary.BigEndian.Uint32(stored)), catalogueFormat)
		}
	})
}

func checkVersion(what string, found, known int) error {
	if found > known {
		return failure.New(failure.NewerVersion, "stream: catalogue",
			"%s %d is newer than %d; use a newer release", what, found, known)
	}
	if found < 1 {
		return failure.New(failure.Corrupt, "stream: catalogue", "%s %d", what, found)
	}
	return nil
}

// load returns all streams, sorted by name.
func (c *catalogue) load() ([]*row, error) {
	var rows []*row
	err := guarded(func() error {
		return c.database.View(func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketStreams).ForEach(func(name, value []byte) error {
				r, err := decodeRow(name, value)
				rows = append(rows, r)
				return err
			})
		})
	})
	return rows, err
}

// skipLogs makes sure that no log id up to last is given out, which matters only
// when the catalogue is older than the logs.
func (c *catalogue) skipLogs(last uint64) error {
	return c.database.Update(func(tx *bbolt.Tx) error {
		counters := tx.Bucket(bucketCounters)
		if stored := counters.Get(keyLogCounter); len(stored) == 8 && binary.BigEndian.Uint64(stored) >= last {
			return nil
		}
		return counters.Put(keyLogCounter, binary.BigEndian.AppendUint64(nil, last))
	})
}

// reserve gives the row its stream id and its shards their log ids and stores
// the intent to create it. A name that is taken is AlreadyExists, or Conflict
// while its last owner is still being deleted.
func (c *catalogue) reserve(r *row) error {
	return c.database.Update(func(tx *bbolt.Tx) error {
		streams, counters := tx.Bucket(bucketStreams), tx.Bucket(bucketCounters)
		if value := streams.Get([]byte(r.Name)); value != nil {
			return taken(r.Name, value)
		}
		number, err := advance(counters, keyStreamCounter)
		if err != nil {
			return err
		}
		r.ID = streamID(number)
		if err := numberLogs(counters, r.Shards); err != nil {
			return err
		}
		if err := tx.Bucket(bucketIDs).Put(binary.BigEndian.AppendUint64(nil, r.ID), []byte(r.Name)); err != nil {
			return err
		}
		return putRow(streams, r)
	})
}

func taken(name string, value []byte) error {
	kind, detail := failure.AlreadyExists, "the name is taken"
	if old, err := decodeRow([]byte(name), value); err == nil && old.State != stateActive {
		kind, detail = failure.Conflict, "a stream of that name is still being deleted"
	}
	err := failure.New(kind, "stream: create", "%s", detail)
	err.Stream = name
	return err
}

// streamID makes a counter an id. The upper bits are random, so that a client
// with the id of a stream from a data directory that has since been wiped does
// not write into another; 53 bits survive any JSON reader.
func streamID(number uint64) uint64 {
	return number&(1<<32-1) | uint64(rand.Uint32N(1<<21))<<32
}

// numberLogs gives shards the ids of their logs.
func numberLogs(counters *bbolt.Bucket, shards []shardRow) (err error) {
	for i := range shards {
		if shards[i].Log, err = advance(counters, keyLogCounter); err != nil {
			return err
		}
	}
	return nil
}

// activate makes a stream that was reserved exist, and its first documents with it.
func (c *catalogue) activate(r *row, documents []Document) error {
	return c.database.Update(func(tx *bbolt.Tx) error {
		changed := r.copy()
		changed.State = stateActive
		tx.OnCommit(func() { *r = *changed })
		to := newDocumentTx(tx, r.ID)
		for _, d := range documents {
			if err := to.Put(d.Key, d.Value); err != nil {
				return err
			}
		}
		return putRow(tx.Bucket(bucketStreams), changed)
	})
}

// condemn stores that a stream is to be deleted.
func (c *catalogue) condemn(r *row) error {
	changed := r.copy()
	changed.State = stateDeleting
	return c.replace(r, changed)
}

// replace stores the changed row in place of r, and changes r to it when that is
// done. After an error it may be done all the same.
func (c *catalogue) replace(r, changed *row) error {
	return c.database.Update(func(tx *bbolt.Tx) error {
		tx.OnCommit(func() { *r = *changed })
		return putRow(tx.Bucket(bucketStreams), changed)
	})
}

// intend stores the intent to add shards to a stream, and gives them the ids of
// their logs.
func (c *catalogue) intend(r *row, shards []shardRow) error {
	return c.database.Update(func(tx *bbolt.Tx) error {
		if err := numberLogs(tx.Bucket(bucketCounters), shards); err != nil {
			return err
		}
		changed := r.copy()
		changed.Intent = shards
		tx.OnCommit(func() { *r = *changed })
		return putRow(tx.Bucket(bucketStreams), changed)
	})
}

// remove forgets a stream and its documents.
func (c *catalogue) remove(r *row) error {
	return c.database.Update(func(tx *bbolt.Tx) error {
		if err := tx.Bucket(bucketIDs).Delete(binary.BigEndian.AppendUint64(nil, r.ID)); err != nil {
			return err
		}
		if err := newDocumentTx(tx, r.ID).clear(); err != nil {
			return err
		}
		return tx.Bucket(bucketStreams).Delete([]byte(r.Name))
	})
}

func (c *catalogue) close() error { return c.database.Close() }

// advance returns the next number of a counter.
func advance(counters *bbolt.Bucket, key []byte) (uint64, error) {
	var next uint64 = 1
	if stored := counters.Get(key); len(stored) == 8 {
		next = binary.BigEndian.Uint64(stored) + 1
	} else if stored != nil {
		return 0, failure.New(failure.Corrupt, "stream: catalogue", "counter %s of %d bytes", key, len(stored))
	}
	return next, counters.Put(key, binary.BigEndian.AppendUint64(nil, next))
}
