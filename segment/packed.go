package segment

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/protocol"
)

// A packed segment is a sealed one with its bytes compressed in blocks, in a file
// that takes the place and the name of the other. Offsets go on to count the bytes
// that are compressed: whoever reads frames does not see the difference.
//
//	off          size field
//	  0          4096 header page, with the flag packed and the fields of [Packing]
//	4096              block 0, block 1, ... one behind the other, each the bytes
//	                  [4096 + i*block, 4096 + (i+1)*block) of the segment, the last
//	                  one up to its length. A block that is as long as what it holds
//	                  is not compressed.
//	table        4n   length of each block in this file
//	table+4n     4    CRC32C of the lengths, seeded with the salt
//	table+4n+4   4n+4 lengths and CRC once more
//
// Blocks have no checksum, since everything in them has one: a block that cannot
// be decompressed reads as zeros, which are no frame, and damage is found where and
// how it is found in a segment that is not packed. Frames of packed segments are
// verified each time they are read, since what was good in one reading may come from
// another block of the device in the next. The table is there twice because a
// flipped bit in it would cost a whole segment and not a block.
const (
	// packBlock is a compromise of ratio and random reads: of records of 27 bytes zstd makes
	// 4.22:1 in blocks of 64 KiB and 4.48:1 in such of 256 KiB, but unpacks one in 70 µs
	// against 264. See docs/design/0021.
	packBlock = 64 << 10
	// packStep is how much of a packed segment a reader that goes on unpacks at once.
	packStep = 256 << 10

	packBlockMin = 4 << 10
	packBlockMax = 1 << 20
)

// ErrIncompressible is a segment that is not worth packing.
var ErrIncompressible = failure.New(failure.Conflict, "segment pack", "its blocks do not become a sixteenth smaller")

var (
	errPacked       = failure.New(failure.Internal, "segment", "a packed segment cannot be written to")
	errPackedHeader = failure.New(failure.Internal, "segment", "the header page of a packed segment is not among its blocks")
)

// Packing says how a packed segment is stored. The zero value is one that is not
// packed.
type Packing struct {
	Codec  Codec
	Block  int64 // bytes in a block before compression; a power of 2
	Length int64 // bytes of the segment before compression, header page included
	Table  int64 // offset of the table in the file
}

// FileSize returns the length of the file.
func (p Packing) FileSize() int64 { return p.Table + 2*p.tableSize() }

func (p Packing) blocks() int64    { return (p.Length - HeaderSize + p.Block - 1) / p.Block }
func (p Packing) tableSize() int64 { return 4*p.blocks() + 4 }

// blockLength returns how many bytes are in block i.
func (p Packing) blockLength(i int64) int64 {
	return min(p.Block, p.Length-HeaderSize-i*p.Block)
}

// pays reports whether the first n blocks, which end where Table is, became less
// enough.
func (p Packing) pays(n int64) bool {
	held := min(n*p.Block, p.Length-HeaderSize)
	return p.Table-HeaderSize <= held-held/16
}

// plausible reports whether a header page may say so of a segment of that capacity.
func (p Packing) plausible(capacity int64) bool {
	return p.Block >= packBlockMin && p.Block <= packBlockMax && p.Block&(p.Block-1) == 0 &&
		p.Length > HeaderSize && p.Length <= capacity && p.Table >= HeaderSize && p.Table <= capacity
}

func (p Packing) put(page []byte) {
	binary.LittleEndian.PutUint32(page[112:], uint32(p.Codec))
	binary.LittleEndian.PutUint32(page[116:], uint32(p.Block))
	binary.LittleEndian.PutUint64(page[120:], uint64(p.Length))
	binary.LittleEndian.PutUint64(page[128:], uint64(p.Table))
}

func parsePacking(page []byte) Packing {
	return Packing{
		Codec:  Codec(binary.LittleEndian.Uint32(page[112:])),
		Block:  int64(binary.LittleEndian.Uint32(page[116:])),
		Length: int64(binary.LittleEndian.Uint64(page[120:])),
		Table:  int64(binary.LittleEndian.Uint64(page[128:])),
	}
}

// Pack writes the first length bytes of s, compressed, into the new and empty file
// to: all of a sealed segment that ends there with its footer. Nothing is synced, and
// nothing verified: whoever lets the file take the place of the other opens it and
// reads it before. did, if it is not nil, is told after each block how many bytes of s
// are done, and its error ends the work. [ErrIncompressible] leaves to as it is then.
func (s *Segment) Pack(to vfs.File, codec Codec, length int64, did func(n int64) error) error {
	h := s.Header
	h.Packing = Packing{Codec: codec, Block: packBlock, Length: length, Table: HeaderSize}
	if !codec.known() || s.Header.Packing.Codec != CodecNone || !h.Packing.plausible(h.Capacity) {
		return failure.New(failure.Internal, "segment pack", "segment %016x of %d bytes with codec %d", h.Segment, length, codec)
	}
	table := make([]byte, 0, h.Packing.tableSize())
	block := make([]byte, packBlock)
	var packed []byte
	for i := range h.Packing.blocks() {
		block = block[:h.Packing.blockLength(i)]
		if _, err := s.file.ReadAt(block, HeaderSize+i*packBlock); err != nil {
			return fmt.Errorf("segment %016x: read at %d: %w", h.Segment, HeaderSize+i*packBlock, err)
		}
		packed = codec.pack(packed[:0], block)
		if len(packed) >= len(block) {
			packed = append(packed[:0], block...)
		}
		if _, err := to.WriteAt(packed, h.Packing.Table); err != nil {
			return fmt.Errorf("segment %016x: write packed: %w", h.Segment, err)
		}
		h.Packing.Table += int64(len(packed))
		table = binary.LittleEndian.AppendUint32(table, uint32(len(packed)))
		// Judged again and again, so that not much is written in vain.
		if i%16 == 15 && !h.Packing.pays(i+1) {
			return ErrIncompressible
		}
		if did != nil {
			if err := did(int64(len(block))); err != nil {
				return err
			}
		}
	}
	if !h.Packing.pays(h.Packing.blocks()) {
		return ErrIncompressible
	}
	table = binary.LittleEndian.AppendUint32(table, protocol.Checksum(h.Salt, table))
	if _, err := to.WriteAt(append(table, table...), h.Packing.Table); err != nil {
		return fmt.Errorf("segment %016x: write packed: %w", h.Segment, err)
	}
	if _, err := to.WriteAt(h.Encode(), 0); err != nil {
		return fmt.Errorf("segment %016x: write packed: %w", h.Segment, err)
	}
	return nil
}

