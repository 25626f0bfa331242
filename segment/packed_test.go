package segment

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

func heapFile(t testing.TB, disk *crashfs.FS, name string) vfs.File {
	t.Helper()
	file, err := disk.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// packable returns a sealed segment of several blocks: text and noise, frames that are
// small, that span blocks, and one that is longer than what a reader unpacks at once.
func packable(t testing.TB) (s *Segment, frames []int64, footer int64) {
	t.Helper()
	file := heapFile(t, crashfs.New(crashfs.Options{}), "/raw")
	h := testHeader()
	h.Capacity = 2 << 20
	if err := file.Allocate(h.Capacity); err != nil {
		t.Fatal(err)
	}
	s, err := Create(file, h, AccessHeap)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{Segment: s, off: HeaderSize, next: h.Base}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 120 {
		size := rng.IntN(12_000)
		if i == 60 {
			size = packStep + 100_000
		}
		data := make([]byte, size)
		for j := range data {
			if data[j] = "arrival of flight"[j%17]; i%3 == 0 || i%29 > 20 {
				data[j] = byte(rng.Uint32())
			}
		}
		frames = append(frames, w.appendData(t, data))
	}
	if footer, err = w.Seal(w.totals, w.off, w.off, w.next, int64(w.next)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenSealed(footer); err != nil {
		t.Fatal(err)
	}
	return s, frames, footer
}

// appendData writes one frame of one record.
func (w *writer) appendData(t testing.TB, data []byte) (offset int64) {
	t.Helper()
	return w.appendBatch(t, []record.Record{{PartitionKey: "k", Data: data}}, w.off)
}

// packed returns the file of a segment after Pack.
func packed(t testing.TB, s *Segment, codec Codec, footer int64) vfs.File {
	t.Helper()
	file := heapFile(t, crashfs.New(crashfs.Options{}), "/packed")
	if err := s.Pack(file, codec, footer+FooterSize, nil); err != nil {
		t.Fatal(err)
	}
	return file
}

func openPackedSealed(t testing.TB, file vfs.File, footer int64) *Segment {
	t.Helper()
	s, err := Open(file, AccessMapped)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenSealed(footer); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPackedReadsAsWritten compares a packed segment with the one it was made of,
// in every way to read one.
func TestPackedReadsAsWritten(t *testing.T) {
	raw, frames, footer := packable(t)
	for _, codec := range []Codec{CodecS2, CodecZstd} {
		t.Run(codec.String(), func(t *testing.T) {
			file := packed(t, raw, codec, footer)
			s := openPackedSealed(t, file, footer)
			if size, err := file.Size(); err != nil || size != s.Header.Packing.FileSize() || size >= footer-footer/16 {
				t.Errorf("the file has %d bytes of %d, its header says %d (%v)", size, footer, s.Header.Packing.FileSize(), err)
			}
			h := s.Header
			if h.Packing.Codec != codec || h.Packing.Length != footer+FooterSize {
				t.Errorf("packing %+v", h.Packing)
			}
			if h.Packing = (Packing{}); h != raw.Header {
				t.Errorf("header %+v, want %+v", h, raw.Header)
			}
			compareBytes(t, raw, s, footer+FooterSize)
			compareFrames(t, raw, s, frames)
			want, _ := raw.Lookup()
			if got, err := s.Lookup(); err != nil || got.Len() != want.Len() {
				t.Errorf("an index of %d entries, want %d: %v", got.Len(), want.Len(), err)
			}
			contents, err := s.Scan(nil)
			if err != nil || contents.Cause != nil || contents.Footer != footer {
				t.Errorf("scanned %+v, %v", contents, err)
			}
		})
	}
}

// compareBytes reads pieces of any place and length.
func compareBytes(t *testing.T, raw, s *Segment, length int64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		off := HeaderSize + rng.Int64N(length-HeaderSize)
		n := rng.Int64N(min(length-off, 300_000) + 1)
		want, got := make([]byte, n), make([]byte, n)
		if _, err := raw.File().ReadAt(want, off); err != nil {
			t.Fatal(err)
		}
		if k, err := s.File().ReadAt(got, off); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d of %d bytes at %d differ: %v", k, n, off, err)
		}
	}
	end := make([]byte, 100)
	if n, err := s.File().ReadAt(end, length-40); n != 40 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes at the end: %v", n, err)
	}
}

// compareFrames reads the frames one after the other, in any order, and several at
// once.
func compareFrames(t *testing.T, raw, s *Segment, frames []int64) {
	t.Helper()
	var a, b Reader
	a.Reset(raw)
	b.Reset(s)
	same := func(off int64) {
		wantHeader, want, err := a.Frame(off)
		if err != nil {
			t.Fatal(err)
		}
		h, got, err := b.Frame(off)
		if err != nil || h != wantHeader || !bytes.Equal(got, want) {
			t.Fatalf("the frame at %d differs: %v", off, err)
		}
	}
	for _, onward := range []bool{true, false} {
		b.Onward(onward)
		for _, off := range frames {
			same(off)
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		b.Onward(rng.IntN(2) == 0)
		same(frames[rng.IntN(len(frames))])
	}
	for off := frames[0]; off < s.Readable(); {
		got, _, err := b.Frames(off, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, len(got))
		if _, err := raw.File().ReadAt(want, off); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes of frames at %d differ: %v", len(got), off, err)
		}
		off += int64(len(got))
	}
}

