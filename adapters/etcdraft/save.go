package etcdraft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

// partitionKey is that of every entry.
const partitionKey = "raft"

// indexMax bounds the index of a snapshot: a log does not begin behind it.
const indexMax = 1 << 62

// Save makes durable what a Ready says must be, before its messages are sent:
// the snapshot and the hard state, then the entries. If it fails the node must
// not go on, except that it may call Save again with the same Ready after
// failure.NoSpace.
func (s *Storage) Save(ready raft.Ready) error {
	if !raft.IsEmptySnap(ready.Snapshot) {
		if err := s.applySnapshot(ready.Snapshot, ready.HardState); err != nil && !errors.Is(err, raft.ErrSnapOutOfDate) {
			return err
		}
	}
	if !raft.IsEmptyHardState(ready.HardState) {
		if err := s.SetHardState(ready.HardState); err != nil {
			return err
		}
	}
	return s.Append(ready.Entries)
}

// SetHardState saves the hard state. A term or vote that differs is durable when
// it returns nil; a commit index alone may be lost with the power.
func (s *Storage) SetHardState(st *pb.HardState) error {
	s.write.Lock()
	defer s.write.Unlock()
	if proto.Equal(st, s.hard) {
		return nil
	}
	d := record.None
	if raft.MustSync(st, s.hard, 0) {
		d = record.Group
	}
	b, err := marshal(st)
	if err == nil {
		err = s.values.Put(context.Background(), d, map[string][]byte{hardKey: b})
	}
	if err != nil {
		return fmt.Errorf("etcdraft: hard state: %w", err)
	}
	s.read.Lock()
	defer s.read.Unlock()
	s.hard = proto.CloneOf(st)
	return nil
}

// Append saves entries, which follow each other. Those that were compacted are
// left out; what is stored from the first of the others on is replaced. All are
// durable when it returns nil. A gap behind what is stored is
// failure.InvalidArgument.
func (s *Storage) Append(entries []*pb.Entry) error {
	s.write.Lock()
	defer s.write.Unlock()
	for len(entries) > 0 && entries[0].GetIndex() <= s.base.index {
		entries = entries[1:]
	}
	if len(entries) == 0 {
		return nil
	}
	records := make([]record.Record, len(entries))
	for i, e := range entries {
		if want := entries[0].GetIndex() + uint64(i); e.GetIndex() != want {
			return failure.New(failure.InvalidArgument, "etcdraft: append", "entry %d stands where %d must be", e.GetIndex(), want)
		}
		b, err := encodeEntry(e)
		if err != nil {
			return err
		}
		records[i] = record.Record{PartitionKey: partitionKey, Data: b}
	}
	first := entries[0].GetIndex()
	if last := s.last(); first > last+1 {
		return failure.New(failure.InvalidArgument, "etcdraft: append", "entry %d does not follow the last one, %d", first, last)
	} else if first <= last {
		if err := s.cutAfter(first - 1); err != nil {
			return err
		}
	}
	placed, err := s.entries.AppendEach(context.Background(), records)
	if err == nil {
		return nil
	}
	if placed.First != 0 {
		err = errors.Join(err, s.cutAfter(first-1))
	}
	return fmt.Errorf("etcdraft: append: %w", err)
}

func (s *Storage) cutAfter(index uint64) error {
	s.read.Lock()
	defer s.read.Unlock()
	if err := s.entries.CutAfter(context.Background(), index); err != nil {
		return fmt.Errorf("etcdraft: cut after %d: %w", index, err)
	}
	return nil
}

// ApplySnapshot replaces everything by the snapshot: the next entry is the one
// behind it. It is durable when it returns nil. A snapshot that is not newer
// than the one stored is raft.ErrSnapOutOfDate.
func (s *Storage) ApplySnapshot(snap *pb.Snapshot) error { return s.applySnapshot(snap, nil) }

