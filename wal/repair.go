package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// Repair is a data directory that was opened to be mended instead of used. It
// holds the lock, so that no writer is at work, and changes nothing before
// [Repair.Cut], but for one thing that every opening does: what only the journal
// holds is put back behind the ends of the segments. It serves one goroutine;
// Close gives the lock back.
type Repair struct {
	checker
	options Options
	lock    io.Closer
	number  uint64 // of the manifest that was read
	journal []Damage
}

// OpenRepair opens path for a repair. A directory that a writer has open is
// failure.Conflict, one without a manifest failure.NotFound, and one whose
// manifest is itself damaged failure.Corrupt: that is beyond repair, and a case
// for a backup.
func OpenRepair(path string, o Options) (*Repair, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	// Look before locking: the lock's file should not appear where there is no
	// data directory.
	number, _, err := readManifest(o.FS, path)
	if err != nil {
		return nil, err
	}
	if number == 0 {
		return nil, failure.New(failure.NotFound, "repair "+path, "it holds no MANIFEST: this is not a data directory")
	}
	r := &Repair{checker: checker{fs: o.FS, path: path}, options: o}
	r.lock, err = o.FS.Lock(filepath.Join(path, lockName))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, failure.Wrap(failure.Conflict, "repair "+path, err)
	}
	if err != nil {
		return nil, spaceOr(failure.Unavailable, "repair "+path, err)
	}
	if r.number, r.logs, err = readManifest(o.FS, path); err == nil {
		err = r.settleJournals()
	}
	if err == nil {
		err = r.settleBegun()
	}
	if err != nil {
		return nil, errors.Join(spaceOr(failure.Unavailable, "repair "+path, err), r.lock.Close())
	}
	return r, nil
}

// settleJournals puts back what is good in the journals, and notes what is not.
// Their files stay for the next opening.
func (r *Repair) settleJournals() error {
	sources, err := openJournals(r.fs, r.path)
	defer closeJournals(sources)
	if err == nil {
		err = putAllBack(r.fs, r.path, sources, r.logs)
	}
	for _, s := range sources {
		if s.damage != nil {
			r.journal = append(r.journal, Damage{File: filepath.Base(s.path), Journal: true, Complete: true, Err: s.damage})
		}
	}
	return err
}

// settleBegun takes the segments for known that were begun and did not get into
// the manifest: what it would say of them becomes durable before it does.
func (r *Repair) settleBegun() error {
	for id, entry := range r.logs {
		if entry.removed {
			continue
		}
		folder := filepath.Join(r.path, logDirName(id))
		begun, err := findBegun(r.fs, folder, id, *entry)
		if err != nil {
			return err
		}
		for _, e := range begun {
			if err := syncName(r.fs, filepath.Join(r.path, segmentFile(id, e))); err != nil {
				return err
			}
		}
		entry.segments = append(entry.segments, begun...)
	}
	return nil
}

// syncName makes a file and its name durable.
func syncName(files vfs.FS, path string) error {
	file, err := files.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		return err
	}
	return files.SyncDir(filepath.Dir(path))
}

// CheckJournal returns the damaged files of the journal. What is good in them was
// put back; the rest is lost unless the segments have it, which [Repair.Check]
// cannot tell for the last records of a log.
func (r *Repair) CheckJournal() []Damage { return slices.Clone(r.journal) }

// Logs returns the ids of the logs, sorted.
func (r *Repair) Logs() []uint64 { return slices.Sorted(maps.Keys(r.logs)) }

// Manifest returns the name of the manifest file in force.
func (r *Repair) Manifest() string { return manifestName(r.number) }

// Check reads all segments of a log from the device and returns what is
// damaged: first the segments that have all their records all the same, then
// the one, if any, in which the log can be read no further, then those that no
// manifest names. A torn tail is no damage. A file that cannot be read is an
// error.
func (r *Repair) Check(ctx context.Context, log uint64) ([]Damage, error) {
	if r.logs[log] == nil {
		return nil, failure.New(failure.NotFound, "repair", "there is no log %d", log)
	}
	return r.checkLog(ctx, log)
}

// Salvage hands the good frames of a segment file that lie at or behind the
// offset to visit, as [segment.Segment.Salvage] does; next is the first sequence
// number of interest. A header page that is not good leaves nothing to find,
// since it seeds the checksums: ok is false.
func (r *Repair) Salvage(file string, offset int64, next uint64, visit segment.Visit) (ok bool, err error) {
	s, err := openForCheck(r.fs, filepath.Join(r.path, file))
	if err != nil {
		return false, nil //nolint:nilerr // what is wrong with the file is in the Damage already
	}
	defer releaseNow(s)
	if _, err := s.Salvage(offset, next, visit); err != nil {
		return true, fmt.Errorf("wal: salvage %s: %w", file, err)
	}
	return true, nil
}

