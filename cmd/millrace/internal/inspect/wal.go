package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace-io/millrace/segment"
	"github.com/millrace-io/millrace/wal"
)

// SegmentFile is one segment file as the directory and the manifest see it.
type SegmentFile struct {
	Kind         string `json:"kind"`
	Log          uint64 `json:"log"`
	Segment      string `json:"segment"`
	File         string `json:"file"`
	State        string `json:"state"` // active, sealed, ended; beginning, trimmed or unlisted where the manifest does not name it
	BaseSequence uint64 `json:"base_sequence"`
	Bytes        int64  `json:"bytes"`
	Codec        string `json:"codec,omitempty"` // of a compressed segment
	Error        string `json:"error,omitempty"`
}

// Log is the totals of one log.
type Log struct {
	Kind          string `json:"kind"`
	Log           uint64 `json:"log"`
	FirstSequence uint64 `json:"first_sequence"`
	NextSequence  uint64 `json:"next_sequence"`
	Records       uint64 `json:"records"`
	Segments      int    `json:"segments"`
	Bytes         int64  `json:"bytes"`
	Error         string `json:"error,omitempty"`
}

// Totals closes the report of a directory.
type Totals struct {
	Kind     string `json:"kind"`
	Path     string `json:"path"`
	Manifest string `json:"manifest"`
	Edits    int    `json:"edits"`
	Logs     int    `json:"logs"`
	Segments int    `json:"segments"`
	Records  uint64 `json:"records"`
	Bytes    int64  `json:"bytes"` // of the segment files, by their length
	Errors   int    `json:"errors"`
}

// WAL hands out the edits of the newest manifest of a data directory, the
// segment files, the totals of every log, and those of the directory.
func WAL(path string, emit func(finding any) error) error {
	// Before the manifest, so that it knows them although a writer is at work.
	files, err := filepath.Glob(filepath.Join(path, "log-*", "*.seg"))
	if err != nil {
		return fmt.Errorf("inspect: wal: %w", err)
	}
	manifest, b, err := loadManifest(path)
	if err != nil {
		return err
	}
	totals := Totals{Kind: "totals", Path: path, Manifest: manifest}
	states := make(segmentStates)
	_, err = readManifest(b, func(edit Edit) error {
		totals.Edits++
		states.note(edit)
		return emit(edit)
	})
	if err != nil {
		return err
	}
	if err := emitSegments(path, files, states, &totals, emit); err != nil {
		return err
	}
	if err := emitLogs(path, &totals, emit); err != nil {
		return err
	}
	return emit(totals)
}

// segmentStates is what a manifest says of the segments of each log.
type segmentStates map[uint64]map[uint64]string

// note remembers what an edit says about a segment.
func (s segmentStates) note(edit Edit) {
	state, about := map[string]string{"segment added": "active", "segment sealed": "sealed", "segment ends": "ended"}[edit.Edit]
	if !about {
		return
	}
	if s[edit.Log] == nil {
		s[edit.Log] = make(map[uint64]string)
	}
	s[edit.Log][edit.Fields["segment"]] = state
}

// of returns the state of a segment. One with a number above all that are known
// is about to be named, or was when power failed; one below was trimmed.
func (s segmentStates) of(log, segment uint64) string {
	known := s[log]
	if state, listed := known[segment]; listed {
		return state
	}
	above, below := true, len(known) > 0
	for id := range known {
		above = above && segment > id
		below = below && segment < id
	}
	switch {
	case above:
		return "beginning"
	case below:
		return "trimmed"
	}
	return "unlisted"
}

// emitSegments reads the header page of every segment file.
func emitSegments(path string, files []string, states segmentStates, totals *Totals, emit func(any) error) error {
	for _, name := range files {
		finding, there := segmentFile(path, name, states)
		if !there {
			continue // retention removed it
		}
		totals.Segments++
		totals.Bytes += finding.Bytes
		if finding.Error != "" {
			totals.Errors++
		}
		if err := emit(finding); err != nil {
			return err
		}
	}
	return nil
}

func segmentFile(path, name string, states segmentStates) (finding SegmentFile, there bool) {
	relative, err := filepath.Rel(path, name)
	if err != nil {
		relative = name
	}
	finding = SegmentFile{Kind: "segment", File: relative, State: "unlisted"}
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return finding, false
	}
	if err != nil {
		finding.Error = err.Error()
		return finding, true
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil {
		finding.Bytes = info.Size()
	}
	page := make([]byte, segment.HeaderSize)
	n, _ := file.ReadAt(page, 0) // a short page fails its checks
	header, err := segment.ParseHeader(page[:n])
	if (err != nil && n == len(page) && bytes.Count(page, []byte{0}) == n) || (header.Behind && header.Segment == 0) {
		if named, ok := headerOfName(relative); ok && states.of(named.Log, named.Segment) == "beginning" {
			header, err = named, nil // it gets its name first, and then its header
		}
	}
	if err != nil {
		finding.Error = err.Error()
		return finding, true
	}
	finding.Log, finding.Segment, finding.BaseSequence = header.Log, segmentName(header.Segment), header.Base
	finding.State = states.of(header.Log, header.Segment)
	if codec := header.Packing.Codec; codec != segment.CodecNone {
		finding.Codec = codec.String()
	}
	return finding, true
}

// headerOfName returns what the path of a segment file says of it.
func headerOfName(relative string) (h segment.Header, ok bool) {
	n, err := fmt.Sscanf(filepath.ToSlash(relative), "log-%d/%020d-%016x.seg", &h.Log, &h.Base, &h.Segment)
	return h, err == nil && n == 3
}

// opensMax bounds how often logs are opened again because retention was at work.
const opensMax = 100

// emitLogs opens every log read-only and takes its totals. A file that retention
// removed after the manifest was read is missing from one opening; one that is
// missing from two in a row is named by the newer manifest too, and is lost.
func emitLogs(path string, totals *Totals, emit func(any) error) error {
	var logs []Log
	var missing []string
	for range opensMax {
		before := missing
		var err error
		if logs, missing, err = openLogs(path); err != nil {
			return err
		}
		if !slices.ContainsFunc(missing, func(m string) bool { return !slices.Contains(before, m) }) {
			break
		}
	}
	for _, finding := range logs {
		totals.Logs++
		totals.Records += finding.Records
		if finding.Error != "" {
			totals.Errors++
		}
		if err := emit(finding); err != nil {
			return err
		}
	}
	return nil
}

// openLogs takes the totals of all logs, and the errors that say which files are
// missing.
func openLogs(path string) (logs []Log, missing []string, err error) {
	directory, err := wal.OpenDirReadOnly(path, wal.Options{})
	if err != nil {
		return nil, nil, fmt.Errorf("inspect: wal: %w", err)
	}
	defer func() { _ = directory.Close() }() // it was only read
	for _, id := range directory.Logs() {
		finding := Log{Kind: "log", Log: id}
		log, err := directory.OpenLog(id, wal.LogOptions{})
		if err != nil {
			finding.Error = err.Error()
			if errors.Is(err, fs.ErrNotExist) {
				missing = append(missing, finding.Error)
			}
		} else {
			stats := log.Stats()
			finding.FirstSequence, finding.NextSequence = stats.First, stats.Next
			finding.Records = stats.Next - stats.First
			finding.Segments, finding.Bytes = stats.Segments, stats.Bytes
		}
		logs = append(logs, finding)
	}
	return logs, missing, nil
}
