package index

import (
	"encoding/hex"
	"math"
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

// dumbStretch is what lies from e to the entry with that number; -1 for none.
func dumbStretch(entries []Entry, e Entry, next int) Stretch {
	if next <= 0 {
		return Stretch{}
	}
	return Stretch{entries[next].RelativeSequence - e.RelativeSequence, entries[next].Offset() - e.Offset()}
}

func drawFrames(t *rapid.T) []frame {
	var frames []frame
	f := frame{offset: 4096, time: rapid.Int64Range(-1000, 1000).Draw(t, "time")}
	most := uint32(50) // records of a frame
	for range rapid.IntRange(1, 2000).Draw(t, "frames") {
		frames = append(frames, f)
		f.offset += 8 * rapid.Int64Range(5, 4000).Draw(t, "span8")
		f.sequence += rapid.Uint32Range(0, most).Draw(t, "count")
		f.time += rapid.Int64Range(0, 3).Draw(t, "pause")
		if rapid.IntRange(0, 99).Draw(t, "jump") == 0 { // what grows unevenly is found, too
			f.time += 5000
			most = rapid.SampledFrom([]uint32{0, 1, 50, 3000}).Draw(t, "most")
		}
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
			last := frames[len(frames)-1]
			sequence := rapid.Uint32Range(0, last.sequence+100).Draw(t, "sequence")
			time := rapid.Int64Range(-1100, last.time+100).Draw(t, "at")
			for name, s := range map[string]*Sparse{"grown": &s, "decoded": decoded} {
				want, wantOK := dumbFind(frames, func(f frame) bool { return f.sequence > sequence })
				if got, ok := s.FindSequence(sequence); ok != wantOK || got.Offset() != want.offset {
					t.Fatalf("%s: sequence %d: got %v %v, want %v %v", name, sequence, got, ok, want, wantOK)
				}
				next := slices.IndexFunc(s.Entries(), func(e Entry) bool { return e.RelativeSequence > sequence })
				if e, got, _ := s.FindStretch(sequence); got != dumbStretch(s.Entries(), e, next) {
					t.Fatalf("%s: sequence %d: %+v from %+v on", name, sequence, got, e)
				}
				want, wantOK = dumbFind(frames, func(f frame) bool { return f.time >= time })
				if got, ok := s.FindTime(time); ok != wantOK || got.Offset() != want.offset {
					t.Fatalf("%s: time %d: got %v %v, want %v %v", name, time, got, ok, want, wantOK)
				}
			}
		}
	})
}

func TestNothingIsBeforeTheFirstEntry(t *testing.T) {
	var s Sparse
	for range 2 {
		if _, ok := s.FindSequence(4); ok {
			t.Error("a sequence number")
		}
		for _, time := range []int64{math.MinInt64, 10} {
			if _, ok := s.FindTime(time); ok {
				t.Errorf("time %d", time)
			}
		}
		s.Add(4096, 5, 10, 0)
	}
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
