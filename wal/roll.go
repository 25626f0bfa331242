package wal

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

const (
	// stagesMax bounds the staging buffers of one log.
	stagesMax = 8
	// fillFast is the age below which a segment that is half full asks for a
	// larger successor.
	fillFast = time.Minute
	// punchMin is the least unused space worth giving back.
	punchMin = 64 << 10
)

// makeRoomLocked makes the fill stage able to take span bytes. It does one
// step and reports whether that was enough; it may let go of mu meanwhile.
func (l *Log) makeRoomLocked(ctx context.Context, span int64) (ready bool, err error) {
	t := l.tail
	if t == nil || !t.fits(span) || l.tooOld(t) {
		return false, l.planLocked(ctx, span)
	}
	if l.fill != nil {
		if l.fill.tail == t && int64(len(l.fill.buffer)-l.fill.used) >= span {
			return true, nil
		}
		l.wide = true
		l.queue = append(l.queue, l.fill)
		l.fill = nil
	}
	if l.staged >= stagesMax {
		return false, l.awaitLocked(ctx, waitFor{room: true})
	}
	l.beginStageLocked(span)
	return true, nil
}

// beginStageLocked takes a buffer for the place where the tail stands.
func (l *Log) beginStageLocked(span int64) {
	var s *stage
	if n := len(l.idle); n > 0 {
		s, l.idle = l.idle[n-1], l.idle[:n-1]
	} else {
		s = new(stage)
	}
	n := span
	if l.wide {
		n = max(n, l.dir.options.StagingBytes)
	}
	*s = stage{tail: l.tail, off: l.tail.off, buffer: l.dir.buffers.take(n), next: l.next}
	l.fill = s
	l.staged++
}

// fits reports whether the tail takes span more bytes and still its seal.
func (t *tail) fits(span int64) bool {
	return t.off+span+segment.SealSize(t.segment.Index().Added()+1) <= t.segment.Limit()
}

// tooOld goes by the time of the newest record, which spares each append a look
// at the clock.
func (l *Log) tooOld(t *tail) bool {
	return t.totals.Records > 0 && time.Duration(l.lastTime-t.segment.Header.Created) > l.dir.options.SegmentAgeMax
}

// leaveTailLocked ends appending to the tail and returns it, or nil if there
// is nothing in it. room is what was promised for its edits.
func (l *Log) leaveTailLocked(room int64) *tail {
	t := l.tail
	if t == nil {
		return nil
	}
	l.tail = nil
	if l.fill != nil {
		l.queue = append(l.queue, l.fill)
		l.fill = nil
	}
	if t.off == segment.HeaderSize && t != l.active {
		// It was planned for an append that then gave up.
		l.dir.manifest.room.release(addedRoom + room)
		l.dir.unpin(t.segment)
		_ = l.dir.options.FS.Remove(t.name)
		return nil
	}
	t.next, t.lastTime, t.room = l.next, l.lastTime, room
	t.producers = l.producers.encode()
	return t
}