func (s *Storage) applySnapshot(snap *pb.Snapshot, hard *pb.HardState) error {
	s.write.Lock()
	defer s.write.Unlock()
	s.read.Lock()
	defer s.read.Unlock()
	snap = pb.EnsureSnapshot(proto.CloneOf(snap))
	base := position{snap.GetMetadata().GetIndex(), snap.GetMetadata().GetTerm()}
	if known := s.snap.GetMetadata().GetIndex(); known != 0 && known >= base.index {
		return raft.ErrSnapOutOfDate
	}
	if base.index >= indexMax {
		return failure.New(failure.InvalidArgument, "etcdraft: snapshot", "index %d exceeds %d", base.index, uint64(indexMax))
	}
	values := map[string][]byte{
		baseKey:    base.encode(),
		restartKey: binary.LittleEndian.AppendUint64(nil, base.index+1),
	}
	if !raft.IsEmptyHardState(hard) {
		b, err := marshal(hard)
		if err != nil {
			return err
		}
		values[hardKey] = b
	}
	if err := s.putSnapshot(snap, values); err != nil {
		return err
	}
	// From here on a crash is followed by finishRestart.
	if err := s.finishRestart(); err != nil {
		return fmt.Errorf("etcdraft: snapshot %d: %w", base.index, err)
	}
	s.base = base
	if !raft.IsEmptyHardState(hard) {
		s.hard = proto.CloneOf(hard)
	}
	return nil
}

// putSnapshot makes the snapshot durable, together with other values.
func (s *Storage) putSnapshot(snap *pb.Snapshot, others map[string][]byte) error {
	b, err := marshal(snap)
	if err != nil {
		return err
	}
	values := map[string][]byte{snapshotKey: b}
	maps.Copy(values, others)
	if err := s.values.Put(context.Background(), record.Group, values); err != nil {
		return fmt.Errorf("etcdraft: snapshot %d: %w", snap.GetMetadata().GetIndex(), err)
	}
	s.snap = snap
	return nil
}

// CreateSnapshot makes and stores the snapshot of the state after entry i, and
// returns it. A nil configuration keeps the one of the snapshot before. It
// removes no entries: see Compact.
func (s *Storage) CreateSnapshot(i uint64, cs *pb.ConfState, data []byte) (*pb.Snapshot, error) {
	s.write.Lock()
	defer s.write.Unlock()
	s.read.Lock()
	defer s.read.Unlock()
	if i <= s.snap.GetMetadata().GetIndex() {
		return nil, raft.ErrSnapOutOfDate
	}
	term, err := s.term(i)
	if err != nil {
		return nil, err
	}
	snap := pb.EnsureSnapshot(proto.CloneOf(s.snap))
	snap.Metadata.Index, snap.Metadata.Term, snap.Data = new(i), new(term), data
	if cs != nil {
		snap.Metadata.ConfState = proto.CloneOf(cs)
	}
	if err := s.putSnapshot(snap, nil); err != nil {
		return nil, err
	}
	return proto.CloneOf(snap), nil
}

// Compact removes the entries up to and including i. It is durable when it
// returns nil; files go as soon as all their entries have. The application must have
// applied entry i, and stored a snapshot that is not older.
func (s *Storage) Compact(i uint64) error {
	s.write.Lock()
	defer s.write.Unlock()
	s.read.Lock()
	defer s.read.Unlock()
	if i <= s.base.index {
		return raft.ErrCompacted
	}
	term, err := s.term(i)
	if err != nil {
		return err
	}
	base := position{i, term}
	if err := s.values.Put(context.Background(), record.Group, map[string][]byte{baseKey: base.encode()}); err != nil {
		return fmt.Errorf("etcdraft: compact: %w", err)
	}
	s.base = base
	if err := s.entries.TrimBefore(i + 1); err != nil {
		return fmt.Errorf("etcdraft: compact: %w", err)
	}
	return nil
}

func marshal(m proto.Message) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend([]byte{}, m)
	if err != nil {
		return nil, failure.Wrap(failure.InvalidArgument, "etcdraft: encode", err)
	}
	return b, nil
}
