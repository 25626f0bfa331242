package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/mmap"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// faultRun is one run of a workload.
type faultRun struct {
	path    string
	options Options
	log     LogOptions
	first   uint64 // the oldest record that must be kept
	acked   uint64 // the newest that was acknowledged
	tried   int    // records ever tried: their content
	errs    []error
}

// note keeps an error and reports whether there was none.
func (r *faultRun) note(err error) bool {
	if err != nil {
		r.errs = append(r.errs, err)
	}
	return err == nil
}

// open opens the directory and log 1, creating what is missing.
func (r *faultRun) open() (*Dir, *Log) {
	d, err := OpenDir(r.path, r.options)
	if !r.note(err) {
		return nil, nil
	}
	if len(d.Logs()) == 0 && !r.note(d.CreateLogs(1)) {
		return d, nil
	}
	l, err := d.OpenLog(1, r.log)
	if !r.note(err) {
		return d, nil
	}
	return d, l
}

func (r *faultRun) append(l *Log, n, size int) {
	for range n {
		r.tried++
		r.appendOne(l, makeRecords(r.tried, 1, size))
	}
}

func (r *faultRun) appendOne(l *Log, records []record.Record) {
	got, err := l.Append(context.Background(), records, none)
	if r.note(err) {
		r.acked = got.Last
	}
}

// appendNoise appends a record that cannot be compressed.
func (r *faultRun) appendNoise(l *Log, size int) {
	r.tried++
	records := makeRecords(r.tried, 1, size)
	rng := rand.New(rand.NewPCG(1, uint64(r.tried)))
	for i := 20; i < size; i++ {
		records[0].Data[i] = byte(rng.Uint32())
	}
	r.appendOne(l, records)
}

func (r *faultRun) trim(l *Log, sequence uint64) {
	r.first = max(r.first, sequence)
	r.note(l.TrimBefore(sequence))
}

// read reads everything, and one record of each segment through its index.
func (r *faultRun) read(l *Log) {
	starts := []record.Start{record.TrimHorizon()}
	for _, s := range *l.segments.Load() {
		starts = append(starts, record.AtSequence(s.Header.Base))
	}
	for _, start := range starts {
		c, err := l.Cursor(start)
		if !r.note(err) {
			continue
		}
		for c.TryNext() {
			if start.Kind != record.StartTrimHorizon {
				break
			}
		}
		r.note(c.Err())
		c.Close()
	}
}

func (r *faultRun) close(d *Dir) {
	if d != nil {
		r.note(d.Close())
	}
}

// die ends a process whose disk works.
func (r *faultRun) die(d *Dir) {
	r.options.FS.(*crashfs.FS).Kill()
	closeQuietly(d)
}

// faultWork is something to do while calls fail. It has to go on after errors, as
// far as that makes sense.
type faultWork struct {
	name    string
	options Options
	log     LogOptions
	mapped  bool            // on the real file system, where mappings fail
	cache   string          // what the file system says its cached pages belong to
	only    []vfs.Operation // nil: all, or, with mapped, none
	prepare func(r *faultRun)
	run     func(r *faultRun)
}

