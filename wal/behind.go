package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/segment"
)

// A log that does not sync begins a segment without waiting for the device: its
// header, its name and the edit that names it become durable in the background,
// after the segment before it (see [Log.syncBehind]). Until then the directory
// holds segments that are begun and not in the MANIFEST. Their headers say so
// (segment.Header.Behind), and each names the one before it. After a kill they
// continue the log; after a power cut they do as far as nothing before them is
// missing, and are lost otherwise, promised to nobody.

const (
	// behindMax is how many segments may wait for their sync before a roll waits for
	// one of them, and behindMany before they are synced without delay.
	behindMax, behindMany = 16, 8
	// behindDelay is how long they are left alone otherwise. A sync at once would
	// compete for the device and the processors with the burst that filled them.
	behindDelay = time.Second
	// behindStep is written back at a time where nobody waits, with a rest of
	// behindRest times as long as that took: a sync of 256 MiB in one piece keeps a
	// processor busy for 60 ms, which others feel.
	behindStep, behindRest = 1 << 20, 2
)

// syncLater has the segments that were left unsynced synced in the background. It
// waits only when they have become too many.
func (l *Log) syncLater() error {
	l.mu.Lock()
	n := len(l.behind)
	if n <= behindMax {
		defer l.mu.Unlock()
		l.armBehindLocked(n > behindMany)
		return nil
	}
	l.mu.Unlock()
	return l.syncBehind(behindMax)
}

func (l *Log) armBehindLocked(now bool) {
	if l.behindTimer != nil && now && l.behindTimer.Stop() {
		l.behindTimer = nil
		l.commits.Done()
	}
	if l.behindTimer != nil || l.settling || l.closed {
		return
	}
	delay := behindDelay
	if now {
		delay = 0
	}
	l.commits.Add(1)
	l.behindTimer = l.dir.options.Clock.AfterFunc(delay, l.behindDue)
}

// behindDue syncs what is behind, gently, until nothing is.
func (l *Log) behindDue() {
	defer l.commits.Done()
	l.mu.Lock()
	l.behindTimer, l.settling = nil, true
	for n := len(l.behind); n > 0 && l.refused == nil; n = len(l.behind) {
		t := l.behind[0]
		l.writeBackLocked(t)
		l.writeBackLocked(t.successor)
		l.mu.Unlock()
		_ = l.syncBehind(n - 1) // a failure has poisoned the log
		l.mu.Lock()
	}
	l.settling = false
	l.wakeLocked()
	l.mu.Unlock()
}

// writeBackLocked begins write-back of a segment, bit by bit as long as nobody
// waits for it. It lets go of mu meanwhile.
func (l *Log) writeBackLocked(t *tail) {
	if !t.segment.Pin() {
		return
	}
	defer l.dir.unpin(t.segment)
	for off := int64(0); !l.closed && len(l.behind) <= behindMany && l.hurry.Load() == 0; off += behindStep {
		n := min(behindStep, t.off&^(pageSize-1)-off) // the last page may be written to
		if n <= 0 {
			return
		}
		l.mu.Unlock()
		began := time.Now()
		t.segment.BeginWriteback(off, n)
		l.restFor(behindRest * time.Since(began))
		l.mu.Lock()
	}
}

// restFor lets time pass, unless somebody waits.
func (l *Log) restFor(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.hasten:
	}
}

// syncBehind syncs segments that were left unsynced, oldest first, until no more
// than keep are left, makes the one behind each durable, and notes both. A failure
// poisons the log before anybody else can try again: the kernel may have dropped the
// pages, and a second sync would succeed.
func (l *Log) syncBehind(keep int) error {
	l.hurry.Add(1)
	defer l.hurry.Add(-1)
	select {
	case l.hasten <- struct{}{}:
	default:
	}
	l.behindMu.Lock()
	defer l.behindMu.Unlock()
	for l.behindErr == nil {
		l.mu.Lock()
		if len(l.behind) <= keep {
			l.mu.Unlock()
			return nil
		}
		t := l.behind[0]
		l.mu.Unlock()
		err := l.syncFile(t.segment)
		if err == nil {
			err = l.activate(t.successor)
		}
		if err == nil {
			err = l.dir.manifest.commitPromised(t.room+addedRoom, append(t.sealed(l.id), t.successor.added(l.id))...)
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

// findBegun returns them, behind the last segment that the MANIFEST knows and in
// order. Those with the mark that are not among them continue nothing and are lost;
// those without it are none of its business.
func findBegun(files vfs.FS, folder string, log uint64, entry logEntry) ([]segmentEntry, error) {
	names, err := files.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // beside a live writer that removes the log; others miss its files
	}
	if err != nil {
		return nil, fmt.Errorf("wal: list %s: %w", folder, err)
	}
	var headers []segment.Header
	for _, name := range names {
		base, id, ok := parseSegmentName(name)
		if !ok || id < entry.nextSegment {
			continue
		}
		page, size, err := readStart(files, filepath.Join(folder, name), segment.HeaderSize)
		if errors.Is(err, fs.ErrNotExist) {
			continue // beside a live writer
		}
		if err != nil {
			return nil, err
		}
		// A header that is not good did not get to the device, and one in a file that
		// is too short was not synced: the length comes with the first sync.
		if h, err := segment.ParseHeader(page); err == nil && h.Behind && h.Log == log && h.Segment == id && h.Base == base && size >= h.FileSize() {
			headers = append(headers, h)
		}
	}
	return chainOf(headers, entry), nil
}

// chainOf returns the segments that follow the last one of the entry.
func chainOf(headers []segment.Header, entry logEntry) (chain []segmentEntry) {
	last := entry.last()
	if last == nil {
		return nil
	}
	slices.SortFunc(headers, func(a, b segment.Header) int { return cmp.Compare(a.Segment, b.Segment) })
	previous := last.id
	for _, h := range headers {
		if h.PreviousSegment != previous {
			break
		}
		chain = append(chain, segmentEntry{id: h.Segment, base: h.Base})
		previous = h.Segment
	}
	return chain
}

// readStart returns the first n bytes of a file, or less if it is shorter, and its
// size.
func readStart(files vfs.FS, path string, n int) (b []byte, size int64, err error) {
	file, err := files.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("wal: open %s: %w", path, err)
	}
	defer file.Close()
	b = make([]byte, n)
	read, err := file.ReadAt(b, 0)
	if err == nil || errors.Is(err, io.EOF) {
		size, err = file.Size()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("wal: read %s: %w", path, err)
	}
	return b[:read], size, nil
}
