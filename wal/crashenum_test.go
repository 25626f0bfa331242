package wal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
)

// enumCounts are what an enumeration went through.
type enumCounts struct {
	sequences, points, images atomic.Int64
}

// enumerator crashes during the last operation of a sequence, at every call to the
// file system and after the last one. The operations before it were crashed in
// as the last ones of shorter sequences.
type enumerator struct {
	*modelLog
	counts *enumCounts
	failed error
	point  int
}

// crash judges what a crash at this moment may leave: nothing that was not
// synced, a part of it, and all of it, which is also what the death of the
// process leaves.
func (e *enumerator) crash(vfs.Call) {
	e.mu.Lock()
	e.point++
	point, bounds, failed := e.point, e.bounds, e.failed
	e.mu.Unlock()
	if failed != nil {
		return
	}
	e.counts.points.Add(1)
	for _, c := range []struct {
		name  string
		draw  rand.Source
		least uint64
	}{
		{"nothing unsynced survives", nothingSurvives, bounds.durable},
		{"a part survives", rand.NewPCG(uint64(point), 11), bounds.durable},
		{"everything survives", everythingSurvives, bounds.acked},
	} {
		e.counts.images.Add(1)
		if err := e.judge(e.disk.Crash(rand.New(c.draw)), bounds, c.least); err != nil {
			e.mu.Lock()
			e.failed = fmt.Errorf("crash point %d, %s: %w", point, c.name, err)
			e.mu.Unlock()
			return
		}
	}
}

// enumerate runs one sequence.
func enumerate(d record.Durability, sequence []modelOperation, wrap func(vfs.FS) vfs.FS, counts *enumCounts) error {
	e := &enumerator{modelLog: newModel(d, wrap), counts: counts}
	counts.sequences.Add(1)
	run := func(f func() error) error {
		if err := f(); err != nil {
			return err
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.failed
	}
	watched := func(f func() error) error {
		e.disk.SetHook(e.crash)
		err := f()
		e.disk.SetHook(nil)
		if err == nil {
			e.crash(vfs.Call{})
		}
		return err
	}
	var err error
	if len(sequence) == 0 {
		err = run(func() error { return watched(e.start) })
	} else {
		err = run(e.start)
	}
	for i, o := range sequence {
		if err != nil {
			break
		}
		step := func() error { return e.do(o, 0) }
		if o != modelSeal && o != modelTrim && o != modelReopen && d == record.Interval {
			step = func() error {
				if err := e.do(o, 0); err != nil {
					return err
				}
				return e.do(modelRest, 0) // the interval passes
			}
		}
		if i == len(sequence)-1 {
			inner := step
			step = func() error { return watched(inner) }
		}
		err = run(step)
	}
	if e.d != nil {
		e.disk.Kill()
		closeQuietly(e.d)
	}
	if err != nil {
		return fmt.Errorf("%v, %v: %w", d, sequence, err)
	}
	return nil
}

// sequencesUpTo returns all sequences of at most n operations, shorter ones first.
func sequencesUpTo(n int) [][]modelOperation {
	all := [][]modelOperation{nil}
	for from := 0; n > 0; n-- {
		end := len(all)
		for _, sequence := range all[from:end] {
			for o := range modelEnumerated {
				all = append(all, append(slices.Clone(sequence), o))
			}
		}
		from = end
	}
	return all
}

var enumDurabilities = []record.Durability{record.Group, record.Interval, record.None}

// TestCrashEnumeration goes through every sequence of at most three operations (or
// MILLRACE_CRASH_OPERATIONS) and every crash point in it.
func TestCrashEnumeration(t *testing.T) {
	n := 3
	if testing.Short() {
		n = 1
	}
	if text := os.Getenv("MILLRACE_CRASH_OPERATIONS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 0 {
			t.Fatalf("MILLRACE_CRASH_OPERATIONS: %q is no number", text)
		}
	}
	sequences := sequencesUpTo(n)
	for _, d := range enumDurabilities {
		var counts enumCounts
		err := inParallel(int64(len(sequences)), func(i int64) error {
			return enumerate(d, sequences[i], func(f vfs.FS) vfs.FS { return f }, &counts)
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%v: %d sequences of at most %d operations, %d crash points, %d images: nothing promised is lost",
			d, counts.sequences.Load(), n, counts.points.Load(), counts.images.Load())
	}
}

// TestCrashEnumerationFindsALie plants bugs: a sync that does nothing, for each
// kind of name. Each must be found within two operations.
func TestCrashEnumerationFindsALie(t *testing.T) {
	for name, lie := range map[string]lyingFS{
		"segments are not synced":        {file: "spare"},
		"the manifest is not synced":     {file: "MANIFEST"},
		"the log's folder is not synced": {dir: "log-1"},
		"the directory is not synced":    {dir: crashDir},
	} {
		t.Run(name, func(t *testing.T) {
			var counts enumCounts
			for _, sequence := range sequencesUpTo(2) {
				err := enumerate(record.Group, sequence, func(f vfs.FS) vfs.FS { return lyingFS{f, lie.file, lie.dir} }, &counts)
				if err != nil {
					t.Logf("found with image %d: %v", counts.images.Load(), err)
					return
				}
			}
			t.Errorf("not noticed in %d images", counts.images.Load())
		})
	}
}

// TestExtremeCrashes: the sources that draw one number only give what they say.
func TestExtremeCrashes(t *testing.T) {
	for source, want := range map[extreme]string{nothingSurvives: "old", everythingSurvives: "new"} {
		disk := crashfs.New(crashfs.Options{})
		if err := putFile(disk, "/data/file", []byte("old")); err != nil {
			t.Fatal(err)
		}
		disk.SyncAll()
		if err := putFile(disk, "/data/file", []byte("new")); err != nil {
			t.Fatal(err)
		}
		if err := putFile(disk, "/data/other", []byte("new")); err != nil {
			t.Fatal(err)
		}
		image := disk.Crash(rand.New(source))
		b, err := readFile(image, "/data/file")
		if err != nil || string(b) != want {
			t.Errorf("%q, %v; want %q", b, err, want)
		}
		if _, err := readFile(image, "/data/other"); (err == nil) != (want == "new") {
			t.Errorf("the new file: %v, want %s content", err, want)
		}
	}
}
