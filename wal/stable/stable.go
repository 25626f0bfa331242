package stable

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

const (
	// BytesMax bounds the keys and values of a store together: they must fit
	// one batch.
	BytesMax = 8 << 20
	// KeysMax bounds their number.
	KeysMax = 4096
	// rewriteMin is what the log may hold beyond the live values before it is
	// rewritten, whatever they are.
	rewriteMin = 1 << 20
)

// A record is one key. Its partition key is "stable" always.
//
//	off size
//	  0    1  format   1
//	  1    1  state    1 the key has the value, 0 it has none any more
//	  2    2  length   of the key, little-endian
//	  4    k  key
//	  .    .  value, to the end
const (
	formatNow    = 1
	headSize     = 4
	partitionKey = "stable"
)

// Store is the newest values in one log. Its methods may be called
// concurrently. Closing the log is the caller's business.
type Store struct {
	mu     sync.Mutex // guards the fields below, and is held while they are written
	log    *wal.Log
	values map[string][]byte
	live   int // bytes of values with their keys
	logged int // bytes appended since the log began anew
}

// Open reads the log, in which only a Store has written. The durability of the
// log is the least that a Put can have.
func Open(l *wal.Log) (*Store, error) {
	s := &Store{log: l, values: make(map[string][]byte)}
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		return nil, fmt.Errorf("stable: open: %w", err)
	}
	defer c.Close()
	for c.TryNext() {
		key, value, err := decode(c.View().Data)
		if err != nil {
			return nil, fmt.Errorf("stable: record %d: %w", c.View().Sequence, err)
		}
		s.set(key, slices.Clone(value))
		s.logged += len(c.View().Data)
	}
	if err := c.Err(); err != nil {
		return nil, fmt.Errorf("stable: open: %w", err)
	}
	return s, nil
}

// Get returns the value of the key, or nil if it has none. The caller must not
// change it.
func (s *Store) Get(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key]
}

// Put gives every key its value, all at once; a nil value removes the key. It
// returns when that is as durable as d asks, or the log if that is more: with
// record.None a power cut may take the newest Puts back, in order.
//
// An error of kind failure.NoSpace or failure.TooLarge leaves everything as it
// was. After any other one, and when ctx ends, the outcome is unknown until the
// log is opened again.
func (s *Store) Put(ctx context.Context, d record.Durability, values map[string][]byte) error {
	if len(values) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, live := len(s.values), s.live
	for key, value := range values {
		old, exists := s.values[key]
		if exists {
			keys, live = keys-1, live-len(key)-len(old)
		}
		if value != nil {
			keys, live = keys+1, live+len(key)+len(value)
		}
		if len(key) > record.PartitionKeyBytesMax {
			return failure.New(failure.TooLarge, "stable: put", "a key of %d bytes exceeds %d", len(key), record.PartitionKeyBytesMax)
		}
	}
	if keys > KeysMax || live > BytesMax {
		return failure.New(failure.TooLarge, "stable: put",
			"%d keys of %d bytes exceed %d keys or %d bytes; keep what is large in a file and its name here", keys, live, KeysMax, BytesMax)
	}
	if err := s.rewriteIfGrown(ctx); err != nil {
		return err
	}
	if err := s.append(ctx, d, values); err != nil {
		return err
	}
	for key, value := range values {
		s.set(key, slices.Clone(value))
	}
	return nil
}

// append writes the values as one batch.
func (s *Store) append(ctx context.Context, d record.Durability, values map[string][]byte) error {
	records := make([]record.Record, 0, len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		b := encode(key, values[key])
		s.logged += len(b)
		records = append(records, record.Record{PartitionKey: partitionKey, Data: b})
	}
	r, err := s.log.Append(ctx, records, protocol.Producer{})
	if err == nil && d == record.Group {
		err = s.log.WaitDurable(ctx, r.Last)
	}
	if err != nil {
		return fmt.Errorf("stable: put: %w", err)
	}
	return nil
}

// rewriteIfGrown begins the log anew with all values in its first batch. A crash
// on the way leaves the old records, the new batch, or both: they say the same.
func (s *Store) rewriteIfGrown(ctx context.Context) error {
	if s.logged < rewriteMin+4*s.live || len(s.values) == 0 {
		return nil
	}
	if err := s.log.Seal(ctx); err != nil {
		return fmt.Errorf("stable: rewrite: %w", err)
	}
	first := s.log.Next()
	s.logged = 0
	if err := s.append(ctx, record.Group, s.values); err != nil {
		return err
	}
	if err := s.log.TrimBefore(first); err != nil {
		return fmt.Errorf("stable: rewrite: %w", err)
	}
	return nil
}

// set changes the values in memory.
func (s *Store) set(key string, value []byte) {
	if old, exists := s.values[key]; exists {
		s.live -= len(key) + len(old)
		delete(s.values, key)
	}
	if value != nil {
		s.live += len(key) + len(value)
		s.values[key] = value
	}
}

func encode(key string, value []byte) []byte {
	b := make([]byte, headSize, headSize+len(key)+len(value))
	b[0] = formatNow
	if value != nil {
		b[1] = 1
	}
	binary.LittleEndian.PutUint16(b[2:], uint16(len(key)))
	return append(append(b, key...), value...)
}

// decode returns what encode was given; the value aliases b and is nil only if
// the key has none.
func decode(b []byte) (key string, value []byte, err error) {
	if len(b) >= 1 && b[0] > formatNow {
		return "", nil, failure.New(failure.NewerVersion, "stable", "format %d is newer than %d; upgrade to read it", b[0], formatNow)
	}
	if len(b) < headSize || b[0] != formatNow || b[1] > 1 {
		return "", nil, failure.New(failure.NotOurs, "stable", "the record was not written by this package")
	}
	end := headSize + int(binary.LittleEndian.Uint16(b[2:]))
	if end > len(b) || b[1] == 0 && end != len(b) {
		return "", nil, failure.New(failure.Corrupt, "stable", "a key of %d bytes in a record of %d", end-headSize, len(b))
	}
	if b[1] == 0 {
		return string(b[headSize:end]), nil, nil
	}
	return string(b[headSize:end]), b[end:len(b):len(b)], nil
}
