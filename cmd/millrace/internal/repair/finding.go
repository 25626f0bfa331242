package repair

import (
	"fmt"

	"github.com/millrace-io/millrace/segment"
	"github.com/millrace-io/millrace/wal"
)

// Damage is one place where a log is not what was written.
type Damage struct {
	Kind    string `json:"kind"`
	Log     uint64 `json:"log"`
	Place   string `json:"place,omitempty"` // the stream and shard, where the catalogue knows them
	Segment string `json:"segment"`
	File    string `json:"file"`
	Offset  int64  `json:"offset"`
	// Next is the sequence number that the next record gets after a repair.
	Next     uint64   `json:"next_sequence"`
	Remedy   Remedy   `json:"remedy"`
	Behind   []string `json:"files_behind,omitempty"`
	Salvable uint64   `json:"salvable_records"`
	Error    string   `json:"error"`
}

// Remedy is what a repair does about a damage.
type Remedy string

// The remedies.
const (
	// RemedyIndex: all records are good, and the index is made anew.
	RemedyIndex Remedy = "index"
	// RemedyCut: the log ends at the last good frame.
	RemedyCut Remedy = "cut"
	// RemedyRemove: the manifest does not know the file, and it is taken away.
	RemedyRemove Remedy = "remove"
	// RemedyForget: the file belongs to the journal; what is good in it is in the
	// segments now, and it is taken away.
	RemedyForget Remedy = "forget"
)

// Copy is one file that was copied.
type Copy struct {
	Kind  string `json:"kind"`
	File  string `json:"file"`
	To    string `json:"to"`
	Bytes int64  `json:"bytes"`
}

// Outcome closes the report.
type Outcome struct {
	Kind     string `json:"kind"`
	Path     string `json:"path"`
	Logs     int    `json:"logs"`
	Damaged  int    `json:"damaged_logs"`
	Journals int    `json:"damaged_journal_files,omitempty"`
	Salvaged uint64 `json:"salvaged_records"`
	Repaired bool   `json:"repaired"`
	// Aside is the folder with the copies and the salvaged records.
	Aside string `json:"aside,omitempty"`
}

func findingOf(d wal.Damage) Damage {
	f := Damage{
		Kind: "damage", Log: d.Log, Segment: fmt.Sprintf("%016x", d.Segment), File: d.File, Offset: max(d.Offset, segment.HeaderSize),
		Next: d.Next, Remedy: RemedyCut, Behind: d.Behind, Error: d.Err.Error(),
	}
	switch {
	case d.Journal:
		f.Segment, f.Offset, f.Remedy = "", 0, RemedyForget
	case d.Complete:
		f.Remedy = RemedyIndex
	case d.Unlisted:
		f.Remedy = RemedyRemove
	}
	return f
}
