package wal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

const (
	// stagesMax bounds the staging buffers of one log.
	stagesMax = 4
	// fillFast is the age below which a segment that is half full asks for a
	// larger successor.
	fillFast = time.Minute
	// zeroStep is written at once when a spare is zeroed, and zeroSync is how
	// often that is synced: a log that syncs at the same time waits behind it.
	zeroStep = 1 << 20
	zeroSync = 8 << 20
	// behindMax is how many segments may wait for their sync in the
	// background before a roll waits for them.
	behindMax = 4
	// punchMin is the least unused space worth giving back.
	punchMin = 64 << 10
)

// spare is a file that is allocated and waits to become a segment.
type spare struct {
	file     vfs.File
	path     string
	capacity int64

	mu     sync.Mutex // held while a step of zeroes is written
	taken  bool
	zeroed chan struct{} // closed when nobody writes zeroes any more
}

// discard deletes the spare.
func (s *spare) discard(files vfs.FS) {
	s.take()
	<-s.zeroed
	// A leftover is removed by the next open of the log.
	_ = s.file.Close()
	_ = files.Remove(s.path)
}

// take ends the zeroing. It waits for the step in progress at most.
func (s *spare) take() {
	s.mu.Lock()
	s.taken = true
	s.mu.Unlock()
}

// zero writes every block once, so that later syncs need no change of extents
// in the file system's journal. It stops when the spare is taken; errors are
// left to the writes that follow.
func (s *spare) zero() {
	defer close(s.zeroed)
	zeroes := make([]byte, zeroStep)
	for off := int64(0); off < s.capacity; off += zeroStep {
		n := min(zeroStep, s.capacity-off)
		s.mu.Lock()
		if s.taken {
			s.mu.Unlock()
			return
		}
		_, err := s.file.WriteAt(zeroes[:n], off)
		s.mu.Unlock()
		if err != nil {
			return
		}
		if end := off + n; end%zeroSync == 0 || end == s.capacity {
			if s.file.Sync() != nil {
				return
			}
		}
	}
}

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
	*s = stage{tail: l.tail, off: l.tail.off, buffer: l.dir.takeBuffer(span), next: l.next}
	l.fill = s
	l.staged++
}

// fits reports whether the tail takes span more bytes and still its seal.
func (t *tail) fits(span int64) bool {
	return t.off+span+segment.SealSize(t.segment.Index().Len()+1) <= t.segment.Limit()
}

// tooOld goes by the time of the newest record, which spares each append a look
// at the clock.
func (l *Log) tooOld(t *tail) bool {
	return t.totals.Records > 0 && time.Duration(l.lastTime-t.segment.Header.Created) > l.dir.options.SegmentAgeMax
}

