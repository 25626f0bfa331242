package wal

import (
	"fmt"
	"runtime"
	"time"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

const (
	// gatherMax bounds how long a commit waits for the appenders that the one
	// before it has released: see docs/design/0003 and 0020. It waits at most
	// gatherPatience times as long as they usually take.
	gatherMax      = time.Millisecond
	gatherPatience = 2
	// gatherWorth is how many times longer than the coming back of its appenders a
	// sync must be for gathering to pay. It saves every second sync, but nothing is
	// synced meanwhile, so that it would be 1; where a log does not gather they come
	// back beside the sync and take longer.
	gatherWorth = 0.7
	// writebackStep is how many written bytes a log in interval mode hands to the
	// kernel's write-back at a time, so that its syncs are short.
	writebackStep = 8 << 20
	pageSize      = 4096
	// idleSync is how long a log rests before a SYNC frame covers its last
	// records by a promise of durability.
	idleSync = 250 * time.Millisecond
)

// pendingLocked reports whether a commit would have something to do.
func (l *Log) pendingLocked() bool {
	return l.fill != nil || len(l.queue) > 0 || l.sealAsked != nil || l.syncAsked ||
		l.wantSync && l.durable.Load() < l.written.Load() ||
		l.direct && l.tail != nil && l.tail != l.active
}

// startLocked starts a commit in the background unless one is running.
func (l *Log) startLocked() {
	if !l.committing && l.refused == nil && l.pendingLocked() {
		l.committing = true
		l.commits.Go(l.commitLoop)
	}
}

// handOverLocked ends the caller's turn at committing. If more was staged
// meanwhile a goroutine takes over, so that the caller can go back to its own
// work.
func (l *Log) handOverLocked() {
	l.committing = false
	l.startLocked()
	l.wakeLocked()
}

// commitLoop commits until nothing is staged.
func (l *Log) commitLoop() {
	for {
		l.commit()
		l.gather()
		l.mu.Lock()
		if l.refused != nil || !l.pendingLocked() {
			l.committing = false
			l.wakeLocked()
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
}

// gather lets the appenders that were just released come back before the next
// batch is closed. Otherwise the first of them would begin a sync alone while
// the others queue behind it, and every second sync would serve one record. A
// single appender, a server that pipelines, and appenders that are slow beside the
// device never wait here.
func (l *Log) gather() {
	if l.options.Durability != record.Group {
		return
	}
	l.mu.Lock()
	target := len(l.waiters) + l.released
	patience := gatherFor(time.Duration(l.syncUsual.Load()), l.comeback.each, target)
	enough := l.released < 2 || patience == 0
	l.mu.Unlock()
	for deadline := time.Now().Add(patience); !enough && time.Now().Before(deadline); {
		runtime.Gosched()
		if l.mu.TryLock() { // or it would stand in the way of those it waits for
			enough = len(l.waiters) >= target || len(l.queue) > 0
			l.mu.Unlock()
		}
	}
}

// gatherFor returns how long to wait for target appenders, of whom one comes back
// each ns: 0 if a sync is not so long that it should serve all of them.
func gatherFor(sync time.Duration, each float64, target int) time.Duration {
	all := each * float64(target)
	if float64(sync) < gatherWorth*all {
		return 0
	}
	return min(time.Duration(gatherPatience*all), gatherMax)
}

// commit writes everything that is staged, syncs if the durability or somebody
// who waits asks for it, and publishes. The caller has set committing.
func (l *Log) commit() {
	l.mu.Lock()
	stages := append(l.scratch[:0], l.queue...)
	clear(l.queue)
	l.queue = l.queue[:0]
	if l.fill != nil {
		stages = append(stages, l.fill)
		l.fill = nil
	}
	sync := l.wantSync || l.options.Durability == record.Group
	seal, own := l.sealAsked, l.syncAsked
	l.wantSync, l.sealAsked, l.syncAsked, l.stalled = false, nil, false, false
	m := l.markLocked()
	l.mu.Unlock()

	if l.options.Durability == record.Group {
		defer l.expectEnd()()
	}
	err := l.write(stages)
	if err == nil {
		err = l.follow(m)
	}
	if err == nil && seal != nil && seal == l.active {
		err = l.roll(nil)
	}
	sync = sync || l.options.Durability == record.Interval && l.unsynced > l.dir.options.UnsyncedBytesMax
	if err == nil && sync {
		err = l.settle(stages, own)
	}
	l.publish(stages, m, err)
	l.scratch = stages[:0]
}

// write stores the stages at their places, changing segments where they do.
func (l *Log) write(stages []*stage) error {
	for _, s := range stages {
		if s.tail != l.active {
			if err := l.roll(s.tail); err != nil {
				return err
			}
		}
		if err := s.tail.segment.Store(s.buffer[:s.used], s.off); err != nil {
			return err
		}
		l.unsynced += int64(s.used)
		s.tail.stored = s.off + int64(s.used)
		l.pace(s.off + int64(s.used))
	}
	return nil
}

// pace begins write-back of what a log in interval mode has written up to off, once
// at a time and beside the commit: where the device has more to do than it takes, the
// call waits for it.
func (l *Log) pace(off int64) {
	if l.options.Durability == record.Group || off-l.writtenBack < writebackStep {
		return
	}
	s, from := l.active.segment, l.writtenBack
	if !l.pacing.CompareAndSwap(false, true) {
		return
	}
	off &^= pageSize - 1 // the last page is about to be written again
	l.writtenBack = off
	s.Pin() // it is the active one: it has a reference
	l.commits.Go(func() {
		s.BeginWriteback(from, off-from)
		l.pacing.Store(false)
		l.dir.unpin(s)
	})
}

// sync makes everything written durable.
func (l *Log) sync() error {
	if l.options.Durability != record.Group {
		if err := l.syncBehind(0); err != nil {
			return err
		}
	}
	if l.active == nil || l.unsynced == 0 && !l.active.journaled {
		return nil
	}
	l.writeAhead()
	if err := l.syncFile(l.active.segment); err != nil {
		return err
	}
	l.unsynced = 0
	if l.active.journaled {
		l.mu.Lock()
		l.active.journaled = false
		l.active.synced++
		l.mu.Unlock()
	}
	return nil
}

// syncFile makes what was written to a segment durable. Logs share a bounded
// number of concurrent syncs.
func (l *Log) syncFile(s *segment.Segment) error {
	l.dir.syncs <- struct{}{}
	err := l.witness.watch(func() error { return l.timeSync(s.File()) })
	<-l.dir.syncs
	if err != nil {
		return fmt.Errorf("segment %016x: sync: %w", s.Header.Segment, err)
	}
	return nil
}

// timeSync syncs a file and counts it as a sync of the log.
func (l *Log) timeSync(file vfs.File) error {
	began := time.Now()
	since := int64(began.Sub(l.dir.opened)) + 1
	if l.stats.syncBegan.CompareAndSwap(0, since) {
		defer l.stats.syncBegan.Store(0)
	}
	if err := file.Sync(); err != nil {
		return err
	}
	took := time.Since(began)
	const weight = 8 // of what was usual before
	usual := l.syncUsual.Load()
	l.syncUsual.Store(usual + (int64(took)-usual)/weight)
	l.stats.syncs.Add(1)
	l.stats.syncNanos.Add(uint64(took))
	if took > syncStall {
		l.stats.syncStalls.Add(1)
		if f := l.dir.options.Events.SyncStalled; f != nil {
			f(l.id, took)
		}
	}
	return nil
}

// publish lets readers and waiters see what the commit did, and recycles its
// buffers.
func (l *Log) publish(stages []*stage, m mark, err error) {
	l.mu.Lock()
	if len(stages) == 1 && stages[0].used < stagingSmall/2 {
		l.wide = false
	}
	for i, s := range stages {
		if err == nil {
			l.publishLocked(s.tail, s.off+int64(s.used), s.next-1)
		}
		l.dropLocked(s)
		stages[i] = nil
	}
	unsynced := l.unsynced
	for _, t := range l.behind {
		unsynced += t.unsynced
	}
	l.stats.unsynced = unsynced
	l.woken = l.woken[:0]
	if err != nil {
		l.poisonLocked(err)
	} else {
		l.settleLocked(m)
		l.woken = l.releaseLocked(l.woken)
		l.comeback.end()
		l.comeback.begin(len(l.woken))
	}
	l.mu.Unlock()
	wake(l.woken)
	l.wakeCursors()
}

// publishLocked declares the frames of t before off written and, when nothing
// is unsynced, durable.
func (l *Log) publishLocked(t *tail, off int64, last uint64) {
	if l.unsynced == 0 {
		t.durable = off
	}
	if l.unsynced == 0 || l.options.Durability != record.Group {
		t.segment.SetReadable(max(off, t.segment.Readable()))
	}
	l.written.Store(max(last, l.written.Load())) // now: who sees it is acknowledged, and may read
}

// settleLocked moves the durable mark and arms the timers for what is left to
// do later.
func (l *Log) settleLocked(m mark) {
	if l.direct {
		if l.unsynced == 0 && len(l.behind) == 0 {
			l.durableLocked(m)
		}
		return
	}
	if l.unsynced == 0 && len(l.behind) == 0 {
		l.durable.Store(l.written.Load())
		if l.active != nil {
			l.active.durable = max(l.active.durable, l.active.segment.Readable())
		}
		l.armIdleLocked()
		return
	}
	if l.options.Durability == record.Interval && l.syncTimer == nil && !l.closed {
		l.commits.Add(1)
		l.syncTimer = l.dir.options.Clock.AfterFunc(l.options.SyncInterval, l.syncDue)
	}
}

// syncDue runs when bytes of a log in interval mode were unsynced for long
// enough.
func (l *Log) syncDue() {
	defer l.commits.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.syncTimer = nil
	l.wantSync = true
	l.startLocked()
}

// armIdleLocked plans the SYNC frame that follows a burst of appends.
func (l *Log) armIdleLocked() {
	if l.options.Durability != record.Group || l.idleTimer != nil || l.closed || l.promised == l.durable.Load() {
		return
	}
	l.commits.Add(1)
	l.idleTimer = l.dir.options.Clock.AfterFunc(idleSync, l.idleDue)
}

// idleDue stages a SYNC frame if the log rests. Its promise covers the last
// acknowledged record: if that is ever damaged, recovery can tell it from a
// torn tail.
func (l *Log) idleDue() {
	defer l.commits.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idleTimer = nil
	if l.refused != nil || l.closed || l.tail == nil || l.tail != l.active {
		return
	}
	if l.committing || l.fill != nil || len(l.queue) > 0 {
		l.armIdleLocked()
		return
	}
	t := l.tail
	if !t.fits(protocol.FrameHeaderSize) {
		return
	}
	l.promised = l.durable.Load()
	l.beginStageLocked(protocol.FrameHeaderSize)
	b := l.fill.buffer[:protocol.FrameHeaderSize]
	h := protocol.FrameHeader{Sequence: l.next, Time: l.lastTime, Durable8: uint32(t.durable / 8), Type: protocol.FrameSync}
	h.Seal(b, t.segment.Header.Salt)
	l.addFrameLocked(h, protocol.FrameHeaderSize)
	l.fill.used, l.fill.next = protocol.FrameHeaderSize, l.next
	l.startLocked()
}
