package crashfs

import (
	"errors"
	"fmt"
	"math/bits"
	"syscall"
)

const (
	pageSize    = 4096
	sectorSize  = 512
	oldSizesMax = 64
)

// errMapped is what growing or truncating a file gives once its image has been
// handed out.
var errMapped = errors.New("crashfs: the image is in use and cannot change its length")

type page [pageSize]byte

// version is a content that a page no longer has.
type version struct {
	image *page  // nil: all zero
	until uint64 // the stamp of the write that replaced it
}

// sizeVersion is a length that a file no longer has.
type sizeVersion struct {
	size  int64
	until uint64
}

// inode is one file. All fields are guarded by FS.mu, except that holders of
// the image may read data below its length without it.
type inode struct {
	// data is the file as the program sees it; len(data) is its length.
	data []byte
	// written has a bit for each page that may hold something but zeros.
	written bitmap
	// reserved has a bit for each page that occupies a block.
	reserved bitmap
	// old holds, for each page written since the last sync, what it held
	// before, oldest first.
	// Invariant: old[p][0] is what the disk is known to hold of page p; a page
	// that is not in old is durable as it is.
	old map[int][]version
	// oldSizes does for the length what old does for a page.
	oldSizes []sizeVersion
	mapped   bool // the image was handed out: data must not move
	handles  int  // open files
	linked   bool // some directory has it
}

func newInode() *inode { return &inode{old: make(map[int][]version)} }

// pagesOf returns the pages [first, last) that touch [off, off+n).
func pagesOf(off, n int64) (first, last int) {
	return int(off / pageSize), int((off + n + pageSize - 1) / pageSize)
}

// content returns the current bytes of page p: fewer than pageSize at the end
// of the file, none beyond it.
func (n *inode) content(p int) []byte {
	from := min(p*pageSize, len(n.data))
	return n.data[from:min(from+pageSize, len(n.data))]
}

// keep remembers what page p holds, because the write stamped stamp is about
// to change it.
func (n *inode) keep(p int, stamp uint64, versionsMax int, free *freelist) {
	versions := n.old[p]
	if len(versions)+1 >= versionsMax {
		// Which one goes is arbitrary but repeatable. Index 0 is the disk.
		i := 1 + int(stamp%uint64(len(versions)-1))
		free.put(versions[i].image)
		versions = append(versions[:i], versions[i+1:]...)
	}
	n.old[p] = append(versions, version{image: n.imageOf(p, free), until: stamp})
}

func (n *inode) imageOf(p int, free *freelist) *page {
	if !n.written.has(p) {
		return nil
	}
	image := free.get()
	clear(image[copy(image[:], n.content(p)):])
	return image
}

// write stores bytes into the existing length.
func (n *inode) write(b []byte, off int64, stamp uint64, versionsMax int, free *freelist) {
	first, last := pagesOf(off, int64(len(b)))
	for p := first; p < last; p++ {
		n.keep(p, stamp, versionsMax, free)
		n.written.set(p)
	}
	copy(n.data[off:], b)
}

// zero clears [off, off+length), which lies inside the file.
func (n *inode) zero(off, length int64, stamp uint64, versionsMax int, free *freelist) {
	first, last := pagesOf(off, length)
	for p := first; p < last; p++ {
		if n.written.has(p) {
			n.keep(p, stamp, versionsMax, free)
		}
	}
	clear(n.data[off : off+length])
}

// resize sets the length; new bytes read as zero.
func (n *inode) resize(size int64, stamp uint64) error {
	if size == int64(len(n.data)) {
		return nil
	}
	if n.mapped {
		return errMapped
	}
	if len(n.oldSizes) >= oldSizesMax {
		i := 1 + int(stamp%(oldSizesMax-1))
		n.oldSizes = append(n.oldSizes[:i], n.oldSizes[i+1:]...)
	}
	n.oldSizes = append(n.oldSizes, sizeVersion{size: int64(len(n.data)), until: stamp})
	switch old := len(n.data); {
	case size <= int64(cap(n.data)):
		n.data = n.data[:size]
		if int(size) > old {
			clear(n.data[old:])
		}
	default:
		data := make([]byte, size, max(size, min(2*int64(cap(n.data)), size+1<<20)))
		copy(data, n.data)
		n.data = data
	}
	return nil
}

// sync makes durable what was there when the counter stood at limit.
func (n *inode) sync(limit uint64, free *freelist) {
	for p, versions := range n.old {
		durable := 0
		for durable < len(versions) && versions[durable].until <= limit {
			free.put(versions[durable].image)
			durable++
		}
		if durable == len(versions) {
			delete(n.old, p)
		} else if durable > 0 {
			n.old[p] = append(versions[:0], versions[durable:]...)
		}
	}
	durable := 0
	for durable < len(n.oldSizes) && n.oldSizes[durable].until <= limit {
		durable++
	}
	n.oldSizes = append(n.oldSizes[:0], n.oldSizes[durable:]...)
}

// reserve takes blocks for the pages [first, last) from the budget of *left
// pages. It reports the first page that found none.
func (n *inode) reserve(first, last int, left *int64) (int, error) {
	for p := first; p < last; p++ {
		if n.reserved.has(p) {
			continue
		}
		if *left <= 0 {
			return p, fmt.Errorf("crashfs: %w", syscall.ENOSPC)
		}
		*left--
		n.reserved.set(p)
	}
	return last, nil
}

// bitmap is a set of page numbers.
type bitmap []uint64

func (b bitmap) has(i int) bool { return i/64 < len(b) && b[i/64]&(1<<(i%64)) != 0 }

func (b *bitmap) set(i int) {
	for i/64 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i/64] |= 1 << (i % 64)
}

func (b bitmap) unset(i int) {
	if i/64 < len(b) {
		b[i/64] &^= 1 << (i % 64)
	}
}

func (b bitmap) count() int {
	total := 0
	for _, word := range b {
		total += bits.OnesCount64(word)
	}
	return total
}

// freelist recycles page images, which come and go with every write.
type freelist struct{ pages []*page }

const freePagesMax = 1024

func (l *freelist) get() *page {
	if len(l.pages) == 0 {
		return new(page)
	}
	last := len(l.pages) - 1
	image := l.pages[last]
	l.pages = l.pages[:last]
	return image
}

func (l *freelist) put(image *page) {
	if image != nil && len(l.pages) < freePagesMax {
		l.pages = append(l.pages, image)
	}
}
