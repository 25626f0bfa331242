package repair

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
	"github.com/millrace-io/millrace/wal"
)

const (
	data    = "/data"
	records = 200
)

// content is the model: what record i of a log holds.
func content(log uint64, sequence int) string {
	return fmt.Sprintf("log %d record %d %s", log, sequence, strings.Repeat("x", 700))
}

// populate writes two logs of several segments each and closes them.
func populate(t *testing.T, dir string, o wal.Options) {
	t.Helper()
	d, err := wal.OpenDir(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.CreateLogs(1, 2); err != nil {
		t.Fatal(err)
	}
	for id := uint64(1); id <= 2; id++ {
		l, err := d.OpenLog(id, wal.LogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			r := record.Record{PartitionKey: "k", Data: []byte(content(id, i+1))}
			if _, err := l.Append(context.Background(), []record.Record{r}, protocol.Producer{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// contents returns the files below dir by path.
func contents(t *testing.T, files vfs.FS, dir string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	names, err := files.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		full := path.Join(dir, name)
		if _, err := files.ReadDir(full); err == nil {
			maps.Copy(all, contents(t, files, full))
			continue
		}
		all[full] = read(t, files, full)
	}
	return all
}

func read(t *testing.T, files vfs.FS, name string) []byte {
	t.Helper()
	file, err := files.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return b
}

// segmentsOf lists the segment files of a log, relative to the data directory.
func segmentsOf(t *testing.T, files vfs.FS, dir string, log uint64) []string {
	t.Helper()
	folder := fmt.Sprintf("log-%d", log)
	names, err := files.ReadDir(path.Join(dir, folder))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range names {
		if strings.HasSuffix(name, ".seg") {
			found = append(found, path.Join(folder, name))
		}
	}
	return found
}

func flip(t *testing.T, files vfs.FS, name string, at int64) {
	t.Helper()
	file, err := files.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := []byte{0}
	if _, err := file.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 4
	if _, err := file.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
}

// judge opens the directory and compares: log 1 holds the records before next
// and takes the next one, log 2 is whole.
func judge(dir string, o wal.Options, next uint64) error {
	d, err := wal.OpenDir(dir, o)
	if err != nil {
		return err
	}
	for id, want := range map[uint64]uint64{1: next, 2: records + 1} {
		if err := judgeLog(d, id, want); err != nil {
			return errors.Join(fmt.Errorf("log %d: %w", id, err), d.Close())
		}
	}
	return d.Close()
}

func judgeLog(d *wal.Dir, id, next uint64) error {
	l, err := d.OpenLog(id, wal.LogOptions{})
	if err != nil {
		return err
	}
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		return err
	}
	defer c.Close()
	last := uint64(0)
	for c.TryNext() {
		last++
		if v := c.View(); v.Sequence != last || string(v.Data) != content(id, int(last)) {
			return fmt.Errorf("record %d where %d should be, or another content", v.Sequence, last)
		}
	}
	if c.Err() != nil || last+1 != next {
		return fmt.Errorf("read up to %d of %d: %w", last, next-1, c.Err())
	}
	r := record.Record{PartitionKey: "k", Data: []byte(content(id, int(next)))}
	got, err := l.Append(context.Background(), []record.Record{r}, protocol.Producer{})
	if err == nil && got.First != next {
		err = fmt.Errorf("the record appended got number %d", got.First)
	}
	return err
}

type collected struct {
	damage []Damage
	copies []Copy
}

func (c *collected) emit(finding any) error {
	switch f := finding.(type) {
	case Damage:
		c.damage = append(c.damage, f)
	case Copy:
		c.copies = append(c.copies, f)
	}
	return nil
}

// neverEnds is the context of calls that a test waits for.
var neverEnds = context.Background()

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func smallSegments() wal.Options {
	return wal.Options{SegmentBytesMin: 32 << 10, SegmentBytesMax: 32 << 10}
}

// On a real directory: rot in the middle of a sealed segment.
func TestRunOnADirectory(t *testing.T) {
	dir, o := t.TempDir(), smallSegments()
	populate(t, dir, o)
	files := segmentsOf(t, vfs.OS(), dir, 1)
	flip(t, vfs.OS(), filepath.Join(dir, files[1]), segment.HeaderSize+9000)
	before := contents(t, vfs.OS(), dir)

	unrepaired := t.TempDir()
	if err := os.CopyFS(unrepaired, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := judge(unrepaired, o, records+1); err == nil {
		t.Fatal("the checker sees no damage")
	}
	var dry collected
	outcome, err := Run(t.Context(), dir, Options{WAL: o, DryRun: true, Now: now}, dry.emit)
	if err != nil || outcome.Damaged != 1 || outcome.Logs != 2 || outcome.Repaired || len(dry.copies) != 0 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	next := dry.damage[0].Next
	if want := []Damage{{
		Kind: "damage", Log: 1, Segment: dry.damage[0].Segment, File: files[1], Offset: dry.damage[0].Offset, Next: next, Remedy: RemedyCut,
		Behind: dry.damage[0].Behind, Salvable: records - next, Error: dry.damage[0].Error,
	}}; fmt.Sprint(want) != fmt.Sprint(dry.damage) || len(dry.damage[0].Behind) < 2 {
		t.Errorf("found %+v", dry.damage)
	}

	var wet collected
	outcome, err = Run(t.Context(), dir, Options{WAL: o, Now: now}, wet.emit)
	if err != nil || !outcome.Repaired || outcome.Salvaged != records-next || outcome.Aside != filepath.Join(dir, "repair-20260102T030405Z") {
		t.Fatalf("%+v, %v", outcome, err)
	}
	for _, file := range append([]string{files[1]}, wet.damage[0].Behind...) {
		if !bytes.Equal(read(t, vfs.OS(), filepath.Join(outcome.Aside, file)), before[filepath.Join(dir, file)]) {
			t.Errorf("the copy of %s differs", file)
		}
	}
	salvaged, err := filepath.Glob(filepath.Join(outcome.Aside, "salvage-*.jsonl"))
	if err != nil || len(salvaged) != 1 {
		t.Fatal(salvaged, err)
	}
	lines := strings.Split(strings.TrimSuffix(string(read(t, vfs.OS(), salvaged[0])), "\n"), "\n")
	for i, line := range lines {
		var r salvagedRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if want := int(next) + 1 + i; r.Sequence != uint64(want) || r.Data != content(1, want) || r.Key != "k" {
			t.Errorf("line %d: %.90s", i+1, line)
		}
	}
	if uint64(len(lines)) != outcome.Salvaged {
		t.Errorf("%d lines", len(lines))
	}
	if err := judge(dir, o, next); err != nil {
		t.Error(err)
	}
}

func manifestOf(files map[string][]byte) string {
	for name := range files {
		if strings.Contains(name, "/MANIFEST-") && !strings.Contains(name, "/repair-") {
			return name
		}
	}
	return ""
}

// A killed process leaves the last segment open, with damage in the middle of it.
func TestRunOnAnActiveSegment(t *testing.T) {
	dir, o := t.TempDir(), smallSegments()
	d, err := wal.OpenDir(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.CreateLogs(1); err != nil {
		t.Fatal(err)
	}
	l, err := d.OpenLog(1, wal.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		r := record.Record{PartitionKey: "k", Data: []byte(content(1, i+1))}
		if _, err := l.Append(t.Context(), []record.Record{r}, protocol.Producer{}); err != nil {
			t.Fatal(err)
		}
	}
	// The image of a machine that stopped here.
	image := t.TempDir()
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Close(), d.Close()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(image, segmentsOf(t, vfs.OS(), image, 1)[0])
	flip(t, vfs.OS(), file, segment.HeaderSize+6000)

	var found collected
	outcome, err := Run(t.Context(), image, Options{WAL: o, Now: now}, found.emit)
	if err != nil || !outcome.Repaired || outcome.Salvaged != 20-found.damage[0].Next {
		t.Fatalf("%+v, %v", outcome, err)
	}
	d, err = wal.OpenDir(image, o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := judgeLog(d, 1, found.damage[0].Next); err != nil {
		t.Error(err)
	}
}

func digest(files map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s %d\n", name, len(files[name]))
		h.Write(files[name])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestHealthyDirectoryIsNotTouched(t *testing.T) {
	dir, o := t.TempDir(), smallSegments()
	populate(t, dir, o)
	before := digest(contents(t, vfs.OS(), dir))
	var none collected
	outcome, err := Run(t.Context(), dir, Options{WAL: o, Now: now}, none.emit)
	if err != nil || outcome.Damaged != 0 || outcome.Repaired || outcome.Aside != "" {
		t.Errorf("%+v, %v", outcome, err)
	}
	if after := digest(contents(t, vfs.OS(), dir)); after != before {
		t.Error("it is changed")
	}
}

func TestRefusals(t *testing.T) {
	dir, o := t.TempDir(), smallSegments()
	populate(t, dir, o)
	flip(t, vfs.OS(), filepath.Join(dir, segmentsOf(t, vfs.OS(), dir, 1)[1]), segment.HeaderSize+9000)
	before := digest(contents(t, vfs.OS(), dir))
	no := errors.New("no")
	var findings collected
	for name, c := range map[string]struct {
		options Options
		want    error
	}{
		"an existing folder": {Options{WAL: o, Aside: dir}, failure.AlreadyExists},
		"an answer":          {Options{WAL: o, Confirm: func(Outcome) error { return no }}, no},
	} {
		if _, err := Run(t.Context(), dir, c.options, findings.emit); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := digest(contents(t, vfs.OS(), dir)); after != before {
		t.Error("a refused repair changed something")
	}
	if _, err := Run(t.Context(), t.TempDir(), Options{}, findings.emit); !errors.Is(err, failure.NotFound) {
		t.Errorf("an empty folder: %v", err)
	}
	first, err := Run(t.Context(), dir, Options{WAL: o, Now: now}, findings.emit)
	if err != nil {
		t.Fatal(err)
	}
	if err := judge(dir, o, findings.damage[0].Next); err != nil {
		t.Fatal(err)
	}
	flip(t, vfs.OS(), filepath.Join(dir, segmentsOf(t, vfs.OS(), dir, 1)[0]), segment.HeaderSize+9000)
	second, err := Run(t.Context(), dir, Options{WAL: o, Now: now}, findings.emit)
	if err != nil || second.Aside == first.Aside {
		t.Errorf("the second repair of a second: %+v, %v", second, err)
	}
}

// Power fails at every call of a repair: what is left can be repaired, the
// result is the same, and every byte there was is in its place or in a copy.
func TestPowerCutsDuringARepair(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	o := smallSegments()
	o.FS, o.Backend = disk, wal.BackendHeap
	populate(t, data, o)
	files := segmentsOf(t, disk, data, 1)
	flip(t, disk, path.Join(data, files[1]), segment.HeaderSize+9000)
	disk.SyncAll()
	original := contents(t, disk, data)
	delete(original, manifestOf(original)) // an opening writes a new one

	rng := rand.New(rand.NewPCG(1, 2))
	var images []*crashfs.FS
	disk.SetHook(func(vfs.Call) { images = append(images, disk.Crash(rng)) })
	var found collected
	if _, err := Run(t.Context(), data, Options{WAL: o, Now: now}, found.emit); err != nil {
		t.Fatal(err)
	}
	disk.SetHook(nil)
	images = append(images, disk.Crash(rng))
	next, again := found.damage[0].Next, 0
	for i, image := range images {
		o.FS = image
		outcome, err := Run(t.Context(), data, Options{WAL: o, Now: now}, found.emit)
		if err != nil {
			t.Fatalf("image %d: %v", i, err)
		}
		if outcome.Repaired {
			again++
		}
		image = image.Crash(rng)
		o.FS = image
		if err := judge(data, o, next); err != nil {
			t.Fatalf("image %d: %v", i, err)
		}
		kept := contents(t, image, data)
		for name, b := range original {
			if !keptSomewhere(kept, name, b) {
				t.Fatalf("image %d: %s is nowhere", i, name)
			}
		}
	}
	if len(images) < 30 || again < 10 || again == len(images) {
		t.Errorf("%d images, %d of them repaired again", len(images), again)
	}
	if keptSomewhere(map[string][]byte{data + "/x": nil}, data+"/"+files[1], original[path.Join(data, files[1])]) {
		t.Error("the check of copies is asleep")
	}
}

// keptSomewhere reports whether a file is where it was, or in a copy; a segment
// that the log has appended behind does not change.
func keptSomewhere(files map[string][]byte, name string, b []byte) bool {
	relative := strings.TrimPrefix(name, data+"/")
	for other, content := range files {
		if (other == name || strings.HasPrefix(other, data+"/repair-") && strings.HasSuffix(other, "/"+relative)) && bytes.Equal(content, b) {
			return true
		}
	}
	return false
}

// A disk that is full stops a repair before anything is changed.
func TestFullDiskChangesNothing(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	o := smallSegments()
	o.FS, o.Backend = disk, wal.BackendHeap
	populate(t, data, o)
	flip(t, disk, path.Join(data, segmentsOf(t, disk, data, 1)[1]), segment.HeaderSize+9000)
	disk.SetCapacity(disk.Used() + 40<<10)
	manifest := manifestOf(contents(t, disk, data))
	var found collected
	if _, err := Run(t.Context(), data, Options{WAL: o, Now: now}, found.emit); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Fatalf("got %v", err)
	}
	if after := manifestOf(contents(t, disk, data)); after != manifest {
		t.Errorf("%s became %s", manifest, after)
	}
	disk.SetCapacity(0)
	if _, err := Run(t.Context(), data, Options{WAL: o, Now: now}, found.emit); err != nil {
		t.Fatal(err)
	}
	if err := judge(data, o, found.damage[0].Next); err != nil {
		t.Error(err)
	}
}

func TestMissingFileIsNotCopied(t *testing.T) {
	dir, o := t.TempDir(), smallSegments()
	populate(t, dir, o)
	if err := os.Remove(filepath.Join(dir, segmentsOf(t, vfs.OS(), dir, 1)[2])); err != nil {
		t.Fatal(err)
	}
	var found collected
	outcome, err := Run(t.Context(), dir, Options{WAL: o, Now: now}, found.emit)
	if err != nil || !outcome.Repaired || len(found.copies) != len(found.damage[0].Behind)+1 {
		t.Fatalf("%+v, %+v, %v", outcome, found, err)
	}
	if _, err := os.Stat(filepath.Join(outcome.Aside, found.damage[0].File)); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := judge(dir, o, found.damage[0].Next); err != nil {
		t.Error(err)
	}
}
