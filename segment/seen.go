package segment

import "sync/atomic"

// blockBytes is what one bit of blocks stands for.
const blockBytes = 64 << 10

// blocks notes which parts of a mapping were brought in once. It is a guess at
// what is in memory now: the kernel may have taken pages back, and then a read
// waits for the device in a page fault. Its methods may be called concurrently.
type blocks []atomic.Uint64

func newBlocks(bytes int64) blocks { return make(blocks, bytes/blockBytes/64+1) }

// add notes [start, end), which follows what was brought in before in its block:
// every block that ends in it.
func (b blocks) add(start, end int64) {
	for i := start / blockBytes; i < end/blockBytes; i++ {
		b[i/64].Or(1 << (i % 64))
	}
}

// until returns the end of the noted blocks from that of start on, looking no
// further than to wanted, or start.
func (b blocks) until(start, wanted int64) int64 {
	for start < wanted {
		i := start / blockBytes
		if b[i/64].Load()&(1<<(i%64)) == 0 {
			break
		}
		start = (i + 1) * blockBytes
	}
	return start
}