// TestPackedRot flips a bit in every part of a packed file, and cuts it. Whatever is
// still read is what was written, everything before the block with the bit is, and so are
// the tables as long as one is good.
func TestPackedRot(t *testing.T) {
	raw, frames, footer := packable(t)
	file := packed(t, raw, CodecZstd, footer)
	image := bytes.Clone(file.(vfs.Memory).Memory())
	packing := openPackedSealed(t, file, footer).Header.Packing
	harmless := func(at int64) bool { return at >= packing.Table }
	rng := rand.New(rand.NewPCG(7, 8))
	refused, stopped, kept := 0, 0, 0
	for range 600 {
		at := rng.Int64N(int64(len(image)))
		if rng.IntN(4) == 0 {
			at = packing.Table + rng.Int64N(int64(len(image))-packing.Table)
		}
		rotten := bytes.Clone(image)
		rotten[at] ^= 1 << rng.IntN(8)
		s, err := Open(fileOf(t, rotten), AccessPread)
		if err != nil {
			if kind := failure.KindOf(err); kind != failure.Corrupt && kind != failure.NotOurs && kind != failure.NewerVersion || at >= HeaderSize {
				t.Fatalf("bit at %d: %v", at, err)
			}
			refused++
			continue
		}
		contents, err := s.Scan(sameAs(raw))
		if err != nil {
			t.Fatalf("bit at %d: %v", at, err)
		}
		switch {
		case contents.Footer == footer && harmless(at):
			kept++
		case contents.Footer == footer:
			t.Fatalf("bit at %d was not noticed", at)
		default:
			stopped++
			if least := goodBefore(s, frames, at); contents.End < least {
				t.Fatalf("bit at %d: good up to %d, but the blocks up to %d are", at, contents.End, least)
			}
		}
	}
	if refused == 0 || stopped == 0 || kept == 0 {
		t.Errorf("%d refused, %d stopped, %d kept", refused, stopped, kept)
	}
	both := bytes.Clone(image)
	both[packing.Table] ^= 1
	both[packing.Table+packing.tableSize()] ^= 1
	for name, damaged := range map[string][]byte{"both tables": both, "cut": image[:len(image)-1], "longer": append(bytes.Clone(image), 0), "header only": image[:HeaderSize]} {
		if _, err := Open(fileOf(t, damaged), AccessPread); failure.KindOf(err) != failure.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func fileOf(t testing.TB, b []byte) vfs.File {
	t.Helper()
	file := heapFile(t, crashfs.New(crashfs.Options{}), "/file")
	if _, err := file.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return file
}

// sameAs compares each frame with the one in raw.
func sameAs(raw *Segment) Visit {
	return func(off int64, _ protocol.FrameHeader, frame []byte) error {
		want := make([]byte, len(frame))
		if _, err := raw.File().ReadAt(want, off); err != nil || !bytes.Equal(frame, want) {
			return fmt.Errorf("the frame at %d is not what was written: %w", off, err)
		}
		return nil
	}
}

// goodBefore returns the end of the frames that no byte at or behind at has a part
// in.
func goodBefore(s *Segment, frames []int64, at int64) int64 {
	file := s.File().(*packedFile)
	end := int64(HeaderSize)
	for i, start := range file.starts[1:] {
		if at < start {
			end = HeaderSize + int64(i)*file.Block
			break
		}
	}
	good := int64(HeaderSize)
	for _, off := range frames {
		if off <= end {
			good = off
		}
	}
	return good
}

// TestPackedSalvage finds what is behind a block that rotted.
func TestPackedSalvage(t *testing.T) {
	raw, frames, footer := packable(t)
	file := packed(t, raw, CodecS2, footer)
	s := openPackedSealed(t, file, footer)
	place := s.File().(*packedFile).starts[2] + 10
	if _, err := file.WriteAt(bytes.Repeat([]byte{0x5a}, 200), place); err != nil {
		t.Fatal(err)
	}
	contents, err := s.Scan(nil)
	if err != nil || contents.Footer != 0 || contents.Cause == nil {
		t.Fatalf("scanned %+v, %v", contents, err)
	}
	found := 0
	if _, err := s.Salvage(contents.End, contents.Next, func(off int64, h protocol.FrameHeader, frame []byte) error {
		found++
		return sameAs(raw)(off, h, frame)
	}); err != nil {
		t.Fatal(err)
	}
	lost := len(frames) - int(contents.Next-raw.Header.Base) - found
	if lost < 1 || lost > 20 {
		t.Errorf("%d frames are lost with a block of 64 KiB", lost)
	}
}

func TestPackedHeaderGoldenBytes(t *testing.T) {
	h := testHeader()
	h.Behind = true
	h.Packing = Packing{Codec: CodecZstd, Block: packBlock, Length: 0x8000, Table: 0x2345}
	b := h.Encode()
	want := "02000000" + "00000100" + "0080000000000000" + "4523000000000000" // codec, block, length, table
	if got := hex.EncodeToString(b[112:136]); got != want || b[12] != 3 {
		t.Errorf("flags %d, packing\n got %s\nwant %s", b[12], got, want)
	}
	if strings.Trim(string(b[136:4092]), "\x00") != "" {
		t.Error("the reserved bytes are not zero")
	}
	if got, err := ParseHeader(b); err != nil || got != h || LooksBehind(b) {
		t.Errorf("parsed %+v, %v; looks begun behind others: %v", got, err, LooksBehind(b))
	}
	for name, c := range map[string]struct {
		change func(*Packing)
		want   error
	}{
		"codec":        {func(p *Packing) { p.Codec = 3 }, ErrNewerVersion},
		"block":        {func(p *Packing) { p.Block = 3 << 12 }, ErrHeaderDamaged},
		"small block":  {func(p *Packing) { p.Block = 1 << 11 }, ErrHeaderDamaged},
		"large block":  {func(p *Packing) { p.Block = 2 << 20 }, ErrHeaderDamaged},
		"length":       {func(p *Packing) { p.Length = testCapacity + 1 }, ErrHeaderDamaged},
		"short length": {func(p *Packing) { p.Length = HeaderSize }, ErrHeaderDamaged},
		"table":        {func(p *Packing) { p.Table = -1 }, ErrHeaderDamaged},
	} {
		wrong := h
		c.change(&wrong.Packing)
		if _, err := ParseHeader(wrong.Encode()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPackRefusesWhatDoesNotPay(t *testing.T) {
	file := heapFile(t, crashfs.New(crashfs.Options{}), "/noise")
	w := newWriter(t, file, AccessHeap)
	noise := make([]byte, 50_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	w.appendData(t, noise)
	footer, err := w.Seal(w.totals, w.off, w.off, w.next, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, codec := range []Codec{CodecS2, CodecZstd} {
		to := heapFile(t, crashfs.New(crashfs.Options{}), "/to")
		if err := w.Pack(to, codec, footer+FooterSize, nil); !errors.Is(err, ErrIncompressible) {
			t.Errorf("%v: %v", codec, err)
		}
	}
	if err := w.Pack(file, CodecNone, footer+FooterSize, nil); !errors.Is(err, failure.Internal) {
		t.Errorf("packed with no codec: %v", err)
	}
}

func TestPackedIsNotWrittenTo(t *testing.T) {
	raw, _, footer := packable(t)
	s := openPackedSealed(t, packed(t, raw, CodecS2, footer), footer)
	_, write := s.File().WriteAt([]byte("x"), HeaderSize)
	_, header := s.File().ReadAt(make([]byte, 8), 0)
	for _, err := range []error{write, header, s.File().Allocate(1 << 20), s.File().PunchHole(0, 4096), s.Pack(s.File(), CodecS2, footer+FooterSize, nil)} {
		if !errors.Is(err, failure.Internal) {
			t.Error(err)
		}
	}
	stop := errors.New("stop")
	if err := raw.Pack(heapFile(t, crashfs.New(crashfs.Options{}), "/to"), CodecS2, footer+FooterSize, func(int64) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestPackedReadsWithoutAllocating(t *testing.T) {
	raw, frames, footer := packable(t)
	for _, codec := range []Codec{CodecS2, CodecZstd} {
		s := openPackedSealed(t, packed(t, raw, codec, footer), footer)
		var r Reader
		r.Reset(s)
		r.Onward(true)
		read := func() {
			for _, off := range frames {
				if _, _, err := r.Frame(off); err != nil {
					t.Fatal(err)
				}
			}
		}
		read()
		// The pool of buffers may be emptied by a collection meanwhile.
		if n := testing.AllocsPerRun(20, read) / float64(len(frames)); n > 0.05 {
			t.Errorf("%v: %v allocations a frame", codec, n)
		}
	}
}

func TestCodecNames(t *testing.T) {
	for _, c := range []Codec{CodecNone, CodecS2, CodecZstd} {
		var got Codec
		if err := got.Set(c.String()); err != nil || got != c {
			t.Errorf("%v: %v, %v", c, got, err)
		}
	}
	if err := new(Codec).Set("lz4"); !errors.Is(err, failure.InvalidArgument) || Codec(9).String() != "codec 9" {
		t.Error(err)
	}
}

func BenchmarkPacked(b *testing.B) {
	raw, frames, footer := packable(b)
	for _, codec := range []Codec{CodecS2, CodecZstd} {
		b.Run("read/"+codec.String(), func(b *testing.B) {
			s := openPackedSealed(b, packed(b, raw, codec, footer), footer)
			var r Reader
			r.Reset(s)
			r.Onward(true)
			b.SetBytes(footer)
			for b.Loop() {
				for _, off := range frames {
					if _, _, err := r.Frame(off); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
