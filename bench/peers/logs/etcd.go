package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/millrace-io/millrace/bench/target"
)

// etcdWAL is the log of etcd.
func etcdWAL() target.Target {
	return library{
		name: "etcd-wal", module: "go.etcd.io/etcd/server/v3", durabilities: groupAndNone,
		checks: true,
		notes: "64 MB segments; none: every call is handed to the kernel; checksums are checked on reading, which is of the whole log into memory, " +
			"and so is opening; it cannot be read at its end while it grows; added: a committer, as it does not combine appends",
		open: func(c target.Config) (target.Session, error) {
			s, err := openCommitted(c, func(dir string) (openedLog, error) { return openEtcd(dir, c) })
			if err != nil {
				return nil, err
			}
			return &s, nil
		},
	}
}

// openEtcd makes the log of a shard, or opens it and reads all of it, without
// which it would not take anything new.
func openEtcd(dir string, c target.Config) (openedLog, error) {
	var (
		log     *wal.WAL
		entries []*raftpb.Entry
		err     error
	)
	if c.Reopen {
		log, entries, err = reopenEtcd(dir)
	} else if err = os.MkdirAll(filepath.Dir(dir), 0o755); err == nil {
		log, err = wal.Create(nil, dir, nil)
	}
	if err != nil {
		return openedLog{}, err
	}
	if c.Durability == target.None {
		log.SetUnsafeNoFsync()
	}
	return openedLog{writer: &etcdLog{WAL: log, dir: dir}, last: uint64(len(entries))}, nil
}

// reopenEtcd does what etcd does when it starts: a log that ends in the middle
// of a record is repaired, once.
func reopenEtcd(dir string) (*wal.WAL, []*raftpb.Entry, error) {
	for repaired := false; ; repaired = true {
		log, err := wal.Open(nil, dir, &walpb.Snapshot{})
		if err != nil {
			return nil, nil, err
		}
		_, _, entries, err := log.ReadAll()
		if err == nil {
			return log, entries, nil
		}
		err = errors.Join(err, log.Close())
		if repaired || !errors.Is(err, io.ErrUnexpectedEOF) || !wal.Repair(nil, dir) {
			return nil, nil, err
		}
	}
}

// etcdLog is an open log.
type etcdLog struct {
	*wal.WAL
	dir     string
	entries []*raftpb.Entry
}

// write implements writer. Save syncs when there are entries.
func (l *etcdLog) write(first uint64, records [][]byte) error {
	for len(l.entries) < len(records) {
		l.entries = append(l.entries, &raftpb.Entry{Index: new(uint64), Term: new(uint64), Type: raftpb.EntryNormal.Enum()})
	}
	entries := l.entries[:len(records)]
	for i, record := range records {
		*entries[i].Index, entries[i].Data = first+uint64(i), record
	}
	err := l.Save(nil, entries)
	for _, entry := range entries {
		entry.Data = nil
	}
	return err
}

// scan implements writer: it opens the log once more and reads all of it, there
// is no other way.
func (l *etcdLog) scan(ctx context.Context, last uint64, visit func([]byte)) error {
	reader, err := wal.OpenForRead(nil, l.dir, &walpb.Snapshot{})
	if err != nil {
		return err
	}
	// ReadAll closes the files; closing a log that is only read always fails,
	// because it has no directory open.
	_, _, entries, err := reader.ReadAll()
	if err != nil {
		return err
	}
	if uint64(len(entries)) < last {
		return fmt.Errorf("logs: etcd-wal read %d records of %d", len(entries), last)
	}
	for _, entry := range entries[:last] {
		visit(entry.Data)
	}
	return ctx.Err()
}
