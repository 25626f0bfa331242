package segment

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/index"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/mmap"
	"github.com/millrace-io/millrace/protocol"
)

// Access is how the bytes of a segment are reached.
type Access uint8

const (
	// AccessMapped reads through a shared read-only mapping.
	AccessMapped Access = iota
	// AccessPread reads into buffers.
	AccessPread
	// AccessHeap reads the memory of a vfs.Memory file.
	AccessHeap
	// AccessMappedStore maps writable: Store goes through the mapping, and Space
	// gives it to whoever encodes in place.
	AccessMappedStore
)

// Segment is one open segment file. Create and Open return it with one
// reference, which belongs to the caller. Write, Seal and the setters belong
// to one owner at a time; everything else may be called by anybody who holds a
// reference.
type Segment struct {
	// Header is the decoded header page; it does not change.
	Header Header

	file   vfs.File
	access Access
	mapped *mmap.Map // nil unless mapped
	seen   blocks    // of the mapping
	region []byte    // the mapping or the heap image; nil with AccessPread
	limit  int64     // bytes of the file that exist: no frame ends behind it

	refs     atomic.Int32
	readable atomic.Int64 // frames end at or before it
	verified atomic.Int64 // frames that end at or before it passed their checks once
	sealed   atomic.Bool  // readable will not grow any more

	indexOnce sync.Once
	indexErr  error
	sparse    *index.Sparse // of a growing or scanned segment from the start; of a sealed one after indexOnce
	footer    *Footer       // of a sealed one
}

// Create writes the header page of a new segment into file, whose length must
// be h.Capacity. It does not sync. On error the caller still owns file.
func Create(file vfs.File, h Header, access Access) (*Segment, error) {
	s := &Segment{Header: h, file: file, access: access, limit: h.Capacity, sparse: new(index.Sparse)}
	if err := s.attach(); err != nil {
		return nil, err
	}
	s.start(HeaderSize)
	if err := s.Write(h.Encode(), 0); err != nil {
		_ = s.detach() // the error of the write says what is wrong
		return nil, err
	}
	return s, nil
}

// Open reads and checks the header page of file. Nothing is readable until
// OpenSealed or Scan has been called. A packed segment is read with AccessPread,
// whatever access says. On error the caller still owns file.
func Open(file vfs.File, access Access) (*Segment, error) {
	page := make([]byte, HeaderSize)
	size, err := file.Size()
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	if size < HeaderSize {
		return nil, ErrNotSegment
	}
	if _, err := file.ReadAt(page, 0); err != nil {
		return nil, fmt.Errorf("segment: read header: %w", err)
	}
	h, err := ParseHeader(page)
	if err != nil {
		return nil, err
	}
	s := &Segment{Header: h, file: file, access: access, limit: min(h.Capacity, size)}
	if h.Packing.Codec != CodecNone {
		if s.file, err = openPacked(file, h); err != nil {
			return nil, err
		}
		s.access, s.limit = AccessPread, h.Packing.Length
	}
	if err := s.attach(); err != nil {
		return nil, err
	}
	s.start(HeaderSize)
	return s, nil
}

func (s *Segment) start(readable int64) {
	s.refs.Store(1)
	s.readable.Store(readable)
	s.verified.Store(HeaderSize)
}

// attach makes the region for the access mode.
func (s *Segment) attach() error {
	switch s.access {
	case AccessMapped, AccessMappedStore:
		m, err := mmap.Open(s.file.Fd(), s.limit, s.access == AccessMappedStore)
		if err != nil {
			return err
		}
		s.mapped, s.region, s.seen = m, m.Bytes(), newBlocks(s.limit)
	case AccessHeap:
		memory, ok := s.file.(vfs.Memory)
		if !ok {
			return failure.New(failure.InvalidArgument, "segment", "the heap backend needs a heap file system")
		}
		s.region = memory.Memory()[:s.limit]
	}
	return nil
}

func (s *Segment) detach() error {
	s.region = nil
	if s.mapped == nil {
		return nil
	}
	return s.mapped.Close()
}

// Write stores b at off with a system call, whatever the access. Bytes of
// frames must not overlap what was declared readable before.
func (s *Segment) Write(b []byte, off int64) error {
	if err := s.within(off, int64(len(b))); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(b, off); err != nil {
		return fmt.Errorf("segment %016x: write at %d: %w", s.Header.Segment, off, err)
	}
	return nil
}

// Store is Write by way of the access: with AccessMappedStore it copies into the
// mapping.
func (s *Segment) Store(b []byte, off int64) error {
	if s.access != AccessMappedStore {
		return s.Write(b, off)
	}
	if err := s.within(off, int64(len(b))); err != nil {
		return err
	}
	return mmap.Guard("store frames", func() { copy(s.region[off:], b) })
}

func (s *Segment) within(off, n int64) error {
	if off < 0 || off+n > s.limit {
		return failure.New(failure.Internal, "segment write", "bytes [%d, %d) exceed the capacity %d", off, off+n, s.limit)
	}
	return nil
}

// Space returns the mapped bytes [off, off+n), to be filled before they are
// declared readable, or nil without AccessMappedStore. A store may fault: guard
// it with debug.SetPanicOnFault and mmap.Recovered.
func (s *Segment) Space(off, n int64) []byte {
	if s.access != AccessMappedStore {
		return nil
	}
	return s.region[off : off+n : off+n]
}

