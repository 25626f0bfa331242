package index

import (
	"encoding/hex"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type frame struct {
	offset   int64
	sequence uint32
	time     int64
}

// dumbFind walks all noted frames.
func dumbFind(frames []frame, behind func(frame) bool) (frame, bool) {
	found, ok := frame{}, false
	next := int64(0)
	for _, f := range frames {
		if f.offset < next {
			continue
		}
		next = f.offset + Interval
		if behind(f) {
			break
		}
		found, ok = f, true
	}
	return found, ok
}

func drawFrames(t *rapid.T) []frame {
	var frames []frame
	f := frame{offset: 4096, time: rapid.Int64Range(-1000, 1000).Draw(t, "time")}
	for range rapid.IntRange(0, 2000).Draw(t, "frames") {
		frames = append(frames, f)
		f.offset += 8 * rapid.Int64Range(5, 4000).Draw(t, "span8")
		f.sequence += rapid.Uint32Range(0, 50).Draw(t, "count")
		f.time += rapid.Int64Range(0, 3).Draw(t, "pause")
	}
	return frames
}

func TestLookupsAgreeWithAWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frames := drawFrames(t)
		var s Sparse
		for i, f := range frames {
			s.Add(f.offset, f.sequence, f.time, uint32(i))
		}
		decoded, err := Decode(s.AppendTo(nil), 4096, 1<<33)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			sequence := rapid.Uint32Range(0, 110_000).Draw(t, "sequence")
			time := rapid.Int64Range(-1100, 8000).Draw(t, "at")
			for name, s := range map[string]*Sparse{"grown": &s, "decoded": decoded} {
				want, wantOK := dumbFind(frames, func(f frame) bool { return f.sequence > sequence })
				if got, ok := s.FindSequence(sequence); ok != wantOK || got.Offset() != want.offset {
					t.Fatalf("%s: sequence %d: got %v %v, want %v %v", name, sequence, got, ok, want, wantOK)
				}
				next := slices.IndexFunc(s.Entries(), func(e Entry) bool { return e.RelativeSequence > sequence })
				if _, at, ok := s.EstimateSequence(sequence); ok && (at < want.offset || next >= 0 && at >= s.Entries()[next].Offset() || next < 0 && at != want.offset) {
					t.Fatalf("%s: sequence %d: estimated at %d, behind the frame at %d", name, sequence, at, want.offset)
				}
				want, wantOK = dumbFind(frames, func(f frame) bool { return f.time >= time })
				if got, ok := s.FindTime(time); ok != wantOK || got.Offset() != want.offset {
					t.Fatalf("%s: time %d: got %v %v, want %v %v", name, time, got, ok, want, wantOK)
				}
			}
		}
	})
}

func TestGoldenEntry(t *testing.T) {
	var s Sparse
	s.Add(4096, 0x01020304, 0x1112131415161718, 5)
	const want = "04030201" + "00020000" + "1817161514131211" + "05000000" + "00000000"
	if got := hex.EncodeToString(s.AppendTo(nil)); got != want {
		t.Errorf("encoded entry\n got %s\nwant %s", got, want)
	}
}

func TestDecodeRejectsWhatCannotBe(t *testing.T) {
	var s Sparse
	s.Add(4096, 0, 10, 0)
	s.Add(4096+Interval, 5, 10, 1)
	good := s.AppendTo(nil)
	swapped := append(append([]byte{}, good[EntrySize:]...), good[:EntrySize]...)
	for name, b := range map[string][]byte{"half an entry": good[:EntrySize+3], "out of order": swapped} {
		if _, err := Decode(b, 4096, 1<<20); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := Decode(good, 4096, 4096+Interval); err == nil {
		t.Error("an entry behind the end: accepted")
	}
}