var faultWorks = []faultWork{
	{name: "new log", run: func(r *faultRun) {
		d, l := r.open()
		if l != nil {
			r.append(l, 40, 1000)
			r.trim(l, r.acked/2)
		}
		r.close(d)
	}},
	{name: "no syncs", log: LogOptions{Durability: record.None}, run: func(r *faultRun) {
		d, l := r.open()
		if l != nil {
			r.append(l, 40, 1000)
			r.note(l.WaitDurable(context.Background(), r.acked))
			r.trim(l, r.acked/2)
			r.append(l, 5, 1000)
		}
		r.close(d)
	}},
	{name: "cached pages", cache: "this boot", log: LogOptions{Durability: record.None}, run: func(r *faultRun) {
		for range 2 {
			d, l := r.open()
			if l != nil {
				r.append(l, 40, 1000)
				r.note(l.WaitDurable(context.Background(), r.acked))
			}
			r.close(d)
			r.log.Durability = record.Group // which needs no witness
		}
	}},
	{name: "cached pages of another process", cache: "this boot", log: LogOptions{Durability: record.None}, prepare: func(r *faultRun) {
		disk := r.options.FS
		r.options.FS = &cachedFS{disk, "this boot"}
		d, l := r.open()
		r.append(l, 40, 1000)
		r.options.FS = disk
		r.die(d)
	}, run: func(r *faultRun) {
		d, l := r.open()
		if l != nil {
			r.append(l, 3, 1000)
		}
		r.close(d)
	}},
	{name: "write-back", log: LogOptions{Durability: record.Interval}, options: Options{Backend: BackendPread, SegmentBytesMin: 16 << 20}, run: func(r *faultRun) {
		d, l := r.open()
		if l != nil {
			r.append(l, 10, 1<<20)
		}
		r.close(d)
	}},
	{name: "zeroes ahead", options: Options{Backend: BackendPread}, run: func(r *faultRun) {
		d, l := r.open()
		if l != nil {
			r.append(l, 30, 1000)
		}
		r.close(d)
	}},
	{name: "after a crash", options: Options{Backend: BackendPread, SegmentBytesMin: 256 << 10, SegmentBytesMax: 256 << 10}, prepare: prepareCrashed, run: runAgain},
	{name: "after a lost end", log: LogOptions{Durability: record.None}, prepare: prepareLostEnd, run: runAgain},
	{name: "removed logs", prepare: prepareLogs, run: func(r *faultRun) {
		d, l := r.open()
		if l != nil {
			r.note(d.RemoveLog(2))
			r.append(l, 3, 100)
		}
		r.close(d)
		d, _ = r.open() // which forgets it
		r.close(d)
	}},
	{name: "logs that are gone", prepare: func(r *faultRun) {
		prepareLogs(r)
		d, _ := r.open()
		r.note(d.RemoveLog(2))
		r.die(d)
	}, run: func(r *faultRun) {
		d, l := r.open()
		if l != nil {
			r.append(l, 3, 100)
		}
		r.close(d)
	}},
	{name: "grown manifest", run: runManifest},
	{name: "cut end", run: func(r *faultRun) {
		d, l := r.open()
		if l != nil {
			r.append(l, 40, 1000)
			kept := r.acked / 2
			if kept > 0 {
				r.acked = kept // whether the cut succeeds or not
				r.note(l.CutAfter(context.Background(), kept))
			}
		}
		r.close(d)
	}},
	{name: "compressed", run: func(r *faultRun) {
		d, l := r.open()
		if l != nil {
			r.append(l, 26, 1000)
			r.note(l.Compress(context.Background(), segment.CodecZstd, math.MaxInt64))
			r.trim(l, r.acked/2)
		}
		r.close(d)
		d, l = r.open()
		if l != nil {
			r.read(l)
		}
		r.close(d)
	}},
	{name: "compressed in part", options: Options{SegmentBytesMin: 384 << 10, SegmentBytesMax: 384 << 10}, run: func(r *faultRun) {
		d, l := r.open()
		if l != nil {
			r.appendNoise(l, 150_000)
			r.append(l, 3, 100_000)
			r.note(l.Compress(context.Background(), segment.CodecS2, math.MaxInt64))
			r.read(l)
		}
		r.close(d)
	}},
	{name: "unused segment", run: func(r *faultRun) {
		d, l := r.open()
		if l != nil {
			l.mu.Lock() // two steps of an append that then gives up
			_, err := l.makeRoomLocked(context.Background(), 100)
			if err == nil {
				_, err = l.makeRoomLocked(context.Background(), 100)
			}
			l.mu.Unlock()
			r.note(err)
			r.note(l.Seal(context.Background()))
			r.append(l, 3, 100)
		}
		r.close(d)
	}},
	{name: "journal", options: Options{JournalLogs: 1, JournalBytes: 64 << 10, Backend: BackendPread}, run: runJournal},
	{name: "journal after a crash", options: Options{JournalLogs: 1, JournalBytes: 64 << 10, SegmentBytesMin: 64 << 10, SegmentBytesMax: 64 << 10}, prepare: func(r *faultRun) {
		d, l := r.open()
		d.journal.ready()
		r.append(l, 20, 1000) // into both files
		d.background.Wait()
		r.append(l, 1, 1000) // no checkpoint asks this one to sync the segment
		file, end := l.tail.segment.File(), l.tail.off
		waitIdle(l)
		_, err := file.WriteAt(make([]byte, 1000), end-1000) // as after a power cut
		r.note(err)
		r.die(d)
		r.note(putFile(r.options.FS.(*crashfs.FS), filepath.Join(r.path, journalTempPrefix+"1"+spareSuffix), nil))
	}, run: runAgain},
	{
		name: "write-back", log: LogOptions{Durability: record.None}, only: []vfs.Operation{vfs.OperationStartWriteback},
		options: Options{SegmentBytesMin: 12 << 20, SegmentBytesMax: 12 << 20}, run: func(r *faultRun) {
			d, l := r.open()
			if l != nil {
				r.append(l, 9, 1<<20)
			}
			r.close(d)
		},
	},
	{name: "mapped", mapped: true, options: Options{Backend: BackendMmap}, run: runMapped},
	{name: "mapped stores", mapped: true, only: []vfs.Operation{vfs.OperationWrite}, log: LogOptions{Durability: record.None}, options: Options{Backend: BackendMmap}, run: runMapped},
}

