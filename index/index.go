// Package index finds the frame of a sequence number or a time in a segment.
//
// The index is sparse: one entry every [Interval] bytes of segment. A lookup
// returns the offset of the last indexed frame that is not behind what was
// asked for, and the reader walks frames from there, at most Interval bytes
// and one frame further. While a segment grows the index lives on the heap; a
// sealed segment carries it in its INDEX frame. Losing it costs a rescan.
package index

import (
	"encoding/binary"
	"slices"
	"sort"
	"sync"

	"github.com/millrace-io/millrace/failure"
)

const (
	// Interval is the least distance in bytes between two indexed frames.
	Interval = 16 << 10
	// EntrySize is the bytes of one encoded entry. Frozen.
	EntrySize = 24
	// warm is how many of the newest entries are searched first: readers near
	// the tail then touch a few cache lines instead of the whole array.
	warm = 512
)

// Entry describes one indexed frame.
//
//	off size
//	  0    4  relative sequence  sequence - base of the segment
//	  4    4  offset8            of the frame, bytes/8
//	  8    8  time               i64 unix ns
//	 16    4  raft ordinal       raft frames before this one in the segment
//	 20    4  zero
type Entry struct {
	RelativeSequence uint32
	Offset8          uint32
	Time             int64
	RaftOrdinal      uint32
}

// Offset returns the frame's place in bytes.
func (e Entry) Offset() int64 { return int64(e.Offset8) * 8 }

// Sparse is the index of one segment. One goroutine adds while any number
// search.
type Sparse struct {
	mu      sync.RWMutex // guards entries
	entries []Entry
	// next is the offset from which on a frame deserves an entry. Only the
	// adding goroutine uses it.
	next int64
}

// Add notes the frame at offset, if it is far enough from the last one noted.
// Frames must be added in order.
func (s *Sparse) Add(offset int64, relativeSequence uint32, time int64, raftOrdinal uint32) {
	if offset < s.next {
		return
	}
	s.next = offset + Interval
	s.mu.Lock()
	s.entries = append(s.entries, Entry{
		RelativeSequence: relativeSequence, Offset8: uint32(offset / 8), Time: time, RaftOrdinal: raftOrdinal,
	})
	s.mu.Unlock()
}

// Added returns the number of entries, for the goroutine that adds: it takes no
// lock.
func (s *Sparse) Added() int { return len(s.entries) }

// Len returns the number of entries.
func (s *Sparse) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.entries)
}

// Entries returns a copy of all entries.
func (s *Sparse) Entries() []Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.entries)
}

// FindSequence returns the entry of the last indexed frame whose first
// relative sequence is <= relative; ok is false when there is none.
func (s *Sparse) FindSequence(relative uint32) (e Entry, ok bool) {
	e, _, ok = s.EstimateSequence(relative)
	return e, ok
}

// EstimateSequence is FindSequence, and says about where in the segment the record is:
// its offset if all records up to the next indexed frame have one length. It is between
// the two frames; e's own offset where there is no next one.
func (s *Sparse) EstimateSequence(relative uint32) (e Entry, estimate int64, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i := s.behindLocked(func(e *Entry) bool { return e.RelativeSequence > relative })
	if i == 0 {
		return Entry{}, 0, false
	}
	e = s.entries[i-1]
	estimate = e.Offset()
	if i < len(s.entries) {
		next := s.entries[i] // its sequence number is greater
		estimate += (next.Offset() - e.Offset()) * int64(relative-e.RelativeSequence) / int64(next.RelativeSequence-e.RelativeSequence)
	}
	return e, estimate, true
}

// FindTime returns the entry of the last indexed frame that arrived strictly
// before time: the first record at or after time cannot lie in front of it.
func (s *Sparse) FindTime(time int64) (e Entry, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i := s.behindLocked(func(e *Entry) bool { return e.Time >= time })
	if i == 0 {
		return Entry{}, false
	}
	return s.entries[i-1], true
}

// behindLocked returns the place of the first entry that is behind.
func (s *Sparse) behindLocked(behind func(*Entry) bool) int {
	low := 0
	if n := len(s.entries); n > warm && !behind(&s.entries[n-warm]) {
		low = n - warm
	}
	tail := s.entries[low:]
	return low + sort.Search(len(tail), func(i int) bool { return behind(&tail[i]) })
}

// EncodedSize returns the bytes that AppendTo will add for n entries.
func EncodedSize(n int) int { return n * EntrySize }

// AppendTo appends the encoded entries to b.
func (s *Sparse) AppendTo(b []byte) []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.entries {
		b = binary.LittleEndian.AppendUint32(b, e.RelativeSequence)
		b = binary.LittleEndian.AppendUint32(b, e.Offset8)
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Time))
		b = binary.LittleEndian.AppendUint32(b, e.RaftOrdinal)
		b = binary.LittleEndian.AppendUint32(b, 0)
	}
	return b
}

// Decode reads what AppendTo wrote. The entries must be in order and lie in
// [low, high) of the segment.
func Decode(b []byte, low, high int64) (*Sparse, error) {
	if len(b)%EntrySize != 0 {
		return nil, failure.New(failure.Corrupt, "index", "%d bytes are not a whole number of entries", len(b))
	}
	s := &Sparse{entries: make([]Entry, 0, len(b)/EntrySize)}
	previous := Entry{Time: -1 << 63}
	for i := 0; i < len(b); i += EntrySize {
		e := Entry{
			RelativeSequence: binary.LittleEndian.Uint32(b[i:]),
			Offset8:          binary.LittleEndian.Uint32(b[i+4:]),
			Time:             int64(binary.LittleEndian.Uint64(b[i+8:])),
			RaftOrdinal:      binary.LittleEndian.Uint32(b[i+16:]),
		}
		ordered := i == 0 || e.Offset8 > previous.Offset8
		ordered = ordered && e.RelativeSequence >= previous.RelativeSequence && e.Time >= previous.Time
		if !ordered || e.Offset() < low || e.Offset() >= high {
			return nil, failure.New(failure.Corrupt, "index", "entry %d is out of order or out of the segment", i/EntrySize)
		}
		s.entries = append(s.entries, e)
		previous = e
	}
	return s, nil
}
