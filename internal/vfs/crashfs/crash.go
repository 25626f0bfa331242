package crashfs

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// Crash returns a state in which a power cut at this moment could have left the
// disk, as a new file system on which everything is durable. It has the options
// of f except the hook. The same history and the same numbers from rng give the
// same state. Writers may be at work on f; f goes on undisturbed.
func (f *FS) Crash(rng *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	image := New(Options{VersionsMax: f.versionsMax})
	image.capacity = f.capacity
	c := crash{rng: rng, to: image, entries: f.crashedEntries(rng)}
	image.root = c.directory(f.root)
	return image
}

// crashedEntries decides which directory changes reached the disk, and returns
// the resulting entries of the directories that had any pending.
func (f *FS) crashedEntries(rng *rand.Rand) map[*directory]map[string]node {
	entries := make(map[*directory]map[string]node)
	of := func(d *directory) map[string]node {
		if entries[d] == nil {
			entries[d] = maps.Clone(d.durable)
		}
		return entries[d]
	}
	likely := likelihood(rng)
	lost := make(map[place]bool)
	for i := range f.changes {
		c := &f.changes[i]
		if rng.Float64() < likely && !c.touches(lost) {
			c.apply(of)
		} else {
			c.mark(lost) // later changes of this name rest on it
		}
	}
	return entries
}

// likelihood returns how likely an unsynced change is on the disk, drawn once
// for everything that shares it. All and nothing are drawn often, because most
// mistakes show there; in between, one odd page among many is what matters.
func likelihood(rng *rand.Rand) float64 {
	return [...]float64{0, 0.05, 0.5, 0.95, 1}[rng.IntN(5)]
}

// crash builds one image.
type crash struct {
	rng     *rand.Rand
	to      *FS
	entries map[*directory]map[string]node
}

func (c *crash) directory(d *directory) *directory {
	entries := c.entries[d]
	if entries == nil {
		entries = d.durable
	}
	copied := newDirectory()
	for _, name := range slices.Sorted(maps.Keys(entries)) { // the order decides what rng means
		child := entries[name]
		if child.file != nil {
			child.file = c.file(child.file)
		} else {
			child.directory = c.directory(child.directory)
		}
		copied.entries[name] = child
		copied.durable[name] = child
	}
	return copied
}

func (c *crash) file(n *inode) *inode {
	likely := likelihood(c.rng)
	size := int64(len(n.data))
	if c.rng.Float64() >= likely && len(n.oldSizes) > 0 {
		size = n.oldSizes[c.rng.IntN(len(n.oldSizes))].size
	}
	copied := newInode()
	copied.linked = true
	copied.data = make([]byte, size)
	_, pages := pagesOf(0, size)
	for p := range pages {
		to := copied.data[p*pageSize : min((p+1)*pageSize, len(copied.data))]
		if versions := n.old[p]; len(versions) > 0 {
			c.page(to, n.content(p), versions, likely)
			copied.written.set(p)
		} else if n.written.has(p) {
			copy(to, n.content(p))
			copied.written.set(p)
		}
		if n.reserved.has(p) {
			copied.reserved.set(p)
		}
	}
	c.to.used += int64(copied.reserved.count())
	return copied
}

// tornOneIn is how many unsynced pages there are to one whose sectors differ in
// age.
const tornOneIn = 4

// page fills to with one of the contents that the page had.
func (c *crash) page(to, current []byte, versions []version, likely float64) {
	if c.rng.IntN(tornOneIn) != 0 || likely == 0 || likely == 1 {
		copyClear(to, c.choose(current, versions, likely))
		return
	}
	for from := 0; from < len(to); from += sectorSize {
		end := min(from+sectorSize, len(to))
		chosen := c.choose(current, versions, 0.5)
		copyClear(to[from:end], chosen[min(from, len(chosen)):])
	}
}

func (c *crash) choose(current []byte, versions []version, likely float64) []byte {
	if c.rng.Float64() < likely {
		return current
	}
	i := 0
	if likely > 0 && len(versions) > 1 {
		i = c.rng.IntN(len(versions))
	}
	if image := versions[i].image; image != nil {
		return image[:]
	}
	return nil
}

// copyClear copies and zeroes what is left of to.
func copyClear(to, from []byte) {
	clear(to[copy(to, from):])
}

// everything is a limit that no stamp exceeds.
const everything = math.MaxUint64
