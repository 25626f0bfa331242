package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/segment"
)

// scrubRest is the pause after a look at all segments: one that follows at once
// would find what this one did.
const scrubRest = 10 * time.Minute

// errScrubStopped ends a scan when the directory closes.
var errScrubStopped = errors.New("stopped")

// scrubber reads the closed segments of all open logs again and again, at a
// limited rate, so that rot is found while there is a backup that has the
// segment. It changes nothing, and what it finds has no effect on reads: they
// check for themselves.
//
// Each segment is opened apart from its readers, and its cached pages are
// dropped, so that the device is read. Pages that a reader has mapped at that
// moment stay in memory, and are seen as readers see them.
type scrubber struct {
	pace
	dir   *Dir
	known map[segmentKey]bool // whose damage was reported
}

// startScrubber returns nil if the options do not ask for one.
func startScrubber(d *Dir) *scrubber {
	if d.options.ScrubBytesPerSecond == 0 {
		return nil
	}
	s := &scrubber{pace: newPace(d.options.Clock, d.options.ScrubBytesPerSecond), dir: d, known: make(map[segmentKey]bool)}
	go s.run()
	return s
}

func (s *scrubber) run() {
	defer close(s.done)
	for s.round() && s.pause(scrubRest, nil) {
	}
}

// round looks at all closed segments once and reports whether to go on.
func (s *scrubber) round() bool {
	for _, l := range s.dir.openLogs() {
		entry, exists := s.dir.manifest.entry(l.id)
		if !exists {
			continue // removed meanwhile
		}
		for _, e := range entry.segments {
			if e.state == stateActive {
				continue
			}
			err := s.verify(l, e)
			if errors.Is(err, errScrubStopped) {
				return false
			}
			s.report(l, e, err)
		}
	}
	return true
}

// verify reads one segment at the rate. Its error says what is wrong.
func (s *scrubber) verify(l *Log, e segmentEntry) error {
	file, err := openForCheck(s.dir.options.FS, filepath.Join(s.dir.path, segmentFile(l.id, e)))
	if err != nil {
		return err
	}
	defer releaseNow(file)
	contents, err := file.Scan(func(_ int64, h protocol.FrameHeader, _ []byte) error {
		l.stats.scrubbed.Add(uint64(h.Span()))
		if !s.spend(h.Span(), nil) {
			return errScrubStopped
		}
		return nil
	})
	if err != nil {
		return err
	}
	return l.judged(file, e, contents)
}

// judged returns what is wrong with a segment that was scanned, as an error.
func (l *Log) judged(s *segment.Segment, e segmentEntry, contents segment.Contents) error {
	wrong, err := judgeSegment(s, e, contents)
	if wrong != nil {
		return &CorruptionError{l.id, e.id, contents.End, wrong}
	}
	return err
}

// report tells about a damaged segment once.
func (s *scrubber) report(l *Log, e segmentEntry, err error) {
	key := segmentKey{l.id, e.id}
	if err == nil || s.known[key] || errors.Is(err, fs.ErrNotExist) && !s.listed(l, e) {
		return
	}
	var damage *CorruptionError
	switch kind := failure.KindOf(err); {
	case errors.As(err, &damage):
	case kind == failure.NewerVersion:
		return
	case kind == failure.Corrupt, kind == failure.NotOurs:
		err = &CorruptionError{l.id, e.id, 0, err}
	default: // which is no better than damage
		err = &CorruptionError{l.id, e.id, 0, fmt.Errorf("it cannot be read: %w", err)}
	}
	s.known[key] = true
	l.stats.damaged.Add(1)
	if f := s.dir.options.Events.SegmentDamaged; f != nil {
		f(l.id, e.id, err)
	}
}

// listed reports whether the manifest still names a segment whose file is gone:
// otherwise it was trimmed while the scrubber was on its way to it.
func (s *scrubber) listed(l *Log, e segmentEntry) bool {
	entry, exists := s.dir.manifest.entry(l.id)
	return exists && slices.ContainsFunc(entry.segments, func(other segmentEntry) bool { return other.id == e.id })
}

// openLogs returns the logs that are open, in the order of their ids.
func (d *Dir) openLogs() []*Log {
	d.mu.Lock()
	defer d.mu.Unlock()
	var logs []*Log
	for _, l := range d.open {
		if l != nil {
			logs = append(logs, l)
		}
	}
	slices.SortFunc(logs, func(a, b *Log) int { return cmp.Compare(a.id, b.id) })
	return logs
}
