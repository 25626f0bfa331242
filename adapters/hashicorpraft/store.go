package hashicorpraft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"

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

// Keys of the values: those of Raft have a prefix, so that they cannot meet ours.
const (
	raftPrefix = "raft/"
	firstKey   = "first" // the first index kept: a trim of the log removes whole segments only
)

// partitionKey is that of every entry.
const partitionKey = "raft"

// Store is the log and the stable values of one Raft server. Its methods may be
// called concurrently.
type Store struct {
	dir     *wal.Dir
	entries *wal.Log
	values  *stable.Store

	write sync.Mutex   // one change of the entries at a time; taken before read
	read  sync.RWMutex // held by readers, and by whoever removes entries; guards first
	first uint64       // the first index kept, or the next one when there is none
}

var (
	_ raft.LogStore          = (*Store)(nil)
	_ raft.MonotonicLogStore = (*Store)(nil)
	_ raft.StableStore       = (*Store)(nil)
)

// Open opens the store in the directory path, creating it if it is missing. One
// process at a time may do so: another gets failure.Conflict.
func Open(path string, o wal.Options) (*Store, error) {
	d, err := wal.OpenDir(path, o)
	if err != nil {
		return nil, fmt.Errorf("hashicorpraft: %w", err)
	}
	s, err := open(d)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("hashicorpraft: %w", err), d.Close())
	}
	return s, nil
}

func open(d *wal.Dir) (*Store, error) {
	if len(d.Logs()) == 0 {
		if err := d.CreateLogs(entriesLog, valuesLog); err != nil {
			return nil, err
		}
	}
	entries, err := d.OpenLog(entriesLog, wal.LogOptions{})
	if err != nil {
		return nil, err
	}
	values, err := d.OpenLog(valuesLog, wal.LogOptions{})
	if err != nil {
		return nil, err
	}
	for _, l := range []*wal.Log{entries, values} {
		if err := l.Err(); err != nil {
			return nil, err // damaged: a server that votes must not forget
		}
	}
	s := &Store{dir: d, entries: entries, first: entries.Stats().First}
	if s.values, err = stable.Open(values); err != nil {
		return nil, err
	}
	first, err := number(s.values.Get(firstKey))
	if err != nil {
		return nil, err
	}
	s.first = max(s.first, first)
	return s, nil
}

// Close closes the store. It must not be called before raft.Raft has shut down.
func (s *Store) Close() error { return s.dir.Close() }

// IsMonotonic implements raft.MonotonicLogStore: entries have no gaps.
func (s *Store) IsMonotonic() bool { return true }

// FirstIndex implements raft.LogStore.
func (s *Store) FirstIndex() (uint64, error) {
	first, last := s.bounds()
	if first > last {
		return 0, nil
	}
	return first, nil
}

// LastIndex implements raft.LogStore.
func (s *Store) LastIndex() (uint64, error) {
	first, last := s.bounds()
	if first > last {
		return 0, nil
	}
	return last, nil
}

// bounds returns the indexes kept; there are none if first is behind last.
func (s *Store) bounds() (first, last uint64) {
	s.read.RLock()
	defer s.read.RUnlock()
	return s.first, s.entries.Next() - 1
}

// GetLog implements raft.LogStore. The entry is a copy. One that is not there is
// raft.ErrLogNotFound.
func (s *Store) GetLog(index uint64, l *raft.Log) error {
	s.read.RLock()
	defer s.read.RUnlock()
	if index < s.first || index >= s.entries.Next() {
		return raft.ErrLogNotFound
	}
	c, err := s.entries.Cursor(record.AtSequence(index))
	if err != nil {
		return fmt.Errorf("hashicorpraft: entry %d: %w", index, err)
	}
	defer c.Close()
	if !c.TryNext() {
		return fmt.Errorf("hashicorpraft: entry %d cannot be read: %w", index, c.Err())
	}
	l.Index = index
	if err := decode(c.View().Data, l); err != nil {
		return fmt.Errorf("hashicorpraft: entry %d: %w", index, err)
	}
	return nil
}