// planLocked leaves the tail and begins another one in a spare file. Nothing
// is durable yet: the commit that first writes to it makes it a segment.
func (l *Log) planLocked(ctx context.Context, span int64) error {
	least := (segment.HeaderSize + span + segment.SealSize(2) + 4095) &^ 4095
	if l.spare == nil || l.spare.capacity < least {
		return l.makeSpareLocked(ctx, least)
	}
	room, ready, err := l.promiseLocked(addedRoom)
	if !ready {
		return err
	}
	// Its name for good comes first: it may need a block of the directory, and
	// on a full disk there is none.
	s, final := l.spare, filepath.Join(l.dir.logPath(l.id), segmentName(l.next, l.nextID))
	if err := l.dir.options.FS.Rename(s.path, final); err != nil {
		l.dir.manifest.room.release(room + addedRoom)
		return spaceOr(failure.Internal, "append: name the segment", err)
	}
	s.path, l.spare = final, nil
	previous := l.tail
	l.leaveTailLocked(room)
	h := segment.Header{
		Segment: l.nextID, Log: l.id, Base: l.next, Capacity: s.capacity,
		PreviousLast: l.next - 1, BaseRaftIndex: 1, BaseTerm: 1, Salt: l.dir.newSalt(),
		Behind: l.options.Durability != record.Group,
	}
	// Between the times of its neighbours' records, so that a search by time
	// can go by the headers.
	h.Created = max(l.stamper.UnixNano(), l.lastTime)
	l.lastTime = h.Created
	if previous != nil {
		h.PreviousSegment = previous.segment.Header.Segment
		h.BaseRaftIndex = previous.segment.Header.BaseRaftIndex + uint64(previous.totals.RaftFrames)
	} else if segments := *l.segments.Load(); len(segments) > 0 {
		h.PreviousSegment = segments[len(segments)-1].Header.Segment
	}
	created, err := segment.Create(s.file, h, l.dir.options.writeAccess(l.direct))
	if err != nil {
		s.discard(l.dir.options.FS)
		l.dir.manifest.room.release(addedRoom)
		return spaceOr(failure.Internal, "append", err)
	}
	l.nextID++
	l.salt.Store(h.Salt)
	l.tail = &tail{
		segment: created, name: s.path, off: segment.HeaderSize, durable: segment.HeaderSize,
	}
	return nil
}

