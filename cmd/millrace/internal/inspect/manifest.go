package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/millrace-io/millrace/failure"
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

// ManifestTail is what follows the last good record of a manifest.
type ManifestTail struct {
	Kind   string    `json:"kind"`
	State  TailState `json:"state"` // empty, torn, damaged or newer
	File   string    `json:"file"`
	Edits  int       `json:"edits"`
	End    int64     `json:"end"`
	Detail string    `json:"detail"`
}

// Manifest hands out the edits of a manifest, the newest one of a data directory
// or a file, and how it ends.
func Manifest(path string, emit func(finding any) error) error {
	name, b, err := filepath.Base(path), []byte(nil), error(nil)
	if info, failed := os.Stat(path); failed == nil && info.IsDir() {
		name, b, err = loadManifest(path)
	} else if b, err = os.ReadFile(path); err != nil {
		err = fmt.Errorf("inspect: manifest: %w", err)
	}
	if err != nil {
		return err
	}
	tail := ManifestTail{Kind: "tail", File: name}
	var stopped error
	tail.End, err = readManifest(b, func(edit Edit) error {
		tail.Edits++
		stopped = emit(edit)
		return stopped
	})
	switch kind := failure.KindOf(err); {
	case stopped != nil, kind == failure.NotOurs, tail.End == 0 && err != nil:
		return err
	}
	tail.judge(b, err)
	return emit(tail)
}

// judge says what the bytes behind the last good record mean.
func (t *ManifestTail) judge(b []byte, err error) {
	if err == nil {
		err = wal.CheckManifest(b)
	}
	switch {
	case failure.KindOf(err) == failure.NewerVersion:
		t.State, t.Detail = TailNewer, "an edit of a newer format: use a newer millrace"
	case err != nil:
		t.State, t.Detail = TailDamaged, err.Error()
	case len(strings.Trim(string(b[t.End:]), "\x00")) > 0:
		t.State, t.Detail = TailTorn, "a write did not complete, or is under way: it does not count"
	default:
		t.State, t.Detail = TailEmpty, "nothing was written behind the last record"
	}
}

// readManifest hands out the edits of a manifest file up to its end or the
// first record that is not good, and returns where that is.
func readManifest(b []byte, emit func(Edit) error) (end int64, err error) {
	return wal.ReadManifest(b, func(e wal.Edit) error {
		return emit(Edit{Kind: "edit", Offset: e.Offset, Edit: e.Name, Log: e.Log, Fields: e.Fields, Bytes: e.TableBytes})
	})
}

// loadManifest reads the manifest in force, which a live writer may replace
// meanwhile.
func loadManifest(path string) (name string, b []byte, err error) {
	for range opensMax {
		if name, err = newestManifest(path); err != nil {
			return "", nil, err
		}
		b, err = os.ReadFile(filepath.Join(path, name))
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("inspect: manifest: %w", err)
	}
	return name, b, nil
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
