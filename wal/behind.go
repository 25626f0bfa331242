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

// findBegun returns them, behind the last segment that the MANIFEST knows and in
// order. Those with the mark that are not among them continue nothing and are lost;
// those without it are none of its business.
func findBegun(files vfs.FS, folder string, log uint64, entry logEntry) ([]segmentEntry, error) {
	names, err := files.ReadDir(folder)
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
		if h, err := segment.ParseHeader(page); err == nil && h.Behind && h.Log == log && h.Segment == id && h.Base == base && size >= h.Capacity {
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