// leaveTailLocked ends appending to the tail and returns it, or nil if there
// is nothing in it.
func (l *Log) leaveTailLocked() *tail {
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
		<-t.zeroed
		l.dir.unpin(t.segment)
		_ = l.dir.options.FS.Remove(t.name)
		return nil
	}
	t.next, t.lastTime = l.next, l.lastTime
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
	s := l.spare
	l.spare = nil
	s.take()
	previous := l.tail
	l.leaveTailLocked()
	h := segment.Header{
		Segment: l.nextID, Log: l.id, Base: l.next, Capacity: s.capacity,
		PreviousLast: l.next - 1, BaseRaftIndex: 1, BaseTerm: 1, Salt: l.dir.newSalt(),
	}
	// Between the times of its neighbours' records, so that a search by time
	// can go by the headers.
	h.Created = max(l.dir.options.Clock.Now().UnixNano(), l.lastTime)
	l.lastTime = h.Created
	if previous != nil {
		h.PreviousSegment = previous.segment.Header.Segment
		h.BaseRaftIndex = previous.segment.Header.BaseRaftIndex + uint64(previous.totals.RaftFrames)
	} else if segments := *l.segments.Load(); len(segments) > 0 {
		h.PreviousSegment = segments[len(segments)-1].Header.Segment
	}
	created, err := segment.Create(s.file, h, l.dir.options.segmentAccess())
	if err != nil {
		s.discard(l.dir.options.FS)
		return spaceOr(failure.Internal, "append", err)
	}
	l.nextID++
	l.salt.Store(h.Salt)
	l.tail = &tail{
		segment: created, name: s.path, off: segment.HeaderSize, durable: segment.HeaderSize,
		zeroed: s.zeroed,
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
	s, err := l.dir.newSpare(l.id, number, capacity, least, table)
	l.mu.Lock()
	if s != nil {
		close(s.zeroed)
	}
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

// tableSizeLocked bounds the bytes of the producer table in the manifest.
func (l *Log) tableSizeLocked() int64 {
	return int64(len(l.producers.known)+1) * (producerHeaderSize + protocol.ProducerBatchesMax*producerBatchSize)
}

// prepareLocked makes the next spare in the background once the tail is half
// full.
func (l *Log) prepareLocked() {
	t := l.tail
	if t.off < t.segment.Limit()/2 || l.spare != nil || l.preparing != nil || l.closed {
		return
	}
	if l.lastTime-t.segment.Header.Created < int64(fillFast) {
		l.capacity = min(2*l.capacity, l.dir.options.SegmentBytesMax)
	}
	done := l.beginPreparingLocked()
	number, capacity, table := l.spares, l.capacity, l.tableSizeLocked()
	l.commits.Go(func() {
		// A full disk is met again, and reported, by the append that needs
		// the spare.
		s, _ := l.dir.newSpare(l.id, number, capacity, l.dir.options.SegmentBytesMin, table)
		l.mu.Lock()
		l.spare = s
		done()
		zero := !l.closed && l.options.Durability == record.Group && l.dir.options.Backend != BackendHeap
		if s != nil && !zero {
			close(s.zeroed)
		}
		l.mu.Unlock()
		if s != nil && zero {
			s.zero()
		}
	})
}

// newSpare allocates a file of the wanted capacity, or of less, but at least
// least, when the disk is nearly full. It also makes room for the edits that
// the segment will cause.
func (d *Dir) newSpare(log, number uint64, capacity, least, tableSize int64) (*spare, error) {
	if err := d.manifest.reserve(tableSize + 4096); err != nil {
		return nil, spaceOr(failure.Poisoned, "append", err)
	}
	capacity = (capacity + 4095) &^ 4095
	path := filepath.Join(d.logPath(log), sparePrefix+strconv.FormatUint(number, 10)+spareSuffix)
	file, err := d.options.FS.OpenFile(path, createFlags, 0o640)
	if err != nil {
		return nil, spaceOr(failure.Unavailable, "append: prepare segment", err)
	}
	for {
		err = file.Allocate(capacity)
		if err == nil {
			return &spare{file: file, path: path, capacity: capacity, zeroed: make(chan struct{})}, nil
		}
		if !errors.Is(err, syscall.ENOSPC) || capacity/2 < least {
			break
		}
		capacity = (capacity/2 + 4095) &^ 4095
	}
	_ = file.Close()
	_ = d.options.FS.Remove(path)
	return nil, spaceOr(failure.Unavailable, "append: prepare segment", err)
}

// roll seals the active segment and makes the tail the active one. With nil it
// only seals. It runs in a commit.
//
// The order is what recovery relies on. With record.Group the old segment is
// complete on the device, and the new file with its header and name, before one
// manifest record says both; and no frame is written to the new segment before
// that. A log that promises less does not wait for the old segment: its seal is
// noted once it is synced, in the background, and until then recovery takes
// what follows a torn segment for lost.
func (l *Log) roll(to *tail) error {
	from := l.active
	var edits []edit
	synced := to == nil || l.options.Durability == record.Group
	if from != nil {
		footer, err := from.segment.Seal(from.totals, from.off, from.durable, from.next, from.lastTime)
		if err != nil {
			return err
		}
		from.footer = footer
		l.unsynced += footer + segment.FooterSize - from.off
		if synced {
			if err := l.sync(); err != nil {
				return err
			}
			edits = from.sealed(l.id)
		}
	}
	if to != nil {
		if err := l.activate(to); err != nil {
			return err
		}
		edits = append(edits, edit{kind: editSegmentAdded, log: l.id, fields: [4]uint64{to.segment.Header.Segment, to.segment.Header.Base}})
	}
	if err := l.dir.manifest.commit(edits...); err != nil {
		return err
	}
	l.change(from, to, synced)
	if from == nil {
		return nil
	}
	if synced {
		punch(from.segment, from.footer+segment.FooterSize)
		return nil
	}
	return l.syncLater()
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

// sealed returns the edits that say that the segment is complete on the device.
func (t *tail) sealed(log uint64) []edit {
	return []edit{
		{kind: editSegmentSealed, log: log, fields: [4]uint64{t.segment.Header.Segment, uint64(t.footer), t.next, uint64(t.lastTime)}},
		{kind: editProducersKnown, log: log, fields: [4]uint64{t.next}, table: t.producers},
	}
}

// syncLater has the segments that were left unsynced synced in the background,
// or at once when they have become too many.
func (l *Log) syncLater() error {
	l.mu.Lock()
	many := len(l.behind) > behindMax
	l.mu.Unlock()
	if many {
		return l.syncBehind()
	}
	l.commits.Go(func() {
		// A failure has poisoned the log, which is all there is to do.
		_ = l.syncBehind()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wakeLocked()
	})
	return nil
}

// syncBehind syncs the segments that were left unsynced, oldest first, and
// notes their seals. A failure poisons the log before anybody else can try
// again: the kernel may have dropped the pages, and a second sync would succeed.
func (l *Log) syncBehind() error {
	l.behindMu.Lock()
	defer l.behindMu.Unlock()
	for l.behindErr == nil {
		l.mu.Lock()
		if len(l.behind) == 0 {
			l.mu.Unlock()
			return nil
		}
		t := l.behind[0]
		l.mu.Unlock()
		err := l.syncFile(t.segment)
		if err == nil {
			err = l.dir.manifest.commit(t.sealed(l.id)...)
		}
		l.mu.Lock()
		if err != nil {
			l.behindErr = err
			l.poisonLocked(err)
		} else {
			l.behind = slices.Delete(l.behind, 0, 1)
			l.durable.Store(max(l.durable.Load(), t.next-1))
		}
		l.mu.Unlock()
		if err == nil {
			punch(t.segment, t.footer+segment.FooterSize)
		}
	}
	return l.behindErr
}

// activate gives the file of the tail its header and name for good.
func (l *Log) activate(to *tail) error {
	<-to.zeroed // the last step may still be syncing, and must not meet a closed file later
	if err := to.segment.File().Sync(); err != nil {
		return fmt.Errorf("segment %016x: sync header: %w", to.segment.Header.Segment, err)
	}
	folder := l.dir.logPath(l.id)
	final := filepath.Join(folder, segmentName(to.segment.Header.Base, to.segment.Header.Segment))
	if err := l.dir.options.FS.Rename(to.name, final); err != nil {
		return fmt.Errorf("segment %016x: rename: %w", to.segment.Header.Segment, err)
	}
	if err := l.dir.options.FS.SyncDir(folder); err != nil {
		return fmt.Errorf("segment %016x: sync directory: %w", to.segment.Header.Segment, err)
	}
	to.name = final
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