// makeSpareLocked makes a spare of at least that capacity on the caller's
// time, or waits for the one that is being made.
func (l *Log) makeSpareLocked(ctx context.Context, least int64) error {
	if making := l.preparing; making != nil {
		l.mu.Unlock()
		defer l.mu.Lock()
		select {
		case <-making:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if l.spare != nil {
		l.spare.discard(l.dir.options.FS)
		l.spare = nil
	}
	done := l.beginPreparingLocked()
	number, capacity, table := l.spares, max(l.capacity, least), l.tableSizeLocked()
	l.mu.Unlock()
	s, err := l.newSpare(number, capacity, least, table)
	l.mu.Lock()
	l.spare = s
	done()
	return err
}

func (l *Log) beginPreparingLocked() (doneLocked func()) {
	ch := make(chan struct{})
	l.preparing = ch
	l.spares++
	return func() {
		l.preparing = nil
		close(ch)
	}
}

// prepareLocked makes the next spare in the background once the tail is half
// full.
func (l *Log) prepareLocked() {
	t := l.tail
	if t.off < t.segment.Limit()/2 || l.spare != nil || l.preparing != nil || l.closed {
		return
	}
	if l.lastTime-t.segment.Header.Created < int64(fillFast) {
		l.capacity = min(4*l.capacity, l.dir.options.SegmentBytesMax)
	}
	done := l.beginPreparingLocked()
	number, capacity, table := l.spares, l.capacity, l.tableSizeLocked()
	l.commits.Go(func() {
		// A full disk is met again, and reported, by the append that needs
		// the spare.
		s, _ := l.newSpare(number, capacity, l.dir.options.SegmentBytesMin, table)
		l.mu.Lock()
		l.spare = s
		done()
		l.mu.Unlock()
	})
}

// roll seals the active segment and makes the tail the active one. With nil it
// only seals. It runs in a commit.
//
// The order is what recovery relies on. With record.Group the old segment is
// complete on the device, and the new file with its header and name, before one
// manifest record says both; and no frame is written to the new segment before
// that. For a log that promises less see rollBehind.
func (l *Log) roll(to *tail) error {
	from := l.active
	if from != nil && to != nil && l.options.Durability != record.Group {
		return l.rollBehind(from, to)
	}
	ready := l.activateBeside(to)
	var edits []edit
	promised := int64(0)
	err := l.seal(from)
	if from != nil && err == nil {
		err = l.sync()
		edits, promised = from.sealed(l.id), from.room
	}
	if ready := <-ready; err == nil {
		err = ready
	}
	if err != nil {
		return err
	}
	if to != nil {
		edits = append(edits, to.added(l.id))
		promised += addedRoom
	}
	if err := l.dir.manifest.commitPromised(promised, edits...); err != nil {
		return err
	}
	l.change(from, to, true)
	if from != nil {
		l.punchLater(from.segment, from.footer+segment.FooterSize)
	}
	return nil
}

// rollBehind goes on in the tail without waiting for the device. The segment it
// leaves is synced in the background, then the new one becomes durable and known to
// the MANIFEST (see behind.go); until then recovery takes what follows a torn
// segment for lost.
func (l *Log) rollBehind(from, to *tail) error {
	if err := l.seal(from); err != nil {
		return err
	}
	from.successor = to
	l.change(from, to, false)
	return l.syncLater()
}

// seal writes the index and the footer of a segment, if there is one.
func (l *Log) seal(from *tail) error {
	if from == nil {
		return nil
	}
	footer, err := from.segment.Seal(from.totals, from.off, from.durable, from.next, from.lastTime)
	if err != nil {
		return err
	}
	from.footer = footer
	from.blank = from.segment.Limit() // zeroes would be written over it
	l.unsynced += footer + segment.FooterSize - from.off
	return nil
}

// activateBeside activates the tail, if there is one, while the caller syncs
// another segment. The result is ready once both are done.
func (l *Log) activateBeside(to *tail) <-chan error {
	ready := make(chan error, 1)
	if to == nil {
		ready <- nil
		return ready
	}
	l.commits.Go(func() { ready <- l.activate(to) })
	return ready
}

// change publishes a roll.
func (l *Log) change(from, to *tail, synced bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active, l.writtenBack = to, segment.HeaderSize
	if from != nil {
		from.segment.SetReadable(from.off)
		from.segment.SetSealed()
		l.written.Store(max(l.written.Load(), from.next-1))
		if synced {
			l.durable.Store(max(l.durable.Load(), from.next-1))
		} else {
			from.unsynced, l.unsynced = l.unsynced, 0
			l.behind = append(l.behind, from)
		}
	}
	if to != nil {
		list := append(slices.Clone(*l.segments.Load()), to.segment)
		l.segments.Store(&list)
		if f := l.dir.options.Events.SegmentRolled; f != nil {
			f(l.id, to.segment.Header.Segment)
		}
	}
}

// added returns the edit that makes the segment known.
func (t *tail) added(log uint64) edit {
	return segmentEntry{id: t.segment.Header.Segment, base: t.segment.Header.Base}.added(log)
}

// sealed returns the edits that say that the segment is complete on the device.
func (t *tail) sealed(log uint64) []edit {
	return []edit{
		{kind: editSegmentSealed, log: log, fields: [4]uint64{t.segment.Header.Segment, uint64(t.footer), t.next, uint64(t.lastTime)}},
		{kind: editProducersKnown, log: log, fields: [4]uint64{t.next}, table: t.producers},
	}
}

// punchLater gives the end of a segment behind used back, beside whatever follows.
func (l *Log) punchLater(s *segment.Segment, used int64) {
	if !s.Pin() {
		return
	}
	l.commits.Go(func() {
		punch(s, used)
		l.dir.unpin(s)
	})
}

// activate makes the header and the name of the tail's file durable.
func (l *Log) activate(to *tail) error {
	if err := l.witness.watch(to.segment.File().Sync); err != nil {
		return fmt.Errorf("segment %016x: sync header: %w", to.segment.Header.Segment, err)
	}
	if err := l.dir.options.FS.SyncDir(l.dir.logPath(l.id)); err != nil {
		return fmt.Errorf("segment %016x: sync directory: %w", to.segment.Header.Segment, err)
	}
	return nil
}

// punch gives the space behind used back to the file system; the length stays,
// since a mapped file must never shrink.
func punch(s *segment.Segment, used int64) {
	start := (used + punchMin - 1) &^ (punchMin - 1)
	if n := s.Header.Capacity - start; n >= punchMin {
		// It only saves space: a file system that cannot do it keeps the blocks.
		_ = s.File().PunchHole(start, n)
	}
}
