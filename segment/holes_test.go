package segment

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/protocol"
)

// plainFile does not say what was never written.
type plainFile struct{ vfs.File }

// wrongFile says that there is nothing but holes.
type wrongFile struct{ vfs.File }

func (f wrongFile) Written(int64) (from, to int64, err error) {
	size, err := f.Size()
	return size, size, err
}

// TestClassifyLooksAtAllThatWasWritten: with and without what the file system
// knows about holes, what is behind the last frame is the same.
func TestClassifyLooksAtAllThatWasWritten(t *testing.T) {
	name := filepath.Join(t.TempDir(), "holes")
	missed := 0
	rapid.Check(t, func(t *rapid.T) {
		access := rapid.SampledFrom([]Access{AccessMapped, AccessPread, AccessMappedStore}).Draw(t, "access")
		file, err := vfs.OS().OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		end, next := plantBehind(t, file)
		classify := func(file vfs.File) Aftermath {
			s, err := Open(file, access)
			if err != nil {
				t.Fatal(err)
			}
			after, err := s.Classify(end, next)
			if err := errors.Join(err, s.detach()); err != nil {
				t.Fatal(err)
			}
			return after
		}
		want := classify(plainFile{file})
		if got := classify(file); got != want {
			t.Fatalf("got %+v, without holes %+v", got, want)
		}
		if classify(wrongFile{file}) != want {
			missed++
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if missed == 0 {
		t.Error("holes that are none were never noticed")
	}
}

// plantBehind makes a segment with a frame, and writes what was drawn behind it:
// frames with and without a promise, and words that are none.
func plantBehind(t *rapid.T, file vfs.File) (end int64, next uint64) {
	if err := file.Allocate(testCapacity); err != nil {
		t.Fatal(err)
	}
	h := testHeader()
	write := func(b []byte, off int64) {
		if _, err := file.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
	}
	frame := func(sequence uint64, durable int64) []byte {
		b := make([]byte, protocol.FrameHeaderSize)
		header := protocol.FrameHeader{Sequence: sequence, Time: 1, Durable8: uint32(durable / 8), Type: protocol.FrameSync}
		header.Seal(b, h.Salt)
		return b
	}
	write(h.Encode(), 0)
	write(frame(h.Base, HeaderSize), HeaderSize)
	end, next = HeaderSize+protocol.FrameHeaderSize, h.Base
	for range rapid.IntRange(0, 4).Draw(t, "planted") {
		off := end + 8*rapid.Int64Range(0, (testCapacity-end)/8-protocol.FrameHeaderSize).Draw(t, "place")
		switch rapid.IntRange(0, 2).Draw(t, "what") {
		case 0:
			write(frame(next, off), off)
		case 1:
			write(frame(next, end), off)
		case 2:
			write(binary.LittleEndian.AppendUint64(nil, rapid.Uint64().Draw(t, "word")), off)
		}
	}
	return end, next
}
