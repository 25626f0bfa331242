package wal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// flipSetBytes is the size of the sets whose every bit is flipped.
const flipSetBytes = 4 << 20

// flipped returns the file with one bit changed.
func (f *rotFile) flipped(bit int64) []byte {
	b := bytes.Clone(f.bytes)
	b[bit/8] ^= 1 << (bit % 8)
	return b
}

// flip flips one bit and judges.
func (s *rotSet) flip(serve rotServer, f *rotFile, bit int64) (rotClass, error) {
	e, err := s.try(serve, f, f.flipped(bit), false)
	if err != nil {
		return e.class, fmt.Errorf("byte %d bit %d: %w", bit/8, bit%8, err)
	}
	return e.class, nil
}

// randomBit prefers bytes that mean something: most of the space behind the
// last frame is as good as any other of it.
func (s *rotSet) randomBit(rng *rand.Rand) (*rotFile, int64) {
	f := s.files[rng.IntN(len(s.files))]
	i := rng.IntN(len(f.regions) - 1)
	r := f.regions[i]
	for r.to == r.from || r.dead && rng.IntN(2) == 0 {
		r = f.regions[rng.IntN(len(f.regions))]
	}
	return f, 8*r.from + rng.Int64N(8*(r.to-r.from))
}

// flipCounts say what the flips hit.
type flipCounts [rotClasses]atomic.Int64

func (c *flipCounts) String() string {
	text, total := "", int64(0)
	for class := range c {
		n := c[class].Load()
		total += n
		text += fmt.Sprintf(", %d in %v", n, rotClass(class))
	}
	return fmt.Sprintf("%d changes%s", total, text)
}

// randomFlips flips n random bits, shared between two goroutines as a race for
// the next number, and stops at the first error.
func randomFlips(sets []*rotSet, n int64, serve func(i int64) rotServer, counts *flipCounts) error {
	return inParallel(n, func(i int64) error {
		rng := rand.New(rand.NewPCG(uint64(i), 3))
		s := sets[i%int64(len(sets))]
		f, bit := s.randomBit(rng)
		class, err := s.flip(serve(i), f, bit)
		counts[class].Add(1)
		return err
	})
}

// inParallel calls f with 0 to n-1 on a few goroutines, until one fails.
func inParallel(n int64, f func(i int64) error) error {
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make(chan error, 2)
	for range cap(errs) {
		group.Go(func() {
			for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
				if err := f(i); err != nil {
					next.Store(n)
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	return <-errs
}

// everyWay opens some directories read-only, and some with reads that are not
// mapped.
func everyWay(i int64) rotServer {
	switch i / int64(len(rotKinds)) % 6 {
	case 2, 5:
		return serveReadOnly
	case 4:
		return serveUnmapped
	}
	return serveLog
}

// flipsWanted returns how many random bits to flip, or 0 for all bits.
func flipsWanted(t *testing.T) int64 {
	text := os.Getenv("MILLRACE_FLIPS")
	switch {
	case text == "all":
		return 0
	case text != "":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			t.Fatalf("MILLRACE_FLIPS: %q is neither a number nor \"all\"", text)
		}
		return n
	case testing.Short():
		return 1_000
	}
	return 100_000
}

// TestBitFlips flips bits of data directories of every kind, one at a time:
// random ones, or with MILLRACE_FLIPS=all every bit of sets of 4 MiB.
func TestBitFlips(t *testing.T) {
	var counts flipCounts
	if n := flipsWanted(t); n > 0 {
		if err := randomFlips(rotSets(t, 1), n, everyWay, &counts); err != nil {
			t.Fatal(err)
		}
		t.Logf("%v: 0 wrong records, 0 undetected", &counts)
		return
	}
	total := int64(0)
	for seed := uint64(1); total < flipSetBytes; seed++ {
		for _, s := range rotSets(t, seed) {
			for _, f := range s.files {
				err := inParallel(8*int64(len(f.bytes)), func(bit int64) error {
					class, err := s.flip(serveLog, f, bit)
					counts[class].Add(1)
					return err
				})
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			total += s.size()
		}
		t.Logf("%d bytes: %v", total, &counts)
	}
}
