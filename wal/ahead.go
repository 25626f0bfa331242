package wal

import (
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

const (
	// aheadMin and aheadMax bound the zeroes that one commit writes ahead: as many
	// as the segment has bytes, so that a log with few records costs little.
	aheadMin = 16 << 10
	aheadMax = 256 << 10
	// aheadBatch is the size of a commit from which zeroes cost more than they save.
	aheadBatch = 128 << 10
)

// writeAhead writes zeroes behind the frames of a commit that is about to sync, if
// these reached the end of the zeroes before.
//
// The blocks of a segment are allocated, but the file system has to note of each
// that it was written, and a sync that covers such a note waits for the file
// system's journal as well: about twice as long as one over blocks that were
// written before. With this a small commit in many pays for the others, in its own
// sync: see docs/design/0017.
func (l *Log) writeAhead() {
	t := l.active
	if l.options.Durability != record.Group || l.dir.options.Backend == BackendHeap {
		return
	}
	if t.stored <= t.blank || t.journaled || l.unsynced > aheadBatch {
		return
	}
	end := min(t.stored+max(min(t.stored, aheadMax), aheadMin), t.segment.Limit()) &^ (pageSize - 1)
	n := min(end-t.stored, aheadMax)
	if n <= 0 {
		return
	}
	t.blank = t.stored + n
	if err := segment.WriteZeroes(t.segment.File(), t.stored, n); err != nil {
		// No frame is lost. If it matters, the writes and syncs of frames fail, too.
		t.blank = t.segment.Limit()
	}
}
