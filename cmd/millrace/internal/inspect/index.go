package inspect

import (
	"fmt"
	"time"
)

// IndexEntry is one entry of the sparse index of a segment.
type IndexEntry struct {
	Kind        string    `json:"kind"`
	Offset      int64     `json:"offset"`
	Sequence    uint64    `json:"sequence"`
	Time        time.Time `json:"time"`
	RaftOrdinal uint32    `json:"raft_ordinal"`
}

// IndexTail closes the entries of an index.
type IndexTail struct {
	Kind    string `json:"kind"`
	Entries int    `json:"entries"`
	// Source is "frame" for the INDEX frame of a sealed segment and "scan" for
	// what a scan of the frames yields where there is none.
	Source string `json:"source"`
}

// Index hands out the entries of the index of a segment file: those in its INDEX
// frame if it is sealed, those that recovery would make otherwise.
func Index(path string, emit func(finding any) error) error {
	s, release, err := open(path)
	if err != nil {
		return err
	}
	defer release()
	contents, err := s.Scan(nil)
	if err != nil {
		return fmt.Errorf("inspect: %s: %w", path, err)
	}
	tail := IndexTail{Kind: "totals", Source: "scan"}
	if contents.Footer > 0 {
		tail.Source = "frame"
		if _, err := s.OpenSealed(contents.Footer); err != nil {
			return fmt.Errorf("inspect: %s: %w", path, err)
		}
	}
	sparse, err := s.Lookup()
	if err != nil {
		return fmt.Errorf("inspect: %s: %w", path, err)
	}
	for _, e := range sparse.Entries() {
		tail.Entries++
		entry := IndexEntry{
			Kind: "index", Offset: e.Offset(), Sequence: s.Header.Base + uint64(e.RelativeSequence),
			Time: time.Unix(0, e.Time).UTC(), RaftOrdinal: e.RaftOrdinal,
		}
		if err := emit(entry); err != nil {
			return err
		}
	}
	return emit(tail)
}
