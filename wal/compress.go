package wal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/segment"
)

// compressRest is the pause after a look at all segments.
const compressRest = time.Minute

var (
	// errBusy is a segment that was trimmed, cut or is being synced while it was
	// compressed: there is nothing to do, or nothing to do yet.
	errBusy       = errors.New("the segment changed meanwhile")
	errLogClosing = failure.New(failure.Closed, "compress", "the log is being closed")
)

// compressor compresses the closed segments of all open logs when they are old
// enough.
type compressor struct {
	pace
	dir *Dir
	// skip holds segments that are damaged or do not become smaller.
	skip map[segmentKey]bool
}

// startCompressor returns nil if the options do not ask for one.
func startCompressor(d *Dir) *compressor {
	if d.options.Compress == segment.CodecNone {
		return nil
	}
	c := &compressor{pace: newPace(d.options.Clock, d.options.CompressBytesPerSecond), dir: d, skip: make(map[segmentKey]bool)}
	go c.run()
	return c
}

func (c *compressor) run() {
	defer close(c.done)
	for c.pause(compressRest, nil) && c.round() {
	}
}

// round compresses what is old enough and reports whether to go on.
func (c *compressor) round() bool {
	before := c.dir.options.Clock.Now().Add(-c.dir.options.CompressAfter).UnixNano()
	skip := make(map[segmentKey]bool) // of segments that are still there
	for _, l := range c.dir.openLogs() {
		for _, e := range l.compressible(before) {
			key := segmentKey{l.id, e.id}
			final := c.skip[key]
			if !final {
				err := l.compress(e, c.dir.options.Compress, func(n int64) error { return c.spendFor(l, n) })
				if c.stopped() {
					return false
				}
				if errors.Is(err, errLogClosing) {
					break
				}
				final = c.report(l, e, err)
			}
			if final {
				skip[key] = true
			}
		}
	}
	c.skip = skip
	return !c.stopped()
}

// spendFor is spend for a log that may be closed meanwhile.
func (c *compressor) spendFor(l *Log, n int64) error {
	if !c.spend(n, l.ending) {
		return errLogClosing
	}
	return nil
}

// report tells about a segment that was not compressed, and reports whether
// trying again is of no use.
func (c *compressor) report(l *Log, e segmentEntry, err error) (final bool) {
	events := c.dir.options.Events
	var damage *CorruptionError
	switch {
	case err == nil, errors.Is(err, errBusy):
		return false
	case errors.Is(err, segment.ErrIncompressible):
		return true
	case errors.As(err, &damage):
		if f := events.SegmentDamaged; f != nil {
			f(l.id, e.id, err)
		}
		return true
	}
	if f := events.CompressFailed; f != nil {
		f(l.id, e.id, err)
	}
	return false
}

// Compress compresses the closed segments whose successor was begun before the
// given time, in unix nanoseconds, one after the other. [Options.Compress] has it
// done in the background, at a limited rate.
//
// A compressed segment is another file that takes the place of the one that was
// written, once it is on the device and was read back from there. Its records are the same, and
// everything works as before, with two differences: it is not mapped, so that
// a cursor unpacks 64 KiB or more into a buffer of its own, and what cursors have
// pinned of the file before takes room until they leave it. Segments that become
// less than a sixteenth smaller stay as they are, and so do those that a crash left
// without a footer or that were cut.
//
// The error is that of the first segment that could not be compressed; it and all
// behind it stay as they are. One that is damaged gives a [*CorruptionError], a full disk
// failure.NoSpace. The log goes on in any case.
func (l *Log) Compress(ctx context.Context, codec segment.Codec, before int64) error {
	if codec == segment.CodecNone || codec > segment.CodecZstd {
		return failure.New(failure.InvalidArgument, "compress", "there is no codec %d", codec)
	}
	did := func(int64) error {
		select {
		case <-l.ending:
			return errLogClosing
		default:
			return ctx.Err()
		}
	}
	for _, e := range l.compressible(before) {
		err := l.compress(e, codec, did)
		if err != nil && !errors.Is(err, errBusy) && !errors.Is(err, segment.ErrIncompressible) {
			return err
		}
	}
	return nil
}

