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

// begun are the segments of a log that the MANIFEST does not know yet.
type begun struct {
	chain []segmentEntry // behind the last one that it knows, in order
	lost  []string       // names of files that continue nothing
}

// findBegun looks for them in the folder of a log. Segments without the mark in
// their header are none of its business.
func findBegun(files vfs.FS, folder string, log uint64, entry logEntry) (begun, error) {
	var found begun
	names, err := files.ReadDir(folder)
	if err != nil {
		return found, fmt.Errorf("wal: list %s: %w", folder, err)
	}
	headers := make(map[string]segment.Header)
	for _, name := range names {
		base, id, ok := parseSegmentName(name)
		if !ok || id < entry.nextSegment {
			continue
		}
		page, err := readHeaderPage(files, filepath.Join(folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // beside a live writer
		}
		if err != nil {
			return found, err
		}
		if !segment.LooksBehind(page) {
			continue
		}
		h, err := segment.ParseHeader(page)
		if err != nil || h.Log != log || h.Segment != id || h.Base != base {
			h = segment.Header{} // it did not get to the device
		}
		headers[name] = h
	}
	found.order(headers, entry)
	return found, nil
}

// order makes a chain of the segments whose headers are good.
func (b *begun) order(headers map[string]segment.Header, entry logEntry) {
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(headers[a].Segment, headers[b].Segment) })
	previous := uint64(0)
	if last := entry.last(); last != nil {
		previous = last.id
	}
	for _, name := range names {
		if h := headers[name]; h.Segment != 0 && h.PreviousSegment == previous && previous != 0 {
			b.chain = append(b.chain, segmentEntry{id: h.Segment, base: h.Base})
			previous = h.Segment
		} else {
			b.lost = append(b.lost, name)
		}
	}
}

// readHeaderPage returns the first page of a file, or less if it is shorter.
func readHeaderPage(files vfs.FS, path string) ([]byte, error) {
	file, err := files.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("wal: open %s: %w", path, err)
	}
	defer file.Close()
	page := make([]byte, segment.HeaderSize)
	n, err := file.ReadAt(page, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("wal: read %s: %w", path, err)
	}
	return page[:n], nil
}
