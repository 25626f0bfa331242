package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/millrace-io/millrace/bench/target"
)

// bboltDatabase is go.etcd.io/bbolt.
func bboltDatabase() target.Target {
	return library{
		name: "bbolt", module: "go.etcd.io/bbolt", durabilities: groupAndNone,
		notes: "FillPercent 1, NoFreelistSync; a shard is a bucket, a record the bucket's sequence and its value; its own group commit: Batch of at most 64 appends or 1 ms, Update when there is one writer; " +
			"none: NoSync, every transaction is handed to the kernel; no checksums on reading",
		open: openBbolt,
	}
}

// openBbolt opens the databases and makes shards of them.
func openBbolt(c target.Config) (target.Session, error) {
	databases, err := openDatabases(c, func(dir string) (*bbolt.DB, error) { return openBboltFile(dir, c) })
	if err != nil {
		return nil, err
	}
	return asSession(sessionOn(c, databases, func(database *bbolt.DB, shard int) (tailedLog, error) {
		b := &bboltShard{database: database, bucket: appendKey(nil, shard, 0)[:keyBytes-sequenceBits/8], commit: database.Update}
		// Batch is useful only when several goroutines call it, its
		// documentation says: it waits for company.
		if c.Durability == target.Group && c.Writers > 1 {
			b.commit = database.Batch
		}
		if c.Reopen {
			return b, nil
		}
		return b, database.Update(func(transaction *bbolt.Tx) error {
			_, err := transaction.CreateBucket(b.bucket)
			return err
		})
	}))
}

// openBboltFile opens the database in a directory.
func openBboltFile(dir string, c target.Config) (*bbolt.DB, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	database, err := bbolt.Open(filepath.Join(dir, "bbolt.db"), 0o644, &bbolt.Options{NoFreelistSync: true, NoSync: c.Durability == target.None})
	if err != nil {
		return nil, err
	}
	database.MaxBatchSize, database.MaxBatchDelay = 64, time.Millisecond
	return database, nil
}

// bboltShard is a bucket.
type bboltShard struct {
	database *bbolt.DB
	bucket   []byte
	// commit is the database's Batch or Update.
	commit func(func(*bbolt.Tx) error) error
	bell   bell
}

// put implements shardLog. The function may run more than once: what a
// transaction did that was not committed is gone, its sequences too.
func (b *bboltShard) put(records [][]byte) error {
	err := b.commit(func(transaction *bbolt.Tx) error {
		bucket := transaction.Bucket(b.bucket)
		bucket.FillPercent = 1
		for _, record := range records {
			sequence, err := bucket.NextSequence()
			if err != nil {
				return err
			}
			if err := bucket.Put(appendKey(make([]byte, 0, keyBytes), 0, sequence), record); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		b.bell.ring()
	}
	return err
}

// scan implements shardLog.
func (b *bboltShard) scan(ctx context.Context, visit func([]byte)) error {
	_, err := b.visitFrom(ctx, 0, visit)
	if err != nil {
		return err
	}
	return ctx.Err()
}

// get implements keyedLog. Sequences of a bucket begin at 1.
func (b *bboltShard) get(number uint64, visit func([]byte)) error {
	return b.database.View(func(transaction *bbolt.Tx) error {
		value := transaction.Bucket(b.bucket).Get(appendKey(make([]byte, 0, keyBytes), 0, number+1))
		if value == nil {
			return fmt.Errorf("logs: there is no record %d", number)
		}
		visit(value)
		return nil
	})
}

// follow implements tailedLog.
func (b *bboltShard) follow(ctx context.Context, ready func(), deliver func([]byte)) error {
	rung, leave := b.bell.listen()
	defer leave()
	var next uint64
	err := b.database.View(func(transaction *bbolt.Tx) error {
		next = transaction.Bucket(b.bucket).Sequence() + 1
		return nil
	})
	if err != nil {
		return err
	}
	ready()
	return followBell(ctx, rung, func() (err error) {
		next, err = b.visitFrom(ctx, next, deliver)
		return err
	})
}

// visitFrom visits the records from a sequence to the end, or until ctx ends,
// and returns the sequence that comes next.
func (b *bboltShard) visitFrom(ctx context.Context, sequence uint64, visit func([]byte)) (uint64, error) {
	err := b.database.View(func(transaction *bbolt.Tx) error {
		at := transaction.Bucket(b.bucket).Cursor()
		count := 0
		for key, value := at.Seek(appendKey(nil, 0, sequence)); key != nil; key, value = at.Next() {
			visit(value)
			sequence = sequenceOf(key) + 1
			if count++; count%askEvery == 0 && ctx.Err() != nil {
				break
			}
		}
		return nil
	})
	return sequence, err
}
