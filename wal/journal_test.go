package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/record"
)

// ready has the files of the journal made at once.
func (j *journal) ready() {
	j.mu.Lock()
	j.prepareLocked()
	j.mu.Unlock()
	j.dir.background.Wait()
}

// sharers are several logs that share a journal, with an appender each.
type sharers struct {
	options Options
	disk    *crashfs.FS

	mu    sync.Mutex
	acked []int // by log: records acknowledged
}

const sharerLogs = 6

func newSharers(seed uint64) *sharers {
	return &sharers{
		disk: crashfs.New(crashfs.Options{}), acked: make([]int, sharerLogs+1),
		options: Options{
			Backend: BackendHeap, Clock: &handClock{now: 1}, Seed: seed + 1, JournalLogs: 1, JournalBytes: 64 << 10,
			SegmentBytesMin: 64 << 10, SegmentBytesMax: 64 << 10, StagingBytes: 4 << 10,
		},
	}
}

// sharedRecord is the content of the n-th record of a log.
func sharedRecord(log uint64, n int) []byte {
	return []byte(fmt.Sprintf("log %d record %d %s", log, n, strings.Repeat("x", n*37%900)))
}

// open opens all logs, creating them the first time.
func (c *sharers) open(files vfs.FS) (*Dir, []*Log, error) {
	o := c.options
	o.FS = files
	d, err := OpenDir(crashDir, o)
	if err != nil {
		return nil, nil, err
	}
	if len(d.Logs()) == 0 {
		var ids []uint64
		for id := range sharerLogs {
			ids = append(ids, uint64(id)+1)
		}
		if err := d.CreateLogs(ids...); err != nil {
			return nil, nil, errors.Join(err, d.Close())
		}
	}
	var logs []*Log
	for _, id := range d.Logs() {
		l, err := d.OpenLog(id, LogOptions{})
		if err == nil {
			err = l.Err()
		}
		if err != nil {
			return nil, nil, errors.Join(err, d.Close())
		}
		logs = append(logs, l)
	}
	return d, logs, nil
}

// live appends n records to each log at once.
func (c *sharers) live(logs []*Log, n int) error {
	var appenders sync.WaitGroup
	errs := make(chan error, len(logs))
	for _, l := range logs {
		appenders.Go(func() {
			for range n {
				sequence := int(l.Next())
				if _, err := l.Append(context.Background(), []record.Record{{Data: sharedRecord(l.id, sequence)}}, none); err != nil {
					errs <- err
					return
				}
				c.mu.Lock()
				c.acked[l.id] = sequence
				c.mu.Unlock()
			}
		})
	}
	appenders.Wait()
	if len(errs) > 0 {
		return <-errs
	}
	return nil
}

// judge opens what a power cut left: each log has at least what was acknowledged.
func (c *sharers) judge(image *crashfs.FS, acked []int) error {
	d, logs, err := c.open(image)
	if err != nil {
		return err
	}
	defer closeQuietly(d)
	for _, l := range logs {
		n, err := sharedRecords(l)
		if err == nil && n < acked[l.id] {
			err = fmt.Errorf("log %d has %d records of %d acknowledged", l.id, n, acked[l.id])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sharedRecords reads a log and returns how many records it has.
func sharedRecords(l *Log) (int, error) {
	cursor, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		return 0, err
	}
	defer cursor.Close()
	n := 0
	for cursor.TryNext() {
		n++
		if v := cursor.View(); v.Sequence != uint64(n) || !bytes.Equal(v.Data, sharedRecord(l.id, n)) {
			return n, fmt.Errorf("log %d: record %d, %.30q, where %d was due", l.id, v.Sequence, v.Data, n)
		}
	}
	return n, cursor.Err()
}

func (c *sharers) state() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.acked)
}

// cutting runs them and judges images of power cuts at random calls.
func (c *sharers) cutting(seed uint64, files vfs.FS, records int) (images int, err error) {
	rng := rand.New(rand.NewPCG(seed, 3))
	var hooks sync.WaitGroup
	var mu sync.Mutex
	var failed error
	c.disk.SetHook(func(vfs.Call) {
		hooks.Add(1)
		defer hooks.Done()
		mu.Lock()
		defer mu.Unlock()
		if failed != nil || rng.IntN(30) != 0 {
			return
		}
		acked := c.state() // before the image: a later one may not be in it
		images++
		failed = c.judge(c.disk.Crash(rng), acked)
	})
	d, logs, err := c.open(files)
	if err != nil {
		return images, err
	}
	d.journal.ready()
	err = c.live(logs, records)
	c.disk.SetHook(nil)
	hooks.Wait()
	journaled := uint64(0)
	for _, l := range logs {
		journaled += l.Stats().JournaledCommits
	}
	if err == nil && failed == nil && journaled == 0 {
		err = errors.New("nothing went through the journal")
	}
	return images, errors.Join(failed, err, d.Close())
}

