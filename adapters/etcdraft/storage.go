package etcdraft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
	"github.com/millrace-io/millrace/wal/stable"
)

// Ids of the two logs in the directory.
const (
	entriesLog = 1
	valuesLog  = 2
)

// Storage is what one Raft node keeps on disk. Its methods may be called
// concurrently: reads do not wait for a Save that only appends, so that
// raft.Config.AsyncStorageWrites is of use.
type Storage struct {
	dir     *wal.Dir
	entries *wal.Log
	values  *stable.Store

	write sync.Mutex   // one change at a time; taken before read
	read  sync.RWMutex // held by readers, and by whoever removes entries; guards the fields below
	hard  *pb.HardState
	snap  *pb.Snapshot
	base  position // the entry before the first one kept
}

var _ raft.Storage = (*Storage)(nil)

// Open opens the storage in the directory path, creating it if it is missing.
// One process at a time may do so: another gets failure.Conflict.
func Open(path string, o wal.Options) (*Storage, error) {
	d, err := wal.OpenDir(path, o)
	if err != nil {
		return nil, fmt.Errorf("etcdraft: %w", err)
	}
	s := &Storage{dir: d}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("etcdraft: %w", err), d.Close())
	}
	return s, nil
}

func (s *Storage) open() (err error) {
	if len(s.dir.Logs()) == 0 {
		if err := s.dir.CreateLogs(entriesLog, valuesLog); err != nil {
			return err
		}
	}
	if s.entries, err = s.dir.OpenLog(entriesLog, wal.LogOptions{}); err != nil {
		return err
	}
	values, err := s.dir.OpenLog(valuesLog, wal.LogOptions{Durability: record.None})
	if err != nil {
		return err
	}
	for _, l := range []*wal.Log{s.entries, values} {
		if err := l.Err(); err != nil {
			return err // damaged: a node that votes must not forget
		}
	}
	if s.values, err = stable.Open(values); err != nil {
		return err
	}
	if err := s.finishRestart(); err != nil {
		return err
	}
	return s.load()
}

// load reads the values and brings the commit index into the bounds of the
// entries: it is not synced with them.
func (s *Storage) load() (err error) {
	if s.base, err = decodePosition(s.values.Get(baseKey)); err != nil {
		return err
	}
	s.snap = new(pb.Snapshot)
	if err := proto.Unmarshal(s.values.Get(snapshotKey), s.snap); err != nil {
		return failure.Wrap(failure.Corrupt, "snapshot", err)
	}
	pb.EnsureSnapshot(s.snap)
	if b := s.values.Get(hardKey); b != nil {
		s.hard = new(pb.HardState)
		if err := proto.Unmarshal(b, s.hard); err != nil {
			return failure.Wrap(failure.Corrupt, "hard state", err)
		}
		s.hard.Commit = new(min(max(s.hard.GetCommit(), s.base.index), s.last()))
	}
	if first, next := s.entries.Stats().First, s.entries.Next(); first > s.base.index+1 || next <= s.base.index {
		return failure.New(failure.Corrupt, "entries", "they are %d to %d, but must follow %d", first, next-1, s.base.index)
	}
	return nil
}

// Close closes the storage. The node must not use it any more.
func (s *Storage) Close() error { return s.dir.Close() }

// last returns the index of the last entry.
func (s *Storage) last() uint64 { return s.entries.Next() - 1 }

// InitialState implements raft.Storage.
func (s *Storage) InitialState() (*pb.HardState, *pb.ConfState, error) {
	s.read.RLock()
	defer s.read.RUnlock()
	return s.hard, pb.EnsureConfState(proto.CloneOf(s.snap.GetMetadata().GetConfState())), nil
}

// FirstIndex implements raft.Storage.
func (s *Storage) FirstIndex() (uint64, error) {
	s.read.RLock()
	defer s.read.RUnlock()
	return s.base.index + 1, nil
}

// LastIndex implements raft.Storage.
func (s *Storage) LastIndex() (uint64, error) {
	s.read.RLock()
	defer s.read.RUnlock()
	return s.last(), nil
}

// Term implements raft.Storage.
func (s *Storage) Term(i uint64) (uint64, error) {
	s.read.RLock()
	defer s.read.RUnlock()
	return s.term(i)
}

// term is Term with the lock held.
func (s *Storage) term(i uint64) (uint64, error) {
	switch {
	case i < s.base.index:
		return 0, raft.ErrCompacted
	case i == s.base.index:
		return s.base.term, nil
	case i > s.last():
		return 0, raft.ErrUnavailable
	}
	var term uint64
	err := s.visit(i, func(b []byte) (more bool, err error) {
		term, err = decodeTerm(b)
		return false, err
	})
	return term, err
}

// Entries implements raft.Storage. The entries are copies.
func (s *Storage) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	s.read.RLock()
	defer s.read.RUnlock()
	switch {
	case lo <= s.base.index:
		return nil, raft.ErrCompacted
	case hi > s.last()+1 || lo > hi || s.last() == s.base.index:
		return nil, raft.ErrUnavailable
	case lo == hi:
		return nil, nil
	}
	var entries []*pb.Entry
	size := uint64(0)
	err := s.visit(lo, func(b []byte) (more bool, err error) {
		index := lo + uint64(len(entries))
		e, err := decodeEntry(b, index)
		if err != nil {
			return false, err
		}
		if size += uint64(proto.Size(e)); size > maxSize && len(entries) > 0 {
			return false, nil
		}
		entries = append(entries, e)
		return index+1 < hi, nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// visit hands the records from index i on to f until it wants no more. All that
// it asks for must be there.
func (s *Storage) visit(i uint64, f func([]byte) (more bool, err error)) error {
	c, err := s.entries.Cursor(record.AtSequence(i))
	if err != nil {
		return fmt.Errorf("etcdraft: entry %d: %w", i, err)
	}
	defer c.Close()
	for more := true; more; i++ {
		if !c.TryNext() {
			return fmt.Errorf("etcdraft: entry %d cannot be read: %w", i, c.Err())
		}
		if more, err = f(c.View().Data); err != nil {
			return fmt.Errorf("etcdraft: entry %d: %w", i, err)
		}
	}
	return nil
}

// Snapshot implements raft.Storage. It is a copy.
func (s *Storage) Snapshot() (*pb.Snapshot, error) {
	s.read.RLock()
	defer s.read.RUnlock()
	return proto.CloneOf(s.snap), nil
}

// finishRestart does what a crash has left undone of a snapshot's installation.
func (s *Storage) finishRestart() error {
	b := s.values.Get(restartKey)
	if b == nil {
		return nil
	}
	if len(b) != 8 {
		return failure.New(failure.NotOurs, "etcdraft", "a number of %d bytes", len(b))
	}
	ctx := context.Background()
	if err := s.entries.Restart(ctx, binary.LittleEndian.Uint64(b)); err != nil {
		return err
	}
	// Durable before the first entry behind it: it must not be done twice.
	return s.values.Put(ctx, record.Group, map[string][]byte{restartKey: nil})
}
