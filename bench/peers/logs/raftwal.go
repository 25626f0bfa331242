package main

import (
	"context"
	"errors"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"

	"github.com/millrace-io/millrace/bench/target"
)

// raftWAL is github.com/hashicorp/raft-wal.
func raftWAL() target.Target {
	return library{
		name: "raft-wal", module: "github.com/hashicorp/raft-wal", durabilities: []target.Durability{target.Group},
		notes: "64 MiB segments; always syncs; checksums are checked in the last segment on opening, not on reading; " +
			"added: a committer, as it does not combine appends; its database of segments is handed in, because its Close leaves that open",
		open: func(c target.Config) (target.Session, error) { return openTailed(c, openRaftWAL) },
	}
}

// openRaftWAL opens the log of a shard.
func openRaftWAL(dir string) (openedLog, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return openedLog{}, err
	}
	l := new(raftLog)
	var err error
	l.WAL, err = raftwal.Open(dir, raftwal.WithMetaStore(&l.meta), raftwal.WithSegmentSize(64<<20), raftwal.WithLogger(hclog.NewNullLogger()))
	if err != nil {
		return openedLog{}, errors.Join(err, l.meta.Close())
	}
	last, err := l.LastIndex()
	return openedLog{writer: l, last: last}, err
}

// raftLog is an open log. The database of its segments is ours to close.
type raftLog struct {
	*raftwal.WAL
	meta    metadb.BoltMetaDB
	entries []*raft.Log
}

// write implements writer.
func (l *raftLog) write(first uint64, records [][]byte) error {
	for len(l.entries) < len(records) {
		l.entries = append(l.entries, new(raft.Log))
	}
	entries := l.entries[:len(records)]
	for i, record := range records {
		entries[i].Index, entries[i].Data = first+uint64(i), record
	}
	err := l.StoreLogs(entries)
	for _, entry := range entries {
		entry.Data = nil
	}
	return err
}

// scan implements writer.
func (l *raftLog) scan(ctx context.Context, last uint64, visit func([]byte)) error {
	return scanCursor(ctx, &raftCursor{log: l}, last, visit)
}

// get implements keyedWriter.
func (l *raftLog) get(index uint64, visit func([]byte)) error {
	var entry raft.Log
	if err := l.GetLog(index, &entry); err != nil {
		return err
	}
	visit(entry.Data)
	return nil
}

// after implements tailedWriter.
func (l *raftLog) after(index uint64) (cursor, error) { return &raftCursor{log: l, index: index}, nil }

// Close closes the log and then the database that it leaves open.
func (l *raftLog) Close() error { return errors.Join(l.WAL.Close(), l.meta.Close()) }

// raftCursor reads by index.
type raftCursor struct {
	log   *raftLog
	index uint64
	entry raft.Log
}

// next implements cursor.
func (c *raftCursor) next() ([]byte, error) {
	c.index++
	err := c.log.GetLog(c.index, &c.entry)
	return c.entry.Data, err
}

// Close implements cursor.
func (c *raftCursor) Close() error { return nil }
