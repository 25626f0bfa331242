package segment

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/index"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

const testCapacity = 64 << 10

// accesses are the ways to reach a segment, each with a file system for it.
func accesses(t testing.TB) map[Access]func(name string) vfs.File {
	onDisk := func(name string) vfs.File {
		file, err := vfs.OS().OpenFile(filepath.Join(t.TempDir(), name), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	onHeap := func(name string) vfs.File {
		file, err := crashfs.New(crashfs.Options{}).OpenFile("/"+name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	return map[Access]func(string) vfs.File{AccessMapped: onDisk, AccessPread: onDisk, AccessHeap: onHeap, AccessMappedStore: onDisk}
}

func testHeader() Header {
	return Header{Segment: 3, Log: 7, Base: 100, Created: 1000, Capacity: testCapacity, PreviousSegment: 2, PreviousLast: 99, BaseRaftIndex: 1, BaseTerm: 1, Salt: 0x5a17}
}

// writer appends frames to a segment under test.
type writer struct {
	*Segment
	totals Totals
	off    int64
	next   uint64
}

func newWriter(t testing.TB, file vfs.File, access Access) *writer {
	t.Helper()
	if err := file.Allocate(testCapacity); err != nil {
		t.Fatal(err)
	}
	s, err := Create(file, testHeader(), access)
	if err != nil {
		t.Fatal(err)
	}
	return &writer{Segment: s, off: HeaderSize, next: s.Header.Base}
}

// append writes one frame of n records, promising what durable says.
func (w *writer) append(t testing.TB, n, size int, durable int64) (offset int64) {
	t.Helper()
	records := make([]record.Record, n)
	for i := range records {
		records[i] = record.Record{PartitionKey: "key", Data: []byte(strings.Repeat("x", size))}
	}
	return w.appendBatch(t, records, durable)
}

func (w *writer) appendBatch(t testing.TB, records []record.Record, durable int64) (offset int64) {
	t.Helper()
	b := protocol.AppendBatch(make([]byte, protocol.FrameHeaderSize), records, protocol.Producer{})
	h := protocol.FrameHeader{Sequence: w.next, Time: int64(w.next), Durable8: uint32(durable / 8), Count: uint16(len(records)), Type: protocol.FrameData}
	h.Seal(b, protocol.Checksum(w.Header.Salt, b[protocol.FrameHeaderSize:]))
	if err := w.Write(b, w.off); err != nil {
		t.Fatal(err)
	}
	offset = w.off
	w.Index().Add(w.off, uint32(w.next-w.Header.Base), h.Time, w.totals.RaftFrames)
	w.totals.Add(protocol.ParseFrameHeader(b))
	w.off += protocol.FrameSpan(int64(len(b)))
	w.next += uint64(len(records))
	return offset
}

func release(t testing.TB, s *Segment) {
	t.Helper()
	f := s.Unpin()
	if f == nil {
		t.Fatal("somebody else holds the segment")
	}
	if err := f(); err != nil {
		t.Fatal(err)
	}
}

func TestHeaderGoldenBytes(t *testing.T) {
	h := testHeader()
	h.Created, h.BaseRaftIndex, h.BaseTerm = 0x0102030405060708, 0x1112, 0x2122
	b := h.Encode()
	want := "4d52534547000001" + "01000000" + "00000000" + // magic, version, flags
		"0300000000000000" + "0700000000000000" + "6400000000000000" + // segment, log, base
		"0807060504030201" + "0000010000000000" + // created, capacity
		"0200000000000000" + "6300000000000000" + // previous segment, previous last
		"1211000000000000" + "2221000000000000" + // base raft index, base term
		"175a0000" + "00000000" + strings.Repeat("00", 16) // salt, zero, key id
	if got := hex.EncodeToString(b[:112]); got != want {
		t.Errorf("header\n got %s\nwant %s", got, want)
	}
	if strings.Trim(string(b[112:4092]), "\x00") != "" || len(b) != HeaderSize {
		t.Error("the reserved bytes are not zero")
	}
	got, err := ParseHeader(b)
	if err != nil || got != h {
		t.Errorf("parsed %+v, %v", got, err)
	}
}

// TestHeaderBehind reads the mark also where the page is torn.
func TestHeaderBehind(t *testing.T) {
	h := testHeader()
	if LooksBehind(h.Encode()) {
		t.Error("a header without the mark looks marked")
	}
	h.Behind = true
	page := h.Encode()
	if got, err := ParseHeader(page); err != nil || got != h || !LooksBehind(page) {
		t.Errorf("parsed %+v, %v", got, err)
	}
	clear(page[512:])
	if _, err := ParseHeader(page); err == nil || !LooksBehind(page) {
		t.Errorf("torn: %v, marked %v", err, LooksBehind(page))
	}
	clear(page)
	page[600] = 1
	if !LooksBehind(page) {
		t.Error("a page whose first sector was never written does not look marked")
	}
	if LooksBehind(page[:100]) {
		t.Error("a part of a page looks marked")
	}
}

func TestHeaderErrorsAreThree(t *testing.T) {
	change := func(at int, sign bool) []byte {
		b := testHeader().Encode()
		b[at]++
		if sign {
			crc := protocol.Checksum(0, b[:headerCRCAt])
			b[headerCRCAt], b[headerCRCAt+1], b[headerCRCAt+2], b[headerCRCAt+3] = byte(crc), byte(crc>>8), byte(crc>>16), byte(crc>>24)
		}
		return b
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"other magic":   {change(0, true), ErrNotSegment},
		"too short":     {testHeader().Encode()[:100], ErrNotSegment},
		"flipped":       {change(50, false), ErrHeaderDamaged},
		"newer version": {change(8, true), ErrNewerVersion},
		"newer flags":   {change(13, true), ErrNewerVersion},
	} {
		if _, err := ParseHeader(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestFooterGoldenBytes(t *testing.T) {
	b := make([]byte, FooterSize)
	f := Footer{
		Totals:  Totals{First: 1, Last: 2, FirstTime: 3, LastTime: 4, Frames: 5, Records: 6},
		DataEnd: 4096 + 8, IndexOffset: 4096 + 8, LastRaftIndex: 9, LastTerm: 10, IndexCRC: 0x01020304,
	}
	f.put(b)
	want := "0100000000000000" + "0200000000000000" + "0300000000000000" + "0400000000000000" +
		"01020000" + "01020000" + "05000000" + "06000000" + "0900000000000000" + "0a00000000000000" + "04030201" + strings.Repeat("00", 28)
	if got := hex.EncodeToString(b[32:]); got != want {
		t.Errorf("footer\n got %s\nwant %s", got, want)
	}
	if got, ok := parseFooter(b[32:]); !ok || got != f {
		t.Errorf("parsed %+v", got)
	}
}

func TestSealScanAndReopen(t *testing.T) {
	for access, newFile := range accesses(t) {
		file := newFile("segment")
		w := newWriter(t, file, access)
		for i := range 20 {
			w.append(t, 1+i%3, 900, HeaderSize)
		}
		footer, err := w.Seal(w.totals, w.off, w.off, w.next, int64(w.next))
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(file, access)
		if err != nil {
			t.Fatal(err)
		}
		contents, err := s.Scan(nil)
		if err != nil || contents.Cause != nil {
			t.Fatal(err, contents.Cause)
		}
		if contents.End != w.off || contents.Next != w.next || contents.Footer != footer || contents.Records != w.totals.Records {
			t.Errorf("access %d: scanned %+v, want end %d next %d footer %d", access, contents, w.off, w.next, footer)
		}
		f, err := s.OpenSealed(footer)
		if err != nil {
			t.Fatal(err)
		}
		totals := f.Totals
		totals.RaftFrames = w.totals.RaftFrames
		if totals != w.totals || f.DataEnd != w.off {
			t.Errorf("access %d: footer %+v, want %+v", access, f, w.totals)
		}
		sparse, err := s.Lookup()
		if err != nil || sparse.Len() != w.Index().Len() {
			t.Errorf("access %d: index of %d entries, %v; want %d", access, sparse.Len(), err, w.Index().Len())
		}
		if access == AccessMapped {
			release(t, s)
		}
	}
}

// TestTornTailAgainstDamage is the difference that recovery lives by.
func TestTornTailAgainstDamage(t *testing.T) {
	for access, newFile := range accesses(t) {
		for name, c := range map[string]struct {
			promise bool // a later frame was written when the bad one was durable
			damage  bool
		}{"torn": {false, false}, "damaged": {true, true}} {
			w := newWriter(t, newFile(name), access)
			w.append(t, 1, 100, HeaderSize)
			bad := w.append(t, 1, 100, HeaderSize)
			behind := bad
			if c.promise {
				behind = w.off
			}
			w.append(t, 1, 100, behind)
			if err := w.Write([]byte{0xff}, bad+40); err != nil {
				t.Fatal(err)
			}
			contents, err := w.Scan(nil)
			if err != nil {
				t.Fatal(err)
			}
			if contents.End != bad || !errors.Is(contents.Cause, failure.Corrupt) {
				t.Fatalf("%s: scan ended at %d (%v), want %d", name, contents.End, contents.Cause, bad)
			}
			after, err := w.Classify(contents.End, contents.Next)
			if err != nil {
				t.Fatal(err)
			}
			if (after.Promise != 0) != c.damage || after.Written <= bad {
				t.Errorf("access %d, %s: %+v", access, name, after)
			}
		}
	}
}

// TestFileThatEndsInPadding: every byte of the last frame is there, the padding
// behind it is not. Its write was not whole, so the scan ends before it and
// nobody is sent behind the end of the file.
func TestFileThatEndsInPadding(t *testing.T) {
	for access, newFile := range accesses(t) {
		w := newWriter(t, newFile("whole"), access)
		w.append(t, 1, 100, HeaderSize)
		last := w.append(t, 1, 97, HeaderSize)
		image := make([]byte, w.off)
		if _, err := w.file.ReadAt(image, 0); err != nil {
			t.Fatal(err)
		}
		length := int64(protocol.ParseFrameHeader(image[last:]).Length)
		if length%protocol.FrameAlign == 0 {
			t.Fatalf("a frame of %d bytes has no padding", length)
		}
		file := newFile("cut")
		if _, err := file.WriteAt(image[:last+length], 0); err != nil {
			t.Fatal(err)
		}
		s, err := Open(file, access)
		if err != nil {
			t.Fatal(err)
		}
		contents, err := s.Scan(nil)
		if err != nil {
			t.Fatal(err)
		}
		if contents.End != last || !errors.Is(contents.Cause, protocol.ErrFrameLength) {
			t.Errorf("access %d: scan ended at %d (%v), want %d", access, contents.End, contents.Cause, last)
		}
		if _, err := s.Classify(contents.End, contents.Next); err != nil {
			t.Errorf("access %d: %v", access, err)
		}
		release(t, s)
		release(t, w.Segment)
	}
}

func TestNewerFrameEndsTheScanWithItsName(t *testing.T) {
	w := newWriter(t, accesses(t)[AccessHeap]("newer"), AccessHeap)
	b := make([]byte, protocol.FrameHeaderSize)
	h := protocol.FrameHeader{Sequence: w.next, Type: protocol.FrameTerm}
	h.Seal(b, w.Header.Salt)
	if err := w.Write(b, w.off); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Scan(nil); !errors.Is(err, failure.NewerVersion) {
		t.Errorf("got %v, want failure.NewerVersion", err)
	}
}

func TestFramesStaysWithinItsLimitAndItsWindow(t *testing.T) {
	for access, newFile := range accesses(t) {
		w := newWriter(t, newFile("frames"), access)
		for range 30 {
			w.append(t, 2, 500, HeaderSize)
		}
		w.SetReadable(w.off)
		for _, maximum := range []int64{1, 3000, 5000, 1 << 20} {
			var r Reader
			r.Reset(w.Segment)
			next := w.Header.Base
			for off := int64(HeaderSize); off < w.off; {
				b, behind, err := r.Frames(off, maximum)
				if err != nil {
					t.Fatal(err)
				}
				if h := protocol.ParseFrameHeader(b); h.Sequence != next || int64(len(b)) > max(maximum, h.Span()) {
					t.Fatalf("access %d: %d bytes from %d, want %d", access, len(b), h.Sequence, next)
				}
				off, next = off+int64(len(b)), behind
			}
			if next != w.next {
				t.Errorf("access %d: read up to %d, want %d", access, next, w.next)
			}
		}
	}
}

// TestSkipStopsWhereOneStepAfterTheOtherDoes compares Skip with its slow twin, before
// and after a header in the middle is damaged.
func TestSkipStopsWhereOneStepAfterTheOtherDoes(t *testing.T) {
	for access, newFile := range accesses(t) {
		w := newWriter(t, newFile("skip"), access)
		var frames []int64
		for i := range 40 {
			frames = append(frames, w.append(t, i%4+1, 100+300*(i/20)*(i%3), HeaderSize))
		}
		w.SetReadable(w.off)
		var r Reader
		r.Reset(w.Segment)
		slow := func(off int64, due, next uint64) (int64, uint64) {
			for access != AccessPread {
				h, err := r.Header(off)
				if err != nil || h.Sequence != due || due+uint64(h.Count) > next {
					break
				}
				off, due = off+h.Span(), due+uint64(h.Count)
			}
			return off, due
		}
		compare := func() {
			t.Helper()
			for next := w.Header.Base; next < w.next+2; next++ {
				wantOff, wantDue := slow(HeaderSize, w.Header.Base, next)
				if off, due := r.Skip(HeaderSize, w.Header.Base, next, index.Stretch{Records: uint32(next), Bytes: 777 * int64(next)}); off != wantOff || due != wantDue {
					t.Fatalf("access %d, to %d: stopped at %d before %d, want %d before %d", access, next, off, due, wantOff, wantDue)
				}
			}
		}
		compare()
		if off, _ := r.Skip(HeaderSize, w.Header.Base+1, w.next, index.Stretch{}); off != HeaderSize {
			t.Errorf("access %d: stepped over a frame that was not due", access)
		}
		for _, length := range []uint32{0, 8, testCapacity, 1 << 31} {
			var b [4]byte
			binary.LittleEndian.PutUint32(b[:], length)
			if err := w.Write(b[:], frames[10]); err != nil {
				t.Fatal(err)
			}
			compare()
			if off, _ := r.Skip(HeaderSize, w.Header.Base, w.next, index.Stretch{Records: 1, Bytes: 1 << 40}); access != AccessPread && off != frames[10] {
				t.Errorf("access %d, length %d: stopped at %d, want %d", access, length, off, frames[10])
			}
		}
	}
}

func TestPinNeverRevives(t *testing.T) {
	w := newWriter(t, accesses(t)[AccessHeap]("pin"), AccessHeap)
	if !w.Pin() {
		t.Fatal("a live segment cannot be pinned")
	}
	if w.Unpin() != nil {
		t.Fatal("not the last reference")
	}
	release(t, w.Segment)
	if w.Pin() {
		t.Error("a released segment was pinned")
	}
}

// FuzzSegmentOpen opens a segment whose bytes are anything: no panic, bounded
// memory, and everything that is readable passed its checks. The input leaves
// out the zeroes of the header page, and may have the page's CRC made right, so
// that mutations get past it.
func FuzzSegmentOpen(f *testing.F) {
	fs := crashfs.New(crashfs.Options{})
	file, err := fs.OpenFile("/golden", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		f.Fatal(err)
	}
	w := newWriter(f, file, AccessHeap)
	for i := range 3 {
		w.append(f, 1+i%2, 20, w.off)
	}
	image := file.(vfs.Memory).Memory()
	head := append([]byte{}, image[:112]...)
	f.Add(head, append([]byte{}, image[HeaderSize:w.off+64]...), true, int64(0))
	footer, err := w.Seal(w.totals, w.off, w.off, w.next, int64(w.next))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(head, append([]byte{}, image[HeaderSize:footer+FooterSize]...), true, footer)
	f.Add(head, []byte{}, false, int64(HeaderSize))
	whole, _, end := packable(f)
	for _, codec := range []Codec{CodecS2, CodecZstd} {
		file := packed(f, whole, codec, end).(vfs.Memory).Memory()
		f.Add(append([]byte{}, file[:136]...), append([]byte{}, file[HeaderSize:]...), true, end)
	}
	f.Fuzz(func(t *testing.T, head, frames []byte, sign bool, footer int64) {
		b := make([]byte, HeaderSize, HeaderSize+len(frames))
		copy(b[:headerCRCAt], head)
		if sign {
			binary.LittleEndian.PutUint32(b[headerCRCAt:], protocol.Checksum(0, b[:headerCRCAt]))
		}
		b = append(b, frames...)
		fs := crashfs.New(crashfs.Options{})
		file, err := fs.OpenFile("/fuzzed", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Allocate(int64(len(b))); err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		openAnything(t, file, footer, int64(len(b)))
		runtime.ReadMemStats(&after)
		// 64 KiB stand for what does not depend on the input: the structs, the
		// errors and what the runtime does meanwhile.
		most := uint64(4*len(b) + 64<<10)
		if h, err := ParseHeader(b); err == nil && h.Packing.Codec != CodecNone {
			// Windows for frames of up to its length, which is bounded by its blocks, and
			// what the decoders keep.
			most += uint64(4*min(h.Packing.Length, int64(len(b))*packBlockMax/8)) + 8<<20
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > most {
			t.Fatalf("%d bytes allocated for an input of %d", n, len(b))
		}
	})
}

func openAnything(t *testing.T, file vfs.File, footer, size int64) {
	s, err := Open(file, AccessHeap)
	if err != nil {
		return
	}
	if _, err := s.OpenSealed(footer); err == nil {
		_, _ = s.Lookup()
	}
	contents, err := s.Scan(nil)
	if err != nil {
		return
	}
	if s.Header.Packing.Codec != CodecNone {
		size = s.Header.Packing.Length
	}
	if contents.End > size {
		t.Fatalf("readable up to %d of %d bytes", contents.End, size)
	}
	if _, err := s.Classify(contents.End, contents.Next); err != nil {
		t.Fatal(err)
	}
}