// runMapped fills a few segments and reads them, twice.
func runMapped(r *faultRun) {
	for range 2 {
		d, l := r.open()
		if l != nil {
			r.append(l, 20, 1000)
			r.read(l)
		}
		r.close(d)
	}
}

// prepareCrashed leaves a torn segment and files that nobody needs.
func prepareCrashed(r *faultRun) {
	d, l := r.open()
	r.append(l, 20, 1000)
	_, err := l.tail.segment.File().WriteAt([]byte("torn"), l.tail.off+8)
	r.note(err)
	next := l.nextID
	r.die(d)
	unused := segment.Header{Segment: next, Log: 1, Base: r.acked + 1, Capacity: 16 << 10}.Encode()
	disk := r.options.FS.(*crashfs.FS)
	r.note(putFile(disk, filepath.Join(r.path, "log-1", segmentName(r.acked+1, next)), append(unused, make([]byte, 12<<10)...)))
	r.note(putFile(disk, filepath.Join(r.path, "log-1", sparePrefix+"9"+spareSuffix), []byte("spare")))
}

// runAgain opens, uses and closes a log, reads it as a tool would, and opens it
// once more.
func runAgain(r *faultRun) {
	reader, err := OpenDirReadOnly(r.path, r.options)
	if r.note(err) {
		l, err := reader.OpenLog(1, r.log)
		if r.note(err) {
			r.read(l)
		}
		r.close(reader)
	}
	for range 2 {
		d, l := r.open()
		if l != nil {
			r.read(l)
			r.append(l, 20, 1000)
			r.note(l.Seal(context.Background()))
			r.append(l, 1, 1000)
			r.trim(l, r.acked/2)
			r.read(l)
		}
		r.close(d)
	}
}

// prepareLostEnd leaves a segment that lost its last records, and one behind it
// that began after them.
func prepareLostEnd(r *faultRun) {
	d, l := r.open()
	r.append(l, 5, 100)
	h := segment.Header{Segment: l.nextID, Log: 1, Base: r.acked + 4, Capacity: 16 << 10, BaseTerm: 1}
	r.note(d.manifest.commit(edit{kind: editSegmentAdded, log: 1, fields: [4]uint64{h.Segment, h.Base}}))
	r.die(d)
	r.note(putFile(r.options.FS.(*crashfs.FS), filepath.Join(r.path, "log-1", segmentName(h.Base, h.Segment)), append(h.Encode(), make([]byte, 12<<10)...)))
}

// runJournal uses the journal until its files have changed more than once.
func runJournal(r *faultRun) {
	d, l := r.open()
	if l != nil {
		d.journal.ready()
		for range 8 {
			r.append(l, 10, 1000)
			d.background.Wait() // for the checkpoint, so that there is a file to change to
		}
	}
	r.close(d)
}

// prepareLogs leaves two logs, and the folder of one that was never used.
func prepareLogs(r *faultRun) {
	d, l := r.open()
	r.append(l, 3, 100)
	r.note(d.CreateLogs(2))
	other, err := d.OpenLog(2, r.log)
	if r.note(err) {
		_, err = other.Append(context.Background(), makeRecords(1, 3, 100), none)
		r.note(err)
	}
	r.die(d)
	unused := segment.Header{Segment: 1, Log: 3, Base: 1, Capacity: 16 << 10}.Encode()
	r.note(putFile(r.options.FS.(*crashfs.FS), filepath.Join(r.path, "log-3", segmentName(1, 1)), append(unused, make([]byte, 12<<10)...)))
}