// Cut makes the manifest end each damaged log at its last good frame, so that it
// takes appends again: the next record gets the number Next. A segment whose
// records are all good loses its index only, and a damaged file of the journal is
// removed, after all else. No segment is written to or
// deleted here, but the next opening removes those that are not named any more:
// copy them before. The change is one rename, and durable when Cut returns; after
// an error, and after a crash, either all of it is there or nothing.
func (r *Repair) Cut(damage []Damage) error {
	after := make(catalogue, len(r.logs))
	for id, entry := range r.logs {
		changed := *entry
		changed.segments = slices.Clone(entry.segments)
		after[id] = &changed
	}
	var journals []string
	for _, d := range damage {
		if d.Journal {
			journals = append(journals, d.File)
			continue
		}
		if err := r.cut(after[d.Log], d); err != nil {
			return fmt.Errorf("wal: repair log %d: %w", d.Log, err)
		}
	}
	m := &manifest{fs: r.fs, dir: r.path, salt: newDir(r.path, r.options).newSalt, number: r.number, logs: after}
	if err := m.rewrite(); err != nil {
		return spaceOr(failure.Unavailable, "repair", err)
	}
	r.number, r.logs = m.number, after
	for _, file := range journals {
		// An opening that finds it again refuses, as before.
		if err := r.fs.Remove(filepath.Join(r.path, file)); err != nil {
			return errors.Join(spaceOr(failure.Unavailable, "repair", err), m.close())
		}
	}
	if len(journals) > 0 {
		r.journal = nil
	}
	return m.close()
}

// cut applies one damage to the bookkeeping of its log.
func (r *Repair) cut(entry *logEntry, d Damage) error {
	if entry == nil {
		return failure.New(failure.NotFound, "repair", "there is no such log")
	}
	if d.Unlisted {
		entry.nextSegment = max(entry.nextSegment, d.Segment+1)
		return nil
	}
	i := slices.IndexFunc(entry.segments, func(e segmentEntry) bool { return e.id == d.Segment })
	if i < 0 {
		return failure.New(failure.InvalidArgument, "repair", "segment %016x is not in the MANIFEST", d.Segment)
	}
	ended := &entry.segments[i]
	wasActive := ended.state == stateActive
	if d.Complete {
		ended.state, ended.at = stateEnded, d.Offset
		return nil
	}
	if d.Offset <= segment.HeaderSize {
		entry.segments = entry.segments[:i]
	} else {
		if wasActive {
			if err := r.settle(entry, d); err != nil {
				return err
			}
		}
		ended.state, ended.at, ended.next = stateEnded, d.Offset, d.Next
		entry.segments = entry.segments[:i+1]
	}
	if len(entry.segments) == 0 {
		entry.first = max(entry.first, d.Next)
	}
	return r.forgetProducers(entry, d.Next)
}

// settle does for the good frames of a segment that was being written what
// recovery does: they become durable before the manifest relies on them, and
// the table learns of their producers.
func (r *Repair) settle(entry *logEntry, d Damage) error {
	file, err := r.fs.OpenFile(filepath.Join(r.path, d.File), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		return failure.Wrap(failure.Poisoned, "sync "+d.File, err)
	}
	s, err := openForCheck(r.fs, filepath.Join(r.path, d.File))
	if err != nil {
		return err
	}
	defer releaseNow(s)
	table := newProducerTable(r.options.ProducersMax)
	if err := table.decode(entry.producers); err != nil {
		return err
	}
	contents, err := s.Scan(func(_ int64, h protocol.FrameHeader, frame []byte) error {
		table.remember(h, frame, entry.producersNext)
		return nil
	})
	if err == nil && (contents.End != d.Offset || contents.Next != d.Next) {
		err = failure.New(failure.Conflict, "repair", "%s changed since it was checked", d.File)
	}
	entry.producers, entry.producersNext = table.encode(), d.Next
	entry.lastTime = max(entry.lastTime, contents.LastTime)
	return err
}

// forgetProducers takes the batches that are cut off out of the table: whoever
// repeats one must not be told that it is in the log.
func (r *Repair) forgetProducers(entry *logEntry, next uint64) error {
	table := newProducerTable(r.options.ProducersMax)
	if err := table.decode(entry.producers); err != nil {
		return err
	}
	for _, s := range table.known {
		kept := 0
		for kept < s.count && s.batches[kept].first < next {
			kept++
		}
		s.count, s.last = kept, min(s.last, next-1)
	}
	entry.producers, entry.producersNext = table.encode(), min(entry.producersNext, next)
	return nil
}

// remember notes the producer of a scanned frame at or behind the record known.
func (t *producerTable) remember(h protocol.FrameHeader, frame []byte, known uint64) {
	if h.Type != protocol.FrameData || h.Flags&protocol.FlagProducer == 0 || h.Sequence < known {
		return
	}
	p := protocol.OpenBatch(h.Payload(frame)).Producer()
	t.note(p, record.Range{First: h.Sequence, Last: h.Sequence + uint64(h.Count) - 1, Time: h.Time})
}

// Close gives the lock back.
func (r *Repair) Close() error { return r.lock.Close() }
