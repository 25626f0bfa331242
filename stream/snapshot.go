package stream

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/millrace-io/millrace/failure"
)

const (
	// snapshotHead is at least the two meta pages of the database, whatever the
	// size of a page: 64 KiB are the largest there are.
	snapshotHead = 2 * 64 << 10
	// snapshotTries bounds how often a catalogue that changes meanwhile is read.
	snapshotTries = 20
)

// SnapshotCatalogue returns the bytes of the catalogue of a data directory, which
// a live store may have open, as they are after one of its transactions. It calls
// during while no transaction commits: what during reads of the logs is of the
// same moment, and opens together with the catalogue. It may call it several
// times, and the last call counts. A directory without a catalogue, as package
// wal makes it, has nil.
//
// Why a copy of a database that is being written is good: bbolt never writes to a
// page that the last committed transaction uses, and it publishes the next one by
// writing one of the two meta pages, after everything else. A copy during which the meta
// pages do not change thus holds every page of the transaction that they name;
// what else it holds is free. The copy is opened and checked before it is
// returned, in a file of scratch, a folder of the caller.
func SnapshotCatalogue(dir, scratch string, during func() error) ([]byte, error) {
	path := filepath.Join(dir, catalogueFile)
	var last error
	for range snapshotTries {
		before, err := head(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, during()
		}
		if err != nil {
			return nil, err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := during(); err != nil {
			return nil, err
		}
		after, err := head(path)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(before, after) || !bytes.HasPrefix(b, before) {
			last = failure.New(failure.Conflict, "stream: snapshot of "+path, "the catalogue changes all the time; try again")
			continue
		}
		if last = checkCatalogue(b, scratch); last == nil {
			return b, nil
		}
	}
	return nil, last
}

// head returns the beginning of a file.
func head(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b := make([]byte, snapshotHead)
	n, err := file.ReadAt(b, 0)
	if n == 0 {
		return nil, err
	}
	return b[:n], nil // a shorter file is whole
}

// checkCatalogue opens a copy and reads everything in it.
func checkCatalogue(b []byte, scratch string) error {
	path := filepath.Join(scratch, catalogueFile)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }() // the caller removes the folder anyway
	return guarded(func() error {
		// The list of free pages is loaded here and not by whoever restores it.
		database, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockPatience, ReadOnly: true, PreLoadFreelist: true})
		if err != nil {
			return failure.Wrap(openKind(err), "stream: snapshot of the catalogue", err)
		}
		defer func() { _ = database.Close() }() // it was only read
		err = database.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(_ []byte, bucket *bbolt.Bucket) error {
				return bucket.ForEach(func(_, _ []byte) error { return nil })
			})
		})
		if err != nil {
			return failure.Wrap(failure.Corrupt, "stream: snapshot of the catalogue", err)
		}
		_, err = (&catalogue{database}).load()
		return err
	})
}