// StoreLog implements raft.LogStore.
func (s *Store) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore. The entries must follow each other and the
// last one stored; only an empty store takes any. All are durable when it
// returns nil, and none is stored when it fails, unless the store is poisoned.
func (s *Store) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	s.write.Lock()
	defer s.write.Unlock()
	records := make([]record.Record, len(logs))
	for i, l := range logs {
		if l.Index != logs[0].Index+uint64(i) || l.Index == 0 {
			return failure.New(failure.InvalidArgument, "hashicorpraft: store", "entry %d does not follow entry %d", l.Index, logs[0].Index+uint64(i)-1)
		}
		records[i] = record.Record{PartitionKey: partitionKey, Data: encode(l)}
	}
	if err := s.placeAt(logs[0].Index); err != nil {
		return err
	}
	ctx := context.Background() // Raft has none: a disk that hangs is the caller's
	placed, err := s.entries.AppendEach(ctx, records)
	if err == nil {
		return nil
	}
	if placed.First != 0 {
		err = errors.Join(err, s.entries.CutAfter(ctx, logs[0].Index-1))
	}
	return fmt.Errorf("hashicorpraft: store: %w", err)
}

// placeAt makes index the next one of an empty store, and refuses it otherwise
// unless it is.
func (s *Store) placeAt(index uint64) error {
	s.read.Lock()
	defer s.read.Unlock()
	next := s.entries.Next()
	if index == next && s.first <= next {
		return nil
	}
	if s.first < next {
		return failure.New(failure.InvalidArgument, "hashicorpraft: store",
			"entry %d does not follow the last one, %d; delete from there on first", index, next-1)
	}
	return s.restart(index)
}

// restart empties the store and makes next the index to come. The caller holds
// both locks.
func (s *Store) restart(next uint64) error {
	// A bound of before must not hide what comes: it is lowered first.
	known, err := number(s.values.Get(firstKey))
	if err == nil && known > next {
		err = s.put(firstKey, bytesOf(next))
	}
	if err != nil {
		return err
	}
	if err := s.entries.Restart(context.Background(), next); err != nil {
		return fmt.Errorf("hashicorpraft: restart: %w", err)
	}
	s.first = next
	return nil
}

// DeleteRange implements raft.LogStore: a prefix, a suffix or all. To delete in
// the middle is failure.InvalidArgument. It is durable when it returns.
func (s *Store) DeleteRange(low, high uint64) error {
	s.write.Lock()
	defer s.write.Unlock()
	s.read.Lock()
	defer s.read.Unlock()
	next := s.entries.Next()
	switch {
	case low > high || high < s.first || low >= next:
		return nil // nothing is there
	case low <= s.first && high >= next-1:
		return s.restart(next)
	case low <= s.first:
		return s.deletePrefix(high + 1)
	case high >= next-1:
		if err := s.entries.CutAfter(context.Background(), low-1); err != nil {
			return fmt.Errorf("hashicorpraft: delete from %d on: %w", low, err)
		}
		return nil
	}
	return failure.New(failure.InvalidArgument, "hashicorpraft: delete",
		"entries %d to %d are in the middle of %d to %d; only a prefix or a suffix can go", low, high, s.first, next-1)
}

func (s *Store) deletePrefix(first uint64) error {
	if err := s.put(firstKey, bytesOf(first)); err != nil {
		return err
	}
	s.first = first
	if err := s.entries.TrimBefore(first); err != nil {
		return fmt.Errorf("hashicorpraft: delete before %d: %w", first, err)
	}
	return nil
}

func (s *Store) put(key string, value []byte) error {
	if err := s.values.Put(context.Background(), record.Group, map[string][]byte{key: value}); err != nil {
		return fmt.Errorf("hashicorpraft: %w", err)
	}
	return nil
}

// Set implements raft.StableStore. The value is durable when it returns nil.
func (s *Store) Set(key, value []byte) error {
	return s.put(raftPrefix+string(key), append([]byte{}, value...))
}

// Get implements raft.StableStore: a key that was never set has an empty value.
// The caller must not change what it gets.
func (s *Store) Get(key []byte) ([]byte, error) {
	return s.values.Get(raftPrefix + string(key)), nil
}

// SetUint64 implements raft.StableStore, as Set does.
func (s *Store) SetUint64(key []byte, value uint64) error { return s.Set(key, bytesOf(value)) }

// GetUint64 implements raft.StableStore: a key that was never set has the value
// 0, and one whose value is no number is failure.InvalidArgument.
func (s *Store) GetUint64(key []byte) (uint64, error) {
	return number(s.values.Get(raftPrefix + string(key)))
}

func bytesOf(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func number(b []byte) (uint64, error) {
	switch len(b) {
	case 0:
		return 0, nil
	case 8:
		return binary.LittleEndian.Uint64(b), nil
	}
	return 0, failure.New(failure.InvalidArgument, "hashicorpraft: get", "the value has %d bytes: it is not a number", len(b))
}
