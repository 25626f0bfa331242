package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/segment"
	"github.com/millrace-io/millrace/wal"
)

// SegmentFile is one segment file as the directory and the manifest see it.
type SegmentFile struct {
	Kind         string `json:"kind"`
	Log          uint64 `json:"log"`
	Segment      string `json:"segment"`
	File         string `json:"file"`
	State        string `json:"state"` // active, sealed, ended or unlisted
	BaseSequence uint64 `json:"base_sequence"`
	Bytes        int64  `json:"bytes"`
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
	manifest, err := newestManifest(path)
	if err != nil {
		return err
	}
	totals := Totals{Kind: "totals", Path: path, Manifest: manifest}
	states := map[string]string{} // by segment name, prefixed with its log
	b, err := os.ReadFile(filepath.Join(path, manifest))
	if err != nil {
		return fmt.Errorf("inspect: manifest: %w", err)
	}
	_, err = readManifest(b, func(edit Edit) error {
		totals.Edits++
		noteState(states, edit)
		return emit(edit)
	})
	if err != nil {
		return err
	}
	if err := emitSegments(path, states, &totals, emit); err != nil {
		return err
	}
	if err := emitLogs(path, &totals, emit); err != nil {
		return err
	}
	return emit(totals)
}

// newestManifest returns the name of the manifest in force.
func newestManifest(path string) (string, error) {
	names, err := os.ReadDir(path)
	if err != nil {
		return "", fmt.Errorf("inspect: wal: %w", err)
	}
	var newest uint64
	for _, name := range names {
		digits, found := strings.CutPrefix(name.Name(), "MANIFEST-")
		if number, err := strconv.ParseUint(digits, 10, 64); found && err == nil {
			newest = max(newest, number)
		}
	}
	if newest == 0 {
		return "", failure.New(failure.NotFound, "inspect: wal", "%s holds no MANIFEST: it is not a data directory", path)
	}
	return fmt.Sprintf("MANIFEST-%d", newest), nil
}

// noteState remembers what an edit says about a segment.
func noteState(states map[string]string, edit Edit) {
	state, about := map[string]string{"segment added": "active", "segment sealed": "sealed", "segment ends": "ended"}[edit.Edit]
	if about {
		states[stateKey(edit.Log, edit.Fields["segment"])] = state
	}
}

func stateKey(log, segment uint64) string { return fmt.Sprintf("%d/%016x", log, segment) }

// emitSegments reads the header page of every segment file.
func emitSegments(path string, states map[string]string, totals *Totals, emit func(any) error) error {
	files, err := filepath.Glob(filepath.Join(path, "log-*", "*.seg"))
	if err != nil {
		return fmt.Errorf("inspect: wal: %w", err)
	}
	for _, name := range files {
		finding := segmentFile(path, name, states)
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

func segmentFile(path, name string, states map[string]string) SegmentFile {
	relative, err := filepath.Rel(path, name)
	if err != nil {
		relative = name
	}
	finding := SegmentFile{Kind: "segment", File: relative, State: "unlisted"}
	file, err := os.Open(name)
	if err != nil {
		finding.Error = err.Error()
		return finding
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil {
		finding.Bytes = info.Size()
	}
	page := make([]byte, segment.HeaderSize)
	n, _ := file.ReadAt(page, 0) // a short page fails its checks
	header, err := segment.ParseHeader(page[:n])
	if err != nil {
		finding.Error = err.Error()
		return finding
	}
	finding.Log, finding.Segment, finding.BaseSequence = header.Log, segmentName(header.Segment), header.Base
	if state, listed := states[stateKey(header.Log, header.Segment)]; listed {
		finding.State = state
	}
	return finding
}

// emitLogs opens every log read-only and takes its totals.
func emitLogs(path string, totals *Totals, emit func(any) error) error {
	directory, err := wal.OpenDirReadOnly(path, wal.Options{})
	if err != nil {
		return fmt.Errorf("inspect: wal: %w", err)
	}
	defer func() { _ = directory.Close() }() // it was only read
	for _, id := range directory.Logs() {
		finding := Log{Kind: "log", Log: id}
		totals.Logs++
		log, err := directory.OpenLog(id, wal.LogOptions{})
		if err != nil {
			finding.Error = err.Error()
			totals.Errors++
		} else {
			stats := log.Stats()
			finding.FirstSequence, finding.NextSequence = stats.First, stats.Next
			finding.Records = stats.Next - stats.First
			finding.Segments, finding.Bytes = stats.Segments, stats.Bytes
			totals.Records += finding.Records
		}
		if err := emit(finding); err != nil {
			return err
		}
	}
	return nil
}
