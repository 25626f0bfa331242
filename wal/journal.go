package wal

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/record"
)

const (
	// journalEntryMax is the largest commit that goes through the journal. A
	// larger one is worth a sync of its own.
	journalEntryMax = 64 << 10
	// journalGather bounds how long a batch waits for the logs that the last one has
	// released: their appenders have one wake-up more to come back.
	journalGather = 120 * time.Microsecond
	// journalLone is after how many batches with one log alone the journal is left.
	journalLone = 16
)

// journal makes small commits of many logs durable with one write and one sync:
// see docs/design/0015.
//
// Each log has written its frames to its own segment before, so that reading is
// what it always is; only the sync of the segment is put off. A file of the journal
// keeps the same bytes until that sync, the checkpoint, is done: after a power
// cut OpenDir puts them back where they belong. A log that syncs alone, a
// large commit, and everybody while no file is ready sync their own segments.
//
// As in [Log], batches are written by the goroutine that finds nobody at it, and
// by one in the background while there are more.
type journal struct {
	dir      *Dir
	logsMin  int32 // how many logs make it worth while
	batchMax int
	syncing  atomic.Int32 // logs that make a commit durable at this moment
	shared   atomic.Bool  // there were enough of them lately

	mu       sync.Mutex // guards the fields below; taken after that of a log
	files    journalFiles
	fill     *journalBatch // being filled: then somebody is running
	free     []*journalBatch
	taken    sync.Cond // fill was taken
	running  bool      // somebody writes a batch, or is about to
	released int       // entries of the last batch
	lone     int       // batches in a row with one entry
}

// journalBatch is what several logs write at once.
type journalBatch struct {
	buffer []byte
	tails  []journaled // one an entry
	done   bool        // it was written, or not
	ok     bool        // it is durable
	left   int         // logs that have yet to see done
	wake   sync.Cond
}

// journaled is a segment with bytes that are durable in the journal only.
type journaled struct {
	log  *Log
	tail *tail
}

func newJournal(d *Dir) *journal {
	size := d.options.JournalBytes
	j := &journal{dir: d, logsMin: int32(d.options.JournalLogs), batchMax: int(min(size/4, journalBatchMax))}
	j.taken.L = &j.mu
	j.files = journalFiles{size: size, generation: 1, ended: make(chan struct{})}
	return j
}

// settle makes durable what a commit wrote: with a sync of the segment, or with
// one that other logs share. own asks for the former.
func (l *Log) settle(stages []*stage, own bool) error {
	j := l.dir.journal
	if l.options.Durability != record.Group || j.files.size < 0 {
		return l.sync()
	}
	busy := j.syncing.Add(1)
	defer j.syncing.Add(-1)
	if busy >= j.logsMin {
		j.shared.Store(true)
	}
	if own || !j.shared.Load() {
		return l.sync()
	}
	size, ok := l.journalSize(stages)
	if !ok || size > min(journalEntryMax, j.batchMax-journalBatchHeader) {
		return l.sync()
	}
	l.mu.Lock()
	l.active.journaled = true
	l.mu.Unlock()
	if !j.commit(l, stages, size) {
		return l.sync()
	}
	l.unsynced = 0
	l.stats.journaled.Add(1)
	return nil
}

// journalSize returns what the stages take in a batch. It is false if there is
// more to make durable than what is in them.
func (l *Log) journalSize(stages []*stage) (size int, ok bool) {
	used := 0
	for _, s := range stages {
		if s.tail == l.active {
			used += s.used
			size += journalEntryHeader + s.used
		}
	}
	return size, used > 0 && int64(used) == l.unsynced
}

// commit makes the stages durable in a batch of the journal and reports whether it
// did.
func (j *journal) commit(l *Log, stages []*stage, size int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.files.current == nil || j.files.failed != nil {
		j.prepareLocked()
		return false
	}
	b := j.roomLocked(size)
	for _, s := range stages {
		if s.tail == l.active {
			b.buffer = appendJournalEntry(b.buffer, l.id, s.tail.segment.Header.Segment, s.off, s.used)
			b.buffer = append(b.buffer, s.buffer[:s.used]...)
			b.tails = append(b.tails, journaled{l, s.tail})
		}
	}
	b.left++
	if !j.running {
		j.running = true
		j.mu.Unlock()
		j.writeNext()
		j.mu.Lock()
		j.handOverLocked()
	}
	for !b.done {
		b.wake.Wait()
	}
	ok := b.ok
	if b.left--; b.left == 0 {
		b.buffer, b.tails, b.done = b.buffer[:0], b.tails[:0], false
		j.free = append(j.free, b)
	}
	return ok
}

// roomLocked returns the batch being filled once it has room for size bytes.
func (j *journal) roomLocked(size int) *journalBatch {
	for j.fill != nil && len(j.fill.buffer)+size > j.batchMax {
		j.taken.Wait()
	}
	if j.fill != nil {
		return j.fill
	}
	if n := len(j.free); n > 0 {
		j.fill, j.free = j.free[n-1], j.free[:n-1]
	} else {
		j.fill = new(journalBatch)
		j.fill.wake.L = &j.mu
	}
	j.fill.buffer = append(j.fill.buffer, make([]byte, journalBatchHeader)...)
	return j.fill
}

// handOverLocked ends the caller's turn: if there is another batch a goroutine
// takes over.
func (j *journal) handOverLocked() {
	if j.fill == nil {
		j.running = false
		return
	}
	j.dir.background.Go(j.loop)
}

// loop writes batches while there are any.
func (j *journal) loop() {
	for more := true; more; {
		j.writeNext()
		j.gather()
		j.mu.Lock()
		if more = j.fill != nil; !more {
			j.running = false
		}
		j.mu.Unlock()
	}
}

// gather lets the logs come back that the last batch has released, as
// [Log.gather] does for appenders and for the same reason.
func (j *journal) gather() {
	for deadline := time.Now().Add(journalGather); time.Now().Before(deadline); runtime.Gosched() {
		j.mu.Lock()
		enough := j.fill != nil && len(j.fill.tails) >= j.released
		j.mu.Unlock()
		if enough {
			return
		}
	}
}

// writeNext writes the batch that is being filled, if there is one.
func (j *journal) writeNext() {
	j.mu.Lock()
	b := j.fill
	j.fill = nil
	j.taken.Broadcast()
	j.mu.Unlock()
	if b == nil {
		return
	}
	ok := j.write(b)
	j.mu.Lock()
	defer j.mu.Unlock()
	b.done, b.ok = true, ok
	j.released = len(b.tails)
	if j.lone++; len(b.tails) > 1 {
		j.lone = 0
	}
	if j.lone >= journalLone && j.logsMin > 1 {
		j.shared.Store(false)
	}
	b.wake.Broadcast()
}
