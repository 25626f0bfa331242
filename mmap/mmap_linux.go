//go:build linux

package mmap

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Supported says whether [Open] works on this system.
const Supported = true

// unmapStep bounds the bytes of one munmap: the call holds the write side of
// the process's map lock, and every other page fault waits for it.
const unmapStep = 64 << 20

// Map is one shared mapping of a file. Its methods may be called concurrently,
// except Close, which must come last.
type Map struct {
	data []byte
}

// Open maps the first size bytes of the file. The descriptor may be closed
// afterwards. The file must never become shorter while it is mapped.
func Open(fd uintptr, size int64, writable bool) (*Map, error) {
	protection := unix.PROT_READ
	if writable {
		protection |= unix.PROT_WRITE
	}
	address, err := unix.MmapPtr(int(fd), 0, nil, uintptr(size), protection, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap: map %d bytes: %w; if this is 'cannot allocate memory' raise vm.max_map_count", size, err)
	}
	return &Map{data: unsafe.Slice((*byte)(address), size)}, nil
}

// Bytes returns the mapped memory, valid until Close.
func (m *Map) Bytes() []byte { return m.data }

// PopulateRead brings the pages of [off, off+n) in, reading from the device
// where it must. The goroutine waits in a system call, so that its processor
// serves others meanwhile, and an unreadable page is an error, not a signal.
func (m *Map) PopulateRead(off, n int64) error {
	return m.advise(off, n, unix.MADV_POPULATE_READ, "populate for reading")
}

// PopulateWrite makes the pages of [off, off+n) ready for stores. All of them
// become dirty, so that the next sync writes them all: for use without sync.
func (m *Map) PopulateWrite(off, n int64) error {
	return m.advise(off, n, unix.MADV_POPULATE_WRITE, "populate for writing")
}

// Resident reports whether all pages of [off, off+n) are in memory now. pages is
// scratch, a byte for each page. A kernel that does not tell means no.
func (m *Map) Resident(off, n int64, pages []byte) bool {
	const page = 4096
	start := off &^ (page - 1)
	end := min(off+n, int64(len(m.data)))
	count := (end - start + page - 1) / page
	if count <= 0 {
		return true
	}
	if int64(len(pages)) < count {
		return false
	}
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m.data[start])), uintptr(end-start), uintptr(unsafe.Pointer(&pages[0])))
	if errno != 0 {
		return false
	}
	for _, p := range pages[:count] {
		if p&1 == 0 {
			return false
		}
	}
	return true
}

// Unmap takes the pages of [off, off+n) that lie in it as a whole out of the page
// table. What was stored stays in the page cache, and the next access brings
// a page in again. Before write-back of stored pages it saves the kernel
// from protecting them one by one, each time interrupting every processor of the
// process.
func (m *Map) Unmap(off, n int64) error {
	const page = 4096
	start, end := (off+page-1)&^(page-1), min(off+n, int64(len(m.data)))&^(page-1)
	if end <= start {
		return nil
	}
	if err := unix.Madvise(m.data[start:end], unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("mmap: unmap [%d, %d): %w", start, end, err)
	}
	return nil
}

// WillNeed asks the kernel to read [off, off+n) ahead and does not wait.
func (m *Map) WillNeed(off, n int64) error {
	return m.advise(off, n, unix.MADV_WILLNEED, "read ahead")
}

func (m *Map) advise(off, n int64, advice int, what string) error {
	const page = 4096
	start := off &^ (page - 1)
	end := min(off+n, int64(len(m.data)))
	if end <= start {
		return nil
	}
	err := unix.Madvise(m.data[start:end], advice)
	if err == unix.EINVAL && advice != unix.MADV_WILLNEED {
		return nil // a kernel before 5.14: the pages fault in one by one
	}
	if err != nil {
		return fmt.Errorf("mmap: %s [%d, %d): %w", what, start, end, err)
	}
	return nil
}

// Sync writes the dirty pages of the mapping to the device (msync MS_SYNC).
func (m *Map) Sync() error {
	if err := unix.Msync(m.data, unix.MS_SYNC); err != nil {
		return fmt.Errorf("mmap: sync: %w", err)
	}
	return nil
}

// Close removes the mapping.
func (m *Map) Close() error {
	data := m.data
	m.data = nil
	for len(data) > 0 {
		n := min(len(data), unmapStep)
		if err := unix.MunmapPtr(unsafe.Pointer(&data[0]), uintptr(n)); err != nil {
			return fmt.Errorf("mmap: unmap %d bytes: %w", n, err)
		}
		data = data[n:]
	}
	return nil
}
