//go:build !linux

package mmap

// Supported says whether [Open] works on this system.
const Supported = false

// Map is never made on this system.
type Map struct{}

// Open returns [ErrUnsupported].
func Open(fd uintptr, size int64, writable bool) (*Map, error) { return nil, ErrUnsupported }

// Bytes returns nil.
func (m *Map) Bytes() []byte { return nil }

// PopulateRead returns [ErrUnsupported].
func (m *Map) PopulateRead(off, n int64) error { return ErrUnsupported }

// PopulateWrite returns [ErrUnsupported].
func (m *Map) PopulateWrite(off, n int64) error { return ErrUnsupported }

// Resident returns false.
func (m *Map) Resident(off, n int64, pages []byte) bool { return false }

// Unmap returns [ErrUnsupported].
func (m *Map) Unmap(off, n int64) error { return ErrUnsupported }

// WillNeed returns [ErrUnsupported].
func (m *Map) WillNeed(off, n int64) error { return ErrUnsupported }

// Sync returns [ErrUnsupported].
func (m *Map) Sync() error { return ErrUnsupported }

// Close returns [ErrUnsupported].
func (m *Map) Close() error { return ErrUnsupported }