// Populate makes the pages of [off, off+n) ready for stores into Space. They
// become dirty, all of them, and zero: nothing that is kept may lie there. What
// lacks room on the device is an error here.
//
// The zeroes are written first, because the page cache takes a write in pieces
// that are as large as the write, and a fault one page: with a fault for each page
// the file system is asked 256 times a MiB instead of four times. A page takes
// 1.0 µs and not 1.5, and readers map what is in large pieces sooner.
func (s *Segment) Populate(off, n int64) error {
	n = min(n, s.limit-off)
	if err := WriteZeroes(s.file, off, n); err != nil {
		return fmt.Errorf("segment %016x: %w", s.Header.Segment, err)
	}
	if err := s.mapped.PopulateWrite(off, n); err != nil {
		return fmt.Errorf("segment %016x: %w", s.Header.Segment, err)
	}
	return nil
}

// zeroes is what WriteZeroes writes at once. It is never written to.
var zeroes [256 << 10]byte

// WriteZeroes writes [off, off+n) of a file, 256 KiB at a time.
func WriteZeroes(file vfs.File, off, n int64) error {
	for end := off + n; off < end; {
		piece := min(end-off, int64(len(zeroes)))
		if _, err := file.WriteAt(zeroes[:piece], off); err != nil {
			return fmt.Errorf("write zeroes at %d: %w", off, err)
		}
		off += piece
	}
	return nil
}

// BeginWriteback asks the kernel to begin writing [off, off+n) to the device. It
// promises nothing.
func (s *Segment) BeginWriteback(off, n int64) {
	if s.access == AccessMappedStore {
		_ = s.mapped.Unmap(off, n) // it only saves time
	}
	_ = s.file.StartWriteback(off, n) // what it cannot do, a sync will
}

// File returns the file, for sync, write-back and hole punching by the owner.
func (s *Segment) File() vfs.File { return s.file }

// Limit returns the bytes of the file that frames may use.
func (s *Segment) Limit() int64 { return s.limit }

// Index returns the growing index that the owner adds to.
func (s *Segment) Index() *index.Sparse { return s.sparse }

// SetReadable declares that all frames before off are complete and may be
// read. off decreases only when the end of a sealed segment is cut: a reader that
// loaded the old end may fail or return what was there.
func (s *Segment) SetReadable(off int64) { s.readable.Store(off) }

// Readable returns the offset at which readers must stop.
func (s *Segment) Readable() int64 { return s.readable.Load() }

// SetSealed declares that Readable will not change any more.
func (s *Segment) SetSealed() { s.sealed.Store(true) }

// Sealed reports whether Readable is final. Ask it before Readable: in the
// other order a reader could take the end of an earlier moment for final.
func (s *Segment) Sealed() bool { return s.sealed.Load() }

// SealSize bounds the bytes that Seal writes for a segment with n index
// entries.
func SealSize(n int) int64 {
	return protocol.FrameSpan(int64(protocol.FrameHeaderSize+index.EncodedSize(n))) + FooterSize
}

// Seal writes the INDEX and FOOTER frames at end, the end of the last frame,
// and returns the footer's offset. Nothing is synced. durable is the offset up
// to which the segment is known durable.
func (s *Segment) Seal(t Totals, end, durable int64, next uint64, lastTime int64) (footerOffset int64, err error) {
	b := make([]byte, protocol.FrameHeaderSize, SealSize(s.sparse.Len()))
	b = s.sparse.AppendTo(b)
	payload := b[protocol.FrameHeaderSize:]
	h := protocol.FrameHeader{Sequence: next, Time: lastTime, Durable8: uint32(durable / 8), Type: protocol.FrameIndex}
	h.Seal(b, protocol.Checksum(s.Header.Salt, payload))
	footer := Footer{
		Totals: t, DataEnd: end, IndexOffset: end,
		LastRaftIndex: s.Header.BaseRaftIndex + uint64(t.RaftFrames) - 1,
		LastTerm:      s.Header.BaseTerm,
		IndexCRC:      protocol.Checksum(0, payload),
	}
	at := protocol.FrameSpan(int64(len(b)))
	b = b[:at+FooterSize]
	frame := b[at:]
	footer.put(frame)
	h.Type = protocol.FrameFooter
	h.Seal(frame, protocol.Checksum(s.Header.Salt, frame[protocol.FrameHeaderSize:]))
	return end + at, s.Write(b, end)
}

// Pin takes a reference; it fails when the last one is gone already. The
// count moves from non-zero only: an increment after a load could revive a
// segment whose mapping is being removed.
func (s *Segment) Pin() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Unpin gives a reference back. For the last one it returns the function that
// unmaps and closes the file, which takes time for a large segment and may run
// anywhere; otherwise nil.
func (s *Segment) Unpin() (release func() error) {
	if s.refs.Add(-1) > 0 {
		return nil
	}
	return s.release
}

func (s *Segment) release() error {
	err := s.detach()
	if e := s.file.Close(); err == nil && e != nil {
		err = fmt.Errorf("segment %016x: close: %w", s.Header.Segment, e)
	}
	return err
}
