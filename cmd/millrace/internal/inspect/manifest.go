package inspect

import (
	"github.com/millrace-io/millrace/wal"
)

// Edit is one change that a manifest notes.
type Edit struct {
	Kind   string            `json:"kind"`
	Offset int64             `json:"offset"`
	Edit   string            `json:"edit"`
	Log    uint64            `json:"log"`
	Fields map[string]uint64 `json:"fields"`
	Bytes  int               `json:"table_bytes"`
}

// readManifest hands out the edits of a manifest file up to its end or the
// first record that is not good, and returns where that is.
func readManifest(b []byte, emit func(Edit) error) (end int64, err error) {
	return wal.ReadManifest(b, func(e wal.Edit) error {
		return emit(Edit{Kind: "edit", Offset: e.Offset, Edit: e.Name, Log: e.Log, Fields: e.Fields, Bytes: e.TableBytes})
	})
}
