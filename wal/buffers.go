package wal

import "sync"

const (
	// stagingSmall is the size of the buffers that logs begin with. A burst on
	// thousands of logs at once must not make and clear a large one for each.
	stagingSmall = 32 << 10
	// How many free buffers of each kind a directory keeps.
	smallBuffers, wideBuffers = 256, 16
)

// buffers are the free staging buffers of a directory.
type buffers struct {
	sizes [2]int64 // of a small and a wide one
	free  [2]chan []byte
	large sync.Pool // of *[]byte: larger ones, used once
}

func newBuffers(staging int64) buffers {
	return buffers{
		sizes: [2]int64{min(stagingSmall, staging), staging},
		free:  [2]chan []byte{make(chan []byte, smallBuffers), make(chan []byte, wideBuffers)},
	}
}

// take returns a buffer of at least n bytes.
func (p *buffers) take(n int64) []byte {
	for kind, size := range p.sizes {
		if n > size {
			continue
		}
		select {
		case b := <-p.free[kind]:
			return b
		default:
			return make([]byte, size)
		}
	}
	if b, ok := p.large.Get().(*[]byte); ok && int64(cap(*b)) >= n {
		return *b
	}
	return make([]byte, n)
}

// give takes a buffer back.
func (p *buffers) give(b []byte) {
	b = b[:cap(b)]
	for kind, size := range p.sizes {
		if int64(cap(b)) > size {
			continue
		}
		select {
		case p.free[kind] <- b:
		default:
		}
		return
	}
	large := b // a variable of its own: b would be on the heap in every call
	p.large.Put(&large)
}