// compressible returns the segments that may be compressed, by what the manifest and
// their successors say. None of a log that takes no appends: somebody has to look
// at it before more is written.
func (l *Log) compressible(before int64) []segmentEntry {
	if l.dir.readOnly || l.Err() != nil {
		return nil
	}
	entry, exists := l.dir.manifest.entry(l.id)
	if !exists {
		return nil
	}
	var found []segmentEntry
	segments := *l.segments.Load()
	for i, s := range segments {
		if i+1 == len(segments) || segments[i+1].Header.Created >= before {
			break
		}
		e := entry.find(s.Header.Segment)
		if e != nil && e.state == stateSealed && s.Header.Packing.Codec == segment.CodecNone {
			found = append(found, *e)
		}
	}
	return found
}

// compress puts a compressed file in the place of one closed segment. Until the
// rename nothing has happened; after it either file would do.
func (l *Log) compress(e segmentEntry, codec segment.Codec, did func(int64) error) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errLogClosing
	}
	l.commits.Add(1)
	defer l.commits.Done()
	l.spares++
	temporary := l.sparePath(l.spares)
	l.mu.Unlock()
	packed, err := l.pack(temporary, e, codec, did)
	placed := false
	if err == nil {
		if placed, err = l.replace(e, temporary, packed); !placed {
			releaseNow(packed)
		}
	}
	if !placed {
		// What cannot be removed is removed by the next open.
		_ = l.dir.options.FS.Remove(temporary)
	}
	if err == nil || errors.Is(err, errBusy) || errors.Is(err, errLogClosing) {
		return err
	}
	return spaceOr(failure.Unavailable, "compress", fmt.Errorf("wal: log %d: compress segment %016x: %w", l.id, e.id, err))
}

// pack makes the compressed file of a segment, and opens it when it has proved
// to be good. The segment is verified before: what rot has left of it must not get
// fresh checksums around it, nor be taken for a failure of the compression.
func (l *Log) pack(temporary string, e segmentEntry, codec segment.Codec, did func(int64) error) (*segment.Segment, error) {
	files := l.dir.options.FS
	raw, err := openForCopy(files, filepath.Join(l.dir.path, segmentFile(l.id, e)))
	if kind := failure.KindOf(err); kind == failure.Corrupt || kind == failure.NotOurs {
		return nil, &CorruptionError{l.id, e.id, 0, err}
	}
	if err != nil {
		return nil, err
	}
	defer releaseNow(raw)
	visit := func(_ int64, h protocol.FrameHeader, _ []byte) error { return did(h.Span()) }
	contents, err := raw.Scan(visit)
	if err == nil {
		err = l.judged(raw, e, contents)
	}
	if err != nil {
		return nil, err
	}
	file, err := files.OpenFile(temporary, createFlags, 0o640)
	if err != nil {
		return nil, err
	}
	err = raw.Pack(file, codec, e.at+segment.FooterSize, did)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = file.DropCache() // it is read from the device
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	packed, err := segment.Open(file, segment.AccessPread)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("what was written reads otherwise: %w", err)
	}
	again, err := packed.Scan(visit)
	if err == nil && (again.Totals != contents.Totals || again.Footer != contents.Footer) {
		err = failure.New(failure.Unavailable, "compress", "what was written reads otherwise: %v", again.Cause)
	}
	if err == nil {
		_, err = packed.OpenSealed(e.at)
	}
	if err != nil {
		releaseNow(packed)
		return nil, err
	}
	return packed, nil
}

// replace lets the compressed file take the place of the segment, unless that was
// trimmed or cut meanwhile.
func (l *Log) replace(e segmentEntry, temporary string, packed *segment.Segment) (placed bool, err error) {
	l.trimMu.Lock()
	defer l.trimMu.Unlock()
	entry, exists := l.dir.manifest.entry(l.id)
	if now := entry.find(e.id); !exists || now == nil || *now != e || l.isBehind(e.id) {
		return false, errBusy
	}
	path := filepath.Join(l.dir.path, segmentFile(l.id, e))
	if err := l.dir.options.FS.Rename(temporary, path); err != nil {
		return false, err
	}
	// If this fails a power cut may bring the file back that was there, which is as
	// good: readers go to the new one in any case.
	err = l.dir.options.FS.SyncDir(filepath.Dir(path))
	l.mu.Lock()
	segments := slices.Clone(*l.segments.Load())
	i := slices.IndexFunc(segments, func(s *segment.Segment) bool { return s.Header.Segment == e.id })
	old := segments[i]
	segments[i] = packed
	l.segments.Store(&segments)
	l.mu.Unlock()
	l.dir.unpin(old)
	return true, err
}

// isBehind reports whether a segment waits for a sync, or for its MANIFEST record to be
// noted here.
func (l *Log) isBehind(id uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.behind, func(t *tail) bool { return t.segment.Header.Segment == id })
}