// TestJournalSurvivesPowerCuts cuts the power while several logs share their
// syncs, through several changes of the journal's files.
func TestJournalSurvivesPowerCuts(t *testing.T) {
	machines := 40
	if testing.Short() {
		machines = 4
	}
	images := 0
	for seed := range uint64(machines) {
		c := newSharers(seed)
		n, err := c.cutting(seed, c.disk, 60)
		if err != nil {
			t.Fatalf("machine %d, image %d: %v", seed, n, err)
		}
		images += n
	}
	t.Logf("%d images of %d machines with %d logs", images, machines, sharerLogs)
}

// TestJournalChecksFindALie plants bugs that the check above must find.
func TestJournalChecksFindALie(t *testing.T) {
	for name, lie := range map[string]func(vfs.FS) vfs.FS{
		"the journal is not synced":          func(f vfs.FS) vfs.FS { return lyingFS{f, "journal-", ""} },
		"a checkpoint does not sync":         func(f vfs.FS) vfs.FS { return onceFS{f} },
		"the change of files is not durable": func(f vfs.FS) vfs.FS { return forgetfulFS{f} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(30) {
				c := newSharers(seed)
				if n, err := c.cutting(seed, lie(c.disk), 60); err != nil {
					t.Logf("found on machine %d, image %d: %v", seed, n, err)
					return
				}
			}
			t.Error("not noticed on 30 machines")
		})
	}
}

// onceFS syncs segments the first time only: their headers.
type onceFS struct{ vfs.FS }

func (o onceFS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	file, err := o.FS.OpenFile(name, flag, perm)
	if err != nil || !strings.Contains(name, sparePrefix) {
		return file, err
	}
	return &onceFile{File: file}, nil
}

type onceFile struct {
	vfs.File
	once sync.Once
}

func (f *onceFile) Sync() (err error) {
	f.once.Do(func() { err = f.File.Sync() })
	return err
}

func (f *onceFile) Memory() []byte { return f.File.(vfs.Memory).Memory() }

// forgetfulFS does not make names in the data directory durable once it holds a
// journal.
type forgetfulFS struct{ vfs.FS }

func (f forgetfulFS) SyncDir(name string) error {
	names, err := f.ReadDir(name)
	if err == nil && slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, journalPrefix) }) {
		return nil
	}
	return f.FS.SyncDir(name)
}

// afterPowerCut returns a disk on which the records of several logs are in the
// journal only, and what was acknowledged.
func afterPowerCut(t *testing.T) (*sharers, *crashfs.FS) {
	t.Helper()
	c := newSharers(1)
	d, logs, err := c.open(c.disk)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.live(logs, 1); err != nil { // their segments begin: that is synced
		t.Fatal(err)
	}
	d.journal.ready()
	if err := c.live(logs, 2); err != nil {
		t.Fatal(err)
	}
	image := c.disk.Crash(rand.New(nothingSurvives))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if names, _ := c.disk.ReadDir(crashDir); slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(strings.ToUpper(n), journalPrefix) }) {
		t.Errorf("files of the journal are left after Close: %v", names)
	}
	return c, image
}

// copyDisk returns a disk of its own with the same bytes.
func copyDisk(image *crashfs.FS) *crashfs.FS { return image.Crash(rand.New(nothingSurvives)) }

