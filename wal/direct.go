package wal

import (
	"context"
	"runtime/debug"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/mmap"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

const (
	// mappedMax is the largest frame that is encoded into the mapping. A larger
	// one is encoded beside it, outside the lock, and written with one system
	// call, which costs less than the page faults it saves: see docs/design/0012.
	mappedMax = 64 << 10
	// populateMin and populateMax bound how many bytes of a segment are made ready
	// for stores at once: as many as it holds already, so that an idle log
	// keeps few dirty pages.
	populateMin = 64 << 10
	populateMax = 1 << 20
)

// store is place for a log that stores directly: when it returns, the kernel has
// the frame and readers see it.
func (l *Log) store(ctx context.Context, p *placement, span int64) (record.Range, error) {
	var aside []byte
	if span > mappedMax || l.dir.options.Backend != BackendMmap {
		aside = l.dir.buffers.take(span)
		defer l.dir.buffers.give(aside)
		aside = p.encode(aside[:protocol.FrameHeaderSize], l.salt.Load())
		clear(aside[len(aside):span])
	}
	r, err := l.storeFrame(ctx, p, span, aside)
	if err == nil {
		l.wakeCursors()
	}
	return r, err
}

// storeFrame gives the batch its place and puts it there. The payload is encoded
// in aside already, or aside is nil.
func (l *Log) storeFrame(ctx context.Context, p *placement, span int64, aside []byte) (r record.Range, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	repeated, err := l.admitLocked(ctx, p, span, &r)
	if err != nil || repeated {
		return r, err
	}
	h := l.headerLocked(p)
	if aside == nil {
		err = l.encodeInPlace(p, h, span)
	} else {
		err = l.writeAside(p, h, span, aside)
	}
	if err != nil {
		l.poisonLocked(err)
		l.wakeCursors()
		return r, l.refused
	}
	r = l.countLocked(p, h, span)
	l.tail.segment.SetReadable(l.tail.off)
	l.written.Store(r.Last)
	l.loose += span
	return r, nil
}

// encodeInPlace encodes the frame where it belongs. A fault, which is what a
// failing device looks like through a mapping, is an error.
func (l *Log) encodeInPlace(p *placement, h protocol.FrameHeader, span int64) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = mmap.Recovered("store a frame", fault)
		}
	}()
	t := l.tail
	space := t.segment.Space(t.off, span)
	b := p.encode(space[:protocol.FrameHeaderSize], t.segment.Header.Salt)
	clear(space[len(b):])
	h.Seal(b, p.crc)
	return nil
}

// writeAside completes the frame in aside and writes it with its padding.
func (l *Log) writeAside(p *placement, h protocol.FrameHeader, span int64, aside []byte) error {
	t := l.tail
	if salt := t.segment.Header.Salt; salt != p.salt {
		p.crc = protocol.Checksum(salt, aside[protocol.FrameHeaderSize:])
	}
	h.Seal(aside, p.crc)
	return t.segment.Write(aside[:span], t.off)
}

// makePlaceLocked makes the active segment able to take a frame of span bytes. It
// does one step and reports whether that was enough; it may let go of mu
// meanwhile.
func (l *Log) makePlaceLocked(ctx context.Context, span int64) (ready bool, err error) {
	t := l.tail
	if t != nil && t != l.active { // also when it is too small: a commit may be naming it
		return false, l.awaitLocked(ctx, waitFor{begun: t})
	}
	if t == nil || !t.fits(span) || l.tooOld(t) {
		return false, l.planLocked(ctx, span)
	}
	if span > mappedMax || t.off+span <= t.ready || l.dir.options.Backend != BackendMmap {
		return true, nil
	}
	start := max(t.off, t.ready)
	step := max(min(t.off, populateMax), populateMin, t.off+span-start)
	if err := t.segment.Populate(start, step); err != nil {
		return false, spaceOr(failure.Unavailable, "append: make pages ready", err)
	}
	t.ready = start + step
	return true, nil
}

// mark is how far a log that stores directly had come when a commit began: what
// the commit syncs ends there, while appends go on behind it.
type mark struct {
	tail *tail // the active one; nil when there is none or the log is staged
	off  int64
	last uint64
	next *tail // to be made the active one, or nil
}

// markLocked takes over the bytes that were stored since the last commit.
func (l *Log) markLocked() (m mark) {
	if !l.direct {
		return m
	}
	if l.active != nil {
		m = mark{tail: l.active, off: l.active.off, last: l.written.Load()}
		l.unsynced += l.loose
		l.loose = 0
	}
	if l.tail != l.active {
		m.next = l.tail
	}
	return m
}

// follow does for a commit what [Log.write] does with stages.
func (l *Log) follow(m mark) error {
	if m.next != nil {
		return l.roll(m.next)
	}
	return nil
}

// durableLocked moves the durable marks to m, which a commit has synced.
func (l *Log) durableLocked(m mark) {
	if m.tail == nil {
		return
	}
	m.tail.durable = max(m.tail.durable, m.off)
	l.durable.Store(max(l.durable.Load(), m.last))
}
