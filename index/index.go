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
	"math"
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
	e, _, ok = s.FindStretch(relative)
	return e, ok
}

// Stretch is what lies from an indexed frame to the next one: nothing where there is
// no next one.
type Stretch struct {
	Records uint32
	Bytes   int64
}

// FindStretch is FindSequence, and returns the stretch that begins with the frame.
func (s *Sparse) FindStretch(relative uint32) (e Entry, stretch Stretch, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i := s.behindLocked(false, int64(relative))
	if i == 0 {
		return Entry{}, Stretch{}, false
	}
	e = s.entries[i-1]
	if i < len(s.entries) {
		next := s.entries[i] // its sequence number is greater
		stretch = Stretch{next.RelativeSequence - e.RelativeSequence, next.Offset() - e.Offset()}
	}
	return e, stretch, true
}

// FindTime returns the entry of the last indexed frame that arrived strictly
// before time: the first record at or after time cannot lie in front of it.
func (s *Sparse) FindTime(time int64) (e Entry, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if time == math.MinInt64 {
		return Entry{}, false // nothing is before it
	}
	i := s.behindLocked(true, time-1)
	if i == 0 {
		return Entry{}, false
	}
	return s.entries[i-1], true
}

// key is what entries are searched by: an arrival or a sequence number.
func (e *Entry) key(byTime bool) int64 {
	if byTime {
		return e.Time
	}
	return int64(e.RelativeSequence)
}

// behindLocked returns the place of the first entry whose key is above the given one.
//
// It begins where that is if keys grow evenly, as they mostly do, and goes on from
// there in steps that double. Halving alone, which begins far away, looked at 14
// entries of a full segment, at most of them for the first time in a while: 15 % of a
// random read of 1 KiB.
func (s *Sparse) behindLocked(byTime bool, key int64) int {
	n := len(s.entries)
	if n == 0 || s.entries[0].key(byTime) > key {
		return 0
	}
	first, last := s.entries[0].key(byTime), s.entries[n-1].key(byTime)
	if last <= key {
		return n
	}
	share := (float64(key) - float64(first)) / (float64(last) - float64(first))
	low, high := 0, n-1 // not behind, behind
	for at, step := min(int(share*float64(n-1)), n-2), 1; ; step *= 2 {
		if s.entries[at].key(byTime) > key {
			high = at
			if at -= step; at <= low {
				break
			}
		} else {
			low = at
			if at += step; at >= high {
				break
			}
		}
	}
	between := s.entries[low+1 : high]
	return low + 1 + sort.Search(len(between), func(i int) bool { return between[i].key(byTime) > key })
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
