package wal

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// sectorBytes is what a device writes, loses or misplaces as a whole.
const sectorBytes = 512

// misdirection is one way in which a device harms whole sectors of a file.
type misdirection struct {
	name string
	// harm returns the file after sector i of n was harmed; nil if that is no
	// harm, or the file is gone.
	harm func(b []byte, i, n int) []byte
	// moves: what was written is good, and stands elsewhere.
	moves bool
}

// misdirections are all of them. The distant sectors are an odd number of sectors
// away, so that every pair of alignments occurs.
var misdirections = []misdirection{
	{"cut", func(b []byte, i, _ int) []byte { return bytes.Clone(b[:i*sectorBytes]) }, false},
	{"zeroed", func(b []byte, i, _ int) []byte {
		b = bytes.Clone(b)
		clear(sectorOf(b, i))
		return b
	}, false},
	{"swapped with its neighbour", func(b []byte, i, n int) []byte { return swapped(b, i, (i+1)%n) }, true},
	{"swapped with a distant one", func(b []byte, i, n int) []byte { return swapped(b, i, (i+n/3|1)%n) }, true},
	{"written over its neighbour", func(b []byte, i, n int) []byte { return copied(b, i, (i+1)%n) }, true},
	{"written over a distant one", func(b []byte, i, n int) []byte { return copied(b, i, (i+n/3|1)%n) }, true},
}

func sectorOf(b []byte, i int) []byte {
	return b[i*sectorBytes : min((i+1)*sectorBytes, len(b))]
}

func swapped(b []byte, i, j int) []byte {
	c := bytes.Clone(b)
	copy(sectorOf(c, i), sectorOf(b, j))
	copy(sectorOf(c, j), sectorOf(b, i))
	return c
}

func copied(b []byte, from, to int) []byte {
	c := bytes.Clone(b)
	copy(sectorOf(c, to), sectorOf(b, from))
	return c
}

// misdirectCounts say what was harmed, by class; unchanged are those that found
// the same bytes at both places.
type misdirectCounts struct {
	flipCounts
	unchanged atomic.Int64
}

// misdirect harms every sector of every file in the ways given.
func (s *rotSet) misdirect(serve rotServer, ways []misdirection, counts *misdirectCounts) error {
	for _, f := range s.files {
		n := (len(f.bytes) + sectorBytes - 1) / sectorBytes
		for _, m := range ways {
			err := inParallel(int64(n), func(i int64) error {
				content := m.harm(f.bytes, int(i), n)
				if bytes.Equal(content, f.bytes) {
					counts.unchanged.Add(1)
					return nil
				}
				e, err := s.try(serve, f, content, m.moves)
				counts.flipCounts[e.class].Add(1)
				if err != nil {
					return fmt.Errorf("sector %d %s: %w", i, m.name, err)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// TestTruncateZeroMisdirect cuts every file at every sector, zeroes every sector,
// and puts each at the place of another.
func TestTruncateZeroMisdirect(t *testing.T) {
	want := int64(1) // bytes: one round of the kinds
	if text := os.Getenv("MILLRACE_MISDIRECT_BYTES"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatalf("MILLRACE_MISDIRECT_BYTES: %v", err)
		}
		want = n
	}
	var counts misdirectCounts
	total := int64(0)
	for seed := uint64(1); total < want; seed++ {
		for i, s := range rotSets(t, seed) {
			if testing.Short() && i%5 != 0 {
				continue
			}
			for _, f := range s.files {
				if _, err := s.try(serveLog, f, nil, false); err != nil {
					t.Fatalf("removed: %v", err)
				}
			}
			if err := s.misdirect(serveLog, misdirections, &counts); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			total += s.size()
		}
	}
	t.Logf("sets of %d bytes: %v; %d changed nothing: 0 wrong records, 0 undetected", total, &counts.flipCounts, counts.unchanged.Load())
}