// runManifest adds edits until the manifest is rewritten.
func runManifest(r *faultRun) {
	d, l := r.open()
	if l != nil {
		r.append(l, 3, 100)
		table := bytes.Repeat(make([]byte, producerHeaderSize), 4_000)
		for range 14 {
			err := d.manifest.commit(edit{kind: editProducersKnown, log: 1, fields: [4]uint64{1}, table: table})
			r.note(spaceOr(failure.Poisoned, "commit", err)) // as those who call it do
		}
		r.append(l, 3, 100)
	}
	r.close(d)
}

// faultCase is what fails in one run.
type faultCase struct {
	rule errorfs.Rule
	maps bool // mappings, and no calls
}

// fault runs the workload with one fault. It reports whether the fault was
// reached, and what was wrong.
func (w faultWork) fault(t *testing.T, sites *faultSites, c faultCase) (fired bool, err error) {
	disk := crashfs.New(crashfs.Options{})
	r := &faultRun{path: crashDir, options: w.options, log: w.log, first: 1}
	r.options.FS, r.options.Clock, r.options.Seed = disk, &handClock{now: 1}, 1
	if r.options.SegmentBytesMin == 0 {
		r.options.SegmentBytesMin, r.options.SegmentBytesMax = 16<<10, 16<<10
	}
	if r.options.Backend == BackendMmap && !w.mapped {
		r.options.Backend = BackendHeap
	}
	if w.mapped {
		r.path, r.options.FS = t.TempDir(), vfs.OS()
	}
	clean := r.options.FS
	if w.prepare != nil {
		w.prepare(r)
		if len(r.errs) > 0 {
			return false, fmt.Errorf("prepare: %w", errors.Join(r.errs...))
		}
	}
	faulty := errorfs.New(clean)
	maps := &mapFault{}
	fault := faulty.Fail(errorfs.Rule{})
	if c.maps {
		maps.nth, maps.sticky = c.rule.Nth, c.rule.Sticky
	} else {
		fault = faulty.Fail(c.rule)
	}
	r.options.FS = siteFS{faulty, sites, maps, w.cache}
	w.run(r)
	for _, e := range r.errs {
		if !named(e) {
			return true, fmt.Errorf("the error has no name: %w", e)
		}
	}
	r.options.FS = clean
	if w.mapped {
		return maps.fired || fault.Fired(), r.verify()
	}
	disk.Kill()
	cut := disk.Crash(rand.New(nothingSurvives))
	if err := r.verify(); err != nil {
		return true, err
	}
	if r.options.FS = cut; w.log.Durability == record.Group {
		err = r.verify()
	}
	return fault.Fired(), err
}

// named reports whether the error has a kind of package failure, and is not left
// to be called internal.
func named(err error) bool {
	var kind failure.Kind
	return errors.As(err, &kind)
}

// verify opens the log without faults: everything acknowledged is there, once and
// in order.
func (r *faultRun) verify() error {
	d, err := OpenDir(r.path, r.options)
	if err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	defer closeQuietly(d)
	if len(d.Logs()) == 0 {
		if r.acked > 0 {
			return errNoLog
		}
		return nil
	}
	l, err := d.OpenLog(1, r.log)
	if err == nil {
		err = l.Err()
	}
	if err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		return err
	}
	defer c.Close()
	due, tried := l.Stats().First, 0
	if due > r.first {
		return fmt.Errorf("the first record is %d, but %d was not trimmed", due, r.first)
	}
	for ; c.TryNext(); due++ {
		var written int
		if _, err := fmt.Sscanf(string(c.View().Data), "record %d", &written); err != nil || c.View().Sequence != due || written <= tried {
			return fmt.Errorf("record %d with content %.20q where %d was due", c.View().Sequence, c.View().Data, due)
		}
		tried = written
	}
	if c.Err() != nil || due <= r.acked || due != l.Next() {
		return fmt.Errorf("records up to %d of %d: %w", due-1, r.acked, c.Err())
	}
	return nil
}

// faultOperations are all that can fail but closing, which has nothing to add to
// syncing.
func faultOperations() []vfs.Operation {
	return slices.DeleteFunc(vfs.Operations(), func(o vfs.Operation) bool { return o == vfs.OperationClose })
}