func TestReadingBeforeTheJournalWasPutBack(t *testing.T) {
	c, image := afterPowerCut(t)
	o := c.options
	o.FS = image
	if _, err := OpenDirReadOnly(crashDir, o); failure.KindOf(err) != failure.Conflict {
		t.Errorf("read-only: %v", err)
	}
	if _, err := ReadSnapshot(image, crashDir); failure.KindOf(err) != failure.Conflict {
		t.Errorf("snapshot: %v", err)
	}
	// A repair puts it back and finds nothing wrong.
	r, err := OpenRepair(crashDir, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range r.Logs() {
		if found, err := r.Check(context.Background(), id); err != nil || len(found) > 0 || len(r.CheckJournal()) > 0 {
			t.Errorf("log %d: %v %v", id, found, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.judge(image, c.acked); err != nil {
		t.Error(err)
	}
	d, err := OpenDirReadOnly(crashDir, o)
	if err != nil {
		t.Fatal(err)
	}
	closeQuietly(d)
}

// TestJournalBitFlips changes bits of a journal that is all there is: an opening
// refuses by name or shows everything, but for the last batch, which cannot be
// told from one that was torn.
func TestJournalBitFlips(t *testing.T) {
	c, image := afterPowerCut(t)
	name := filepath.Join(crashDir, journalName(1))
	var batches []int64
	sources, err := openJournals(image, crashDir)
	if err != nil || len(sources) != 1 {
		t.Fatal(len(sources), err)
	}
	defer closeJournals(sources)
	b := make([]byte, sources[0].size)
	if err := readWhole(sources[0].file, b, 0); err != nil {
		t.Fatal(err)
	}
	for off := int64(0); ; {
		n := journalBatchLength(b[off:], 1)
		if n == 0 {
			break
		}
		batches = append(batches, off)
		off += roundToPage(n)
	}
	if len(batches) < 2 {
		t.Fatalf("%d batches", len(batches))
	}
	end := batches[len(batches)-1]
	refused, whole, torn := 0, 0, 0
	for at := range end + 200 {
		if at%pageSize > 400 && at%61 != 0 {
			continue // padding, mostly
		}
		disk := copyDisk(image)
		flip(t, disk, name, at)
		err := c.judge(disk, c.acked)
		switch {
		case err == nil:
			whole++
		case failure.KindOf(err) == failure.Corrupt && at < end:
			refused++
		case at >= end && strings.Contains(err.Error(), "of 3 acknowledged"):
			torn++
		default:
			t.Fatalf("byte %d: %v", at, err)
		}
	}
	t.Logf("%d batches: %d changes refused, %d without effect, %d took the last batch for torn", len(batches), refused, whole, torn)
	if refused == 0 || torn == 0 {
		t.Error("the changes did not reach what they should")
	}
}

func TestRepairOfAJournal(t *testing.T) {
	c, image := afterPowerCut(t)
	flip(t, image, filepath.Join(crashDir, journalName(1)), 100)
	if err := c.judge(image, c.acked); failure.KindOf(err) != failure.Corrupt {
		t.Fatalf("opened: %v", err)
	}
	o := c.options
	o.FS = image
	r, err := OpenRepair(crashDir, o)
	if err != nil {
		t.Fatal(err)
	}
	damage := r.CheckJournal()
	if len(damage) != 1 || !damage[0].Journal {
		t.Fatalf("found %v", damage)
	}
	for _, id := range r.Logs() {
		found, err := r.Check(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		damage = append(damage, found...)
	}
	if err := r.Cut(damage); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.judge(image, make([]int, sharerLogs+1)); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}

// TestJournalFails shows that logs go on without a journal.
func TestJournalFails(t *testing.T) {
	for name, rule := range map[string]errorfs.Rule{
		"a sync":   {Operations: []vfs.Operation{vfs.OperationSync}, Pattern: journalTempPrefix + "1" + spareSuffix, Err: syscall.EIO},
		"a write":  {Operations: []vfs.Operation{vfs.OperationWrite}, Pattern: journalTempPrefix + "1" + spareSuffix, Err: syscall.EIO},
		"its name": {Operations: []vfs.Operation{vfs.OperationRename}, Pattern: journalPrefix + "*", Err: syscall.EIO},
		"its room": {Operations: []vfs.Operation{vfs.OperationAllocate}, Pattern: journalTempPrefix + "*", Err: syscall.ENOSPC},
	} {
		t.Run(name, func(t *testing.T) {
			c := newSharers(1)
			var left error
			c.options.Events.JournalLeft = func(err error) { left = err }
			faulty := errorfs.New(c.disk)
			rule.Nth = 1
			faulty.Fail(rule)
			d, logs, err := c.open(faulty)
			if err != nil {
				t.Fatal(err)
			}
			d.journal.ready()
			if err := c.live(logs, 10); err != nil {
				t.Errorf("append: %v", err)
			}
			if left == nil {
				t.Error("nobody was told")
			}
			if err := c.judge(c.disk.Crash(rand.New(nothingSurvives)), c.acked); err != nil {
				t.Error(err)
			}
			if err := d.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// FuzzJournal reads any bytes as a journal: no panic, and no entry that reaches
// out of its batch.
func FuzzJournal(f *testing.F) {
	b := make([]byte, journalBatchHeader)
	b = append(appendJournalEntry(b, 1, 2, 4096, 8), "12345678"...)
	sealJournalBatch(b, 1, 1, 1)
	f.Add(b)
	f.Add(append(b, make([]byte, 2*pageSize-len(b))...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		disk := crashfs.New(crashfs.Options{})
		if err := putFile(disk, "/"+journalName(1), b); err != nil {
			t.Fatal(err)
		}
		sources, err := openJournals(disk, "/")
		if err != nil || len(sources) != 1 {
			t.Fatal(err)
		}
		defer closeJournals(sources)
		err = sources[0].walk(func(at int64, e journalEntry) error {
			if !bytes.Equal(b[at:at+int64(len(e.bytes))], e.bytes) {
				t.Fatalf("entry at %d is elsewhere", at)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestReadingBesideTheJournal opens a directory for reading again and again while
// its writer uses the files of the journal over and over.
func TestReadingBesideTheJournal(t *testing.T) {
	c := newSharers(1)
	c.options.Backend, c.options.Clock = BackendMmap, nil
	c.options.FS = vfs.OS()
	dir := t.TempDir()
	d := openDir(t, dir, c.options)
	var logs []*Log
	for id := range uint64(sharerLogs) {
		logs = append(logs, openLog(t, d, id+1, LogOptions{}))
	}
	d.journal.ready()
	done := make(chan error, 1)
	go func() { done <- c.live(logs, 400) }()
	for reads := 0; ; reads++ {
		reader, err := OpenDirReadOnly(dir, c.options)
		if err != nil {
			t.Error(err)
		} else {
			closeQuietly(reader)
		}
		if _, err := ReadSnapshot(vfs.OS(), dir); err != nil {
			t.Error(err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d readings through %d journal files", reads+1, d.journal.files.generation-1)
			return
		default:
		}
	}
}
