package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/millrace-io/millrace/bench/target"
)

// badgerDatabase is github.com/dgraph-io/badger.
func badgerDatabase() target.Target {
	return library{
		name: "badger", module: "github.com/dgraph-io/badger/v4", durabilities: groupAndNone,
		notes: "no compression, no detection of conflicts, value log of 64 MiB (not used below 1 MiB a record), else defaults; a record is a key of 8 bytes (shard and sequence) and its value, an append a transaction; " +
			"none: in a mapped file; checksums are not checked on reading by default; added: in group a committer, as it syncs once for every transaction, also of those that it commits together",
		open: openBadger,
	}
}

// badgerValueLogBytes is half of what badger makes its value log at once. Values
// of less than 1 MiB are not in it; with its default the copy of the files that
// a crash would leave has 2 GiB of zeros for each database.
const badgerValueLogBytes = 64 << 20

// openBadger opens the databases and makes shards of them.
func openBadger(c target.Config) (target.Session, error) {
	databases, err := openDatabases(c, func(dir string) (*badger.DB, error) {
		return badger.Open(badger.DefaultOptions(dir).WithSyncWrites(c.Durability == target.Group).
			WithCompression(options.None).WithDetectConflicts(false).WithValueLogFileSize(badgerValueLogBytes).WithLogger(nil))
	})
	if err != nil {
		return nil, err
	}
	return asSession(sessionOn(c, databases, func(database *badger.DB, shard int) (tailedLog, error) {
		b := &badgerShard{database: database, shard: shard}
		if c.Durability == target.Group {
			b.together = &committer{commit: b.commit}
		}
		return b, b.findEnd()
	}))
}

// badgerShard is a range of keys.
type badgerShard struct {
	database *badger.DB
	shard    int
	// next is the sequence of the next record. Goroutines take sequences before
	// they commit, so that commits can be combined.
	next atomic.Uint64
	bell bell
	// together combines appends into one transaction; nil when nothing is
	// synced. Badger writes the transactions of several goroutines in one go,
	// but syncs after each of them: with 64 goroutines this is ten times faster.
	together *committer
}

// prefix is what all keys of the shard begin with.
func (b *badgerShard) prefix() []byte { return appendKey(nil, b.shard, 0)[:keyBytes-sequenceBits/8] }

// findEnd sets next behind the last record.
func (b *badgerShard) findEnd() error {
	return b.database.View(func(transaction *badger.Txn) error {
		at := transaction.NewIterator(badger.IteratorOptions{Reverse: true, Prefix: b.prefix()})
		defer at.Close()
		if at.Seek(appendKey(nil, b.shard, 1<<sequenceBits-1)); at.Valid() {
			b.next.Store(sequenceOf(at.Item().Key()) + 1)
		}
		return nil
	})
}

// put implements shardLog.
func (b *badgerShard) put(records [][]byte) error {
	if b.together != nil {
		return b.together.put(records)
	}
	return b.commit(records)
}

// commit appends records in one transaction, or in several if it gets too big.
func (b *badgerShard) commit(records [][]byte) error {
	end := b.next.Add(uint64(len(records)))
	transaction := b.database.NewTransaction(true)
	defer func() { transaction.Discard() }()
	for i, record := range records {
		key := appendKey(make([]byte, 0, keyBytes), b.shard, end-uint64(len(records)-i))
		err := transaction.Set(key, record)
		if errors.Is(err, badger.ErrTxnTooBig) {
			// As its documentation says: commit, and go on in another one.
			if err = transaction.Commit(); err == nil {
				transaction = b.database.NewTransaction(true)
				err = transaction.Set(key, record)
			}
		}
		if err != nil {
			return err
		}
	}
	if err := transaction.Commit(); err != nil {
		return err
	}
	b.bell.ring()
	return nil
}

// scan implements shardLog.
func (b *badgerShard) scan(ctx context.Context, visit func([]byte)) error {
	prefix := b.prefix()
	return b.database.View(func(transaction *badger.Txn) error {
		iteration := badger.DefaultIteratorOptions
		iteration.Prefix = prefix
		at := transaction.NewIterator(iteration)
		defer at.Close()
		count := 0
		for at.Rewind(); at.ValidForPrefix(prefix); at.Next() {
			if err := visitItem(at.Item(), visit); err != nil {
				return err
			}
			if count++; count%askEvery == 0 && ctx.Err() != nil {
				break
			}
		}
		return ctx.Err()
	})
}

// visitItem calls visit with the value of an item.
func visitItem(item *badger.Item, visit func([]byte)) error {
	return item.Value(func(value []byte) error {
		visit(value)
		return nil
	})
}

// get implements keyedLog.
func (b *badgerShard) get(number uint64, visit func([]byte)) error {
	return b.database.View(func(transaction *badger.Txn) error {
		item, err := transaction.Get(appendKey(make([]byte, 0, keyBytes), b.shard, number))
		if err != nil {
			return err
		}
		return visitItem(item, visit)
	})
}

// follow implements tailedLog.
func (b *badgerShard) follow(ctx context.Context, ready func(), deliver func([]byte)) error {
	rung, leave := b.bell.listen()
	defer leave()
	next := b.next.Load()
	ready()
	return followBell(ctx, rung, func() error {
		return b.database.View(func(transaction *badger.Txn) error {
			for ctx.Err() == nil {
				item, err := transaction.Get(appendKey(nil, b.shard, next))
				if errors.Is(err, badger.ErrKeyNotFound) {
					return nil // whoever took this sequence rings when it is there
				}
				if err != nil {
					return err
				}
				if err := visitItem(item, deliver); err != nil {
					return err
				}
				next++
			}
			return nil
		})
	})
}