// faultCases returns the ways in which the n-th call of a kind fails.
func (w faultWork) faultCases() map[string]faultCase {
	cases := make(map[string]faultCase)
	causes := []error{syscall.EIO, syscall.ENOSPC}
	if testing.Short() {
		causes = causes[:1]
	}
	for _, cause := range causes {
		for _, sticky := range []bool{false, true} {
			how := fmt.Sprint(" ", cause, ", sticky ", sticky)
			operations := faultOperations()
			if w.mapped {
				cases["map, sticky "+fmt.Sprint(sticky)] = faultCase{rule: errorfs.Rule{Sticky: sticky}, maps: true}
				operations = w.only
			} else if w.only != nil {
				operations = w.only
			} else if sticky {
				// Two faults at once: the clean-up after the first meets the next.
				cases["everything"+how] = faultCase{rule: errorfs.Rule{Operations: operations, Sticky: sticky, Err: cause}}
			}
			if sticky && testing.Short() {
				operations = nil // each once, and all for ever, are enough where time is short
			}
			for _, o := range operations {
				cases[o.String()+how] = faultCase{rule: errorfs.Rule{Operations: []vfs.Operation{o}, Sticky: sticky, Err: cause}}
			}
		}
	}
	return cases
}

// TestEveryFaultIsNamedAndLosesNothing fails each call to the file system once, and
// then that call and all later ones of its kind, with EIO and with a full disk:
// no panic, an error with a name, and after the fault and a restart, or a power
// cut, everything acknowledged is there. Every call in the source is among them.
func TestEveryFaultIsNamedAndLosesNothing(t *testing.T) {
	sites := &faultSites{hit: make(map[string]bool)}
	for _, dir := range []string{".", "../segment"} {
		if err := sites.findSites(dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range faultWorks {
		t.Run(w.name, func(t *testing.T) {
			if w.mapped && !mmap.Supported {
				t.Skip("nothing is mapped on this system")
			}
			var runs atomic.Int64
			cases := w.faultCases()
			names := slices.Sorted(maps.Keys(cases))
			err := inParallel(int64(len(names)), func(i int64) error {
				c := cases[names[i]]
				for c.rule.Nth = 1; c.rule.Nth < 1000; c.rule.Nth++ {
					fired, err := w.fault(t, sites, c)
					if err != nil {
						return fmt.Errorf("%s, call %d: %w", names[i], c.rule.Nth, err)
					}
					if !fired {
						break
					}
					runs.Add(1)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d faults of %d kinds", runs.Load(), len(cases))
		})
	}
	// Files are read, and damaged ones settled, by commands whose own tests fail
	// every call: these sites have no appends to lose.
	elsewhere := []string{"wal/check.go", "wal/repair.go", "wal/snapshot.go"}
	maps.DeleteFunc(sites.hit, func(name string, _ bool) bool {
		return slices.ContainsFunc(elsewhere, func(file string) bool { return strings.HasPrefix(name, file+":") })
	})
	reached := 0
	for _, name := range slices.Sorted(maps.Keys(sites.hit)) {
		switch {
		case sites.hit[name]:
			reached++
		case mmap.Supported || !strings.HasSuffix(name, " Fd"):
			t.Errorf("%s: no fault was injected here: let a workload of faultWorks come by", name)
		}
	}
	t.Logf("%d of %d call sites failed", reached, len(sites.hit))
}

// TestFaultChecksFindALie plants bugs that the checks above must find.
func TestFaultChecksFindALie(t *testing.T) {
	for reason, w := range map[string]faultWork{
		"the error has no name": {run: func(r *faultRun) {
			r.note(errors.New("a call failed"))
		}},
		"records up to 3 of 4": {run: func(r *faultRun) {
			d, l := r.open()
			if l != nil {
				r.append(l, 3, 100)
				r.acked++ // acknowledged without having been written
			}
			r.close(d)
		}},
		"was not trimmed": {run: func(r *faultRun) {
			d, l := r.open()
			if l != nil {
				r.append(l, 30, 1000)
				r.note(l.TrimBefore(r.acked))
			}
			r.close(d)
		}},
	} {
		sites := &faultSites{hit: make(map[string]bool)}
		_, err := w.fault(t, sites, faultCase{})
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%v, want %s", err, reason)
		}
	}
	sites := &faultSites{hit: make(map[string]bool)}
	if err := sites.findSites("."); err != nil {
		t.Fatal(err)
	}
	if len(sites.hit) < 40 {
		t.Errorf("only %d call sites were found", len(sites.hit))
	}
}