// packedFile reads a packed segment as if it were not packed.
type packedFile struct {
	vfs.File
	Packing
	starts []int64 // of the blocks in the file, and the end of the last one
}

// openPacked reads the table of a packed segment.
func openPacked(file vfs.File, h Header) (vfs.File, error) {
	size, err := file.Size()
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	if size != h.Packing.FileSize() {
		return nil, failure.New(failure.Corrupt, "segment", "the file has %d bytes; its header says %d", size, h.Packing.FileSize())
	}
	f := &packedFile{File: file, Packing: h.Packing, starts: make([]int64, 1, h.Packing.blocks()+1)}
	table := make([]byte, f.tableSize())
	for _, at := range []int64{f.Table, f.Table + f.tableSize()} {
		if _, err := file.ReadAt(table, at); err != nil {
			return nil, fmt.Errorf("segment %016x: read table at %d: %w", h.Segment, at, err)
		}
		if f.decodeTable(table, h.Salt) {
			return f, nil
		}
	}
	return nil, failure.New(failure.Corrupt, "segment", "both tables of the packed blocks are damaged")
}

// decodeTable reports whether a table is good.
func (f *packedFile) decodeTable(table []byte, salt uint32) bool {
	lengths := table[:len(table)-4]
	if protocol.Checksum(salt, lengths) != binary.LittleEndian.Uint32(table[len(lengths):]) {
		return false
	}
	at := int64(HeaderSize)
	f.starts = append(f.starts[:0], at)
	for i := range f.blocks() {
		n := int64(binary.LittleEndian.Uint32(lengths[4*i:]))
		if n == 0 || n > f.blockLength(i) {
			return false
		}
		at += n
		f.starts = append(f.starts, at)
	}
	return at == f.Table
}

// packBuffers holds what a reader needs for the moment of unpacking.
var packBuffers = sync.Pool{New: func() any { return new(packBuffer) }}

type packBuffer struct{ packed, block []byte }

// ReadAt implements io.ReaderAt for the bytes before compression behind the header
// page, which is in [Segment.Header].
func (f *packedFile) ReadAt(b []byte, off int64) (n int, err error) {
	if off < HeaderSize {
		return 0, errPackedHeader
	}
	buffer := packBuffers.Get().(*packBuffer)
	defer packBuffers.Put(buffer)
	for n < len(b) {
		at := off + int64(n)
		if at >= f.Length {
			return n, io.EOF
		}
		got, err := f.readBlock(b[n:], at, buffer)
		n += got
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readBlock reads up to the end of one block.
func (f *packedFile) readBlock(b []byte, off int64, buffer *packBuffer) (int, error) {
	i := (off - HeaderSize) / f.Block
	skip, length := off-HeaderSize-i*f.Block, f.blockLength(i)
	if skip == 0 && int64(len(b)) >= length {
		return int(length), f.unpack(b[:length:length], i, buffer)
	}
	buffer.block = grown(buffer.block, length)
	if err := f.unpack(buffer.block, i, buffer); err != nil {
		return 0, err
	}
	return copy(b, buffer.block[skip:]), nil
}

// unpack fills block with what is in block i; zeros if that cannot be had. An error
// is one of reading.
func (f *packedFile) unpack(block []byte, i int64, buffer *packBuffer) error {
	start, n := f.starts[i], f.starts[i+1]-f.starts[i]
	if n == int64(len(block)) {
		_, err := f.File.ReadAt(block, start)
		return err
	}
	buffer.packed = grown(buffer.packed, n)
	if _, err := f.File.ReadAt(buffer.packed, start); err != nil {
		return err
	}
	if !f.Codec.unpack(block, buffer.packed) {
		clear(block)
	}
	return nil
}

func grown(b []byte, n int64) []byte {
	if int64(cap(b)) < n {
		b = make([]byte, n)
	}
	return b[:n]
}

// around returns the whole blocks around [off, off+n): what a reader unpacks at
// once.
func (p Packing) around(off, n int64) (start, length int64) {
	start = HeaderSize + (off-HeaderSize)/p.Block*p.Block
	end := HeaderSize + (off+n-HeaderSize+p.Block-1)/p.Block*p.Block
	return start, min(end, p.Length) - start
}

// Size returns the length before compression.
func (f *packedFile) Size() (int64, error) { return f.Length, nil }

// Fd returns vfs.NoFd: a mapping would show what is compressed.
func (f *packedFile) Fd() uintptr { return vfs.NoFd }

// WriteAt returns an error, as Allocate and PunchHole do.
func (f *packedFile) WriteAt([]byte, int64) (int, error) { return 0, errPacked }

// Allocate returns an error.
func (f *packedFile) Allocate(int64) error { return errPacked }

// PunchHole returns an error.
func (f *packedFile) PunchHole(int64, int64) error { return errPacked }
