package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// handClock moves only when it is told to.
type handClock struct {
	mu      sync.Mutex
	now     int64
	pending []*handTimer
}

type handTimer struct {
	clock *handClock
	f     func()
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += 1000
	return time.Unix(0, c.now)
}

func (c *handClock) AfterFunc(_ time.Duration, f func()) clock.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &handTimer{c, f}
	c.pending = append(c.pending, t)
	return t
}

func (t *handTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	for i, other := range t.clock.pending {
		if other == t {
			t.clock.pending = append(t.clock.pending[:i], t.clock.pending[i+1:]...)
			return true
		}
	}
	return false
}

// fire runs everything that is pending.
func (c *handClock) fire() {
	c.mu.Lock()
	due := c.pending
	c.pending = nil
	c.mu.Unlock()
	for _, t := range due {
		t.f()
	}
}

// lyingFS has a Sync or SyncDir that does nothing for some names: the planted
// bugs that the checker must find.
type lyingFS struct {
	vfs.FS
	file, dir string // part of the names lied about; "" = none
}

func (l lyingFS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	file, err := l.FS.OpenFile(name, flag, perm)
	if err != nil || l.file == "" || !strings.Contains(name, l.file) {
		return file, err
	}
	return lyingFile{file}, nil
}

func (l lyingFS) SyncDir(name string) error {
	if l.dir != "" && strings.Contains(name, l.dir) {
		return nil
	}
	return l.FS.SyncDir(name)
}

// lyingAboutPacked does not sync packed segments.
type lyingAboutPacked struct{ vfs.FS }

func (l lyingAboutPacked) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	file, err := l.FS.OpenFile(name, flag, perm)
	return lyingPackedFile{file}, err
}

type lyingPackedFile struct{ vfs.File }

func (l lyingPackedFile) Sync() error {
	page := make([]byte, segment.HeaderSize)
	if n, _ := l.ReadAt(page, 0); n == len(page) {
		if h, err := segment.ParseHeader(page); err == nil && h.Packing.Codec != segment.CodecNone {
			return nil
		}
	}
	return l.File.Sync()
}

func (l lyingPackedFile) Memory() []byte { return l.File.(vfs.Memory).Memory() }

type lyingFile struct{ vfs.File }

func (lyingFile) Sync() error { return nil }

func (l lyingFile) Memory() []byte { return l.File.(vfs.Memory).Memory() }

// crashRun is one simulated machine that loses power again and again.
type crashRun struct {
	rng     *rand.Rand // of the machine's steps
	cut     *rand.Rand // of the power cuts; guarded by mu
	disk    *crashfs.FS
	wrap    func(vfs.FS) vfs.FS
	options Options
	log     LogOptions
	clock   *handClock
	hooks   sync.WaitGroup // judges at work, some on goroutines of the log

	// cuts makes it cut the end of the log, too, by cutBy.
	cuts  bool
	cutBy func(l *Log, sequence uint64) error
	ends  []crashEnd // batches as they are in the log, oldest first

	mu      sync.Mutex
	content map[uint64][]byte // what was given to each sequence number last
	acked   uint64
	trimmed uint64 // the oldest record that must be kept
	images  int
	every   int // one crash image at every so many-th call, on average
	failed  error

	producer protocol.Producer
	lastSent []record.Record // the last acknowledged batch of producer
	lastFrom uint32
	lastGot  record.Range
}

const crashDir = "/data"

func newCrashRun(seed uint64, wrap func(vfs.FS) vfs.FS) *crashRun {
	rng := rand.New(rand.NewPCG(seed, 1))
	r := &crashRun{
		rng: rng, cut: rand.New(rand.NewPCG(seed, 2)), wrap: wrap, clock: &handClock{now: 1}, content: map[uint64][]byte{}, trimmed: 1, every: 1 + rng.IntN(6),
		producer: protocol.Producer{ID: 77, Epoch: 1},
	}
	r.options = Options{
		Clock: r.clock, Backend: BackendHeap, SegmentBytesMin: 16 << 10, SegmentBytesMax: int64(16+16*rng.IntN(3)) << 10,
		StagingBytes: 4 << 10, UnsyncedBytesMax: 1 << 20, Seed: seed + 1,
	}
	r.log.Durability = []record.Durability{record.Group, record.Group, record.Interval, record.None}[seed%4]
	if seed%8 < 4 {
		r.options.JournalLogs, r.options.JournalBytes = 1, 64<<10
	}
	r.disk = crashfs.New(crashfs.Options{})
	return r
}

// hook takes a crash image now and then and judges it.
func (r *crashRun) hook(vfs.Call) {
	r.hooks.Add(1)
	defer r.hooks.Done()
	r.mu.Lock()
	take := r.failed == nil && r.cut.IntN(r.every) == 0
	acked, trimmed := r.acked, r.trimmed
	var image *crashfs.FS
	var content map[uint64][]byte
	if take {
		r.images++
		image, content = r.disk.Crash(r.cut), maps.Clone(r.content)
	}
	number := r.images
	r.mu.Unlock()
	if !take {
		return
	}
	if err := r.judge(image, content, number, acked, trimmed); err != nil {
		r.mu.Lock()
		r.failed = err
		r.mu.Unlock()
	}
}

// judge opens the image and compares: what was acknowledged is there, what is
// there was sent, numbers have no holes, opening again changes nothing, and
// what is appended after the crash survives the next one.
func (r *crashRun) judge(image *crashfs.FS, content map[uint64][]byte, number int, acked, trimmed uint64) error {
	rng := rand.New(rand.NewPCG(acked, uint64(number)))
	var before []byte
	own := ^uint64(0) // from here on the records are those appended below
	for round := range 3 {
		d, l, err := r.open(image)
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if l == nil {
			if acked > 0 {
				return fmt.Errorf("the log is gone, but record %d was acknowledged", acked)
			}
			return nil
		}
		seen, digest, err := r.compare(l, content, trimmed, own)
		if err == nil && seen < acked {
			err = fmt.Errorf("recovered up to %d, but %d was acknowledged", seen, acked)
		}
		if err == nil && round == 1 && !bytes.Equal(digest, before) {
			err = errors.New("opening a second time shows other records")
		}
		before = digest
		if err == nil && round == 1 {
			var got record.Range
			if got, err = l.Append(context.Background(), makeRecords(int(seen)+1, 2, 300), none); err == nil {
				err = l.WaitDurable(context.Background(), got.Last)
				acked, own = got.Last, got.First
			}
		}
		image.Kill()
		closeQuietly(d)
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if round == 1 {
			image = image.Crash(rng)
		}
	}
	return nil
}

// closeQuietly joins the goroutines of a directory whose disk is gone.
func closeQuietly(d *Dir) { _ = d.Close() }

// open opens log 1 of the image; the log is nil if it does not exist.
func (r *crashRun) open(image vfs.FS) (*Dir, *Log, error) {
	o := r.options
	o.FS = r.wrap(image)
	d, err := OpenDir(crashDir, o)
	if err != nil {
		return nil, nil, err
	}
	if len(d.Logs()) == 0 {
		return d, nil, d.Close()
	}
	l, err := d.OpenLog(1, r.log)
	if err == nil {
		err = l.Err()
	}
	if err != nil {
		closeQuietly(d)
		return nil, nil, err
	}
	return d, l, nil
}

// compare reads everything and returns the last sequence number.
func (r *crashRun) compare(l *Log, content map[uint64][]byte, trimmed, own uint64) (last uint64, digest []byte, err error) {
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		return 0, nil, err
	}
	defer c.Close()
	last = l.Next() - 1
	expected := uint64(0)
	for c.TryNext() {
		v := c.View()
		if expected == 0 {
			expected = v.Sequence
			if v.Sequence > trimmed {
				return 0, nil, fmt.Errorf("the first record is %d, but %d was not trimmed", v.Sequence, trimmed)
			}
		}
		want, known := content[v.Sequence]
		foreign := !known || !bytes.Equal(want, v.Data)
		if v.Sequence >= own {
			foreign = !bytes.HasPrefix(v.Data, []byte("record "))
		}
		if v.Sequence != expected || foreign {
			return 0, nil, fmt.Errorf("record %d where %d was due, foreign content: %v (known %v, own from %d, %.20q of %d bytes, want %.20q of %d)",
				v.Sequence, expected, foreign, known, own, v.Data, len(v.Data), want, len(want))
		}
		expected++
		digest = append(strconv.AppendUint(digest, v.Sequence, 10), v.Data[:min(8, len(v.Data))]...)
	}
	if c.Err() == nil && expected != 0 && expected != last+1 {
		return 0, nil, fmt.Errorf("the last record is %d, but Next says %d", expected-1, last+1)
	}
	return last, digest, c.Err()
}

// live runs the machine for a while and then cuts the power.
func (r *crashRun) live(steps int) error {
	r.disk.SetHook(r.hook)
	o := r.options
	o.FS = r.wrap(r.disk)
	d, err := OpenDir(crashDir, o)
	if err != nil {
		return err
	}
	defer closeQuietly(d)
	if len(d.Logs()) == 0 {
		if err := d.CreateLogs(1); err != nil {
			return err
		}
	}
	l, err := d.OpenLog(1, r.log)
	if err != nil {
		return err
	}
	if err := r.repeatLast(l); err != nil {
		return err
	}
	if r.options.JournalLogs == 1 {
		d.journal.ready()
	}
	for range steps {
		if err := r.step(l); err != nil {
			return err
		}
		r.mu.Lock()
		failed := r.failed
		r.mu.Unlock()
		if failed != nil {
			return failed
		}
	}
	r.disk.SetHook(nil)
	r.hooks.Wait()
	next := r.disk.Crash(r.rng)
	r.disk.Kill()
	r.disk = next
	return r.forget()
}

// forget drops what the crash took back, so that its numbers may be used again.
func (r *crashRun) forget() error {
	image := r.disk.Crash(r.rng)
	d, l, err := r.open(image)
	if err != nil {
		return err
	}
	next := uint64(1)
	if l != nil {
		next = l.Next()
		defer closeQuietly(d)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropFromLocked(next)
	return nil
}

// dropFromLocked forgets the records from next on: showing one of them again is
// an error from now on.
func (r *crashRun) dropFromLocked(next uint64) {
	maps.DeleteFunc(r.content, func(sequence uint64, _ []byte) bool { return sequence >= next })
	r.ends = slices.DeleteFunc(r.ends, func(e crashEnd) bool { return e.last >= next })
}

// repeatLast sends the last acknowledged batch of the idempotent producer
// again: it must be recognised, whatever crashed since.
func (r *crashRun) repeatLast(l *Log) error {
	p := r.producer
	if r.lastSent == nil {
		r.producer.Epoch++
		r.producer.Sequence = 0
		return nil
	}
	p.Sequence = r.lastFrom
	got, err := l.Append(context.Background(), r.lastSent, p)
	weak := r.log.Durability != record.Group && errors.Is(err, failure.SequenceDuplicate)
	if !weak && (err != nil || got != r.lastGot) {
		return fmt.Errorf("repeated batch: got %v, want %v: %w", got, r.lastGot, err)
	}
	// What followed it may be lost or not: the producer begins a new epoch.
	r.producer.Epoch++
	r.producer.Sequence, r.lastSent = 0, nil
	return nil
}

func (r *crashRun) step(l *Log) error {
	ctx := context.Background()
	switch n := r.rng.IntN(100); {
	case r.cuts && n >= 90:
		return r.cutEnd(l)
	case n < 3:
		return l.Seal(ctx)
	case n < 8:
		r.clock.fire()
		return nil
	case n < 11:
		// The bound moves before the trim: an image in the midst of it may
		// show either side.
		next := l.Next()
		r.mu.Lock()
		r.trimmed = max(r.trimmed, next)
		r.mu.Unlock()
		return l.TrimBefore(l.Stats().First + (next-l.Stats().First)/2)
	case n < 14:
		return l.Compress(ctx, segment.CodecS2+segment.Codec(n%2), math.MaxInt64)
	}
	type sent struct {
		pending  Pending
		records  []record.Record
		producer protocol.Producer
	}
	var inFlight []sent
	for range 1 + r.rng.IntN(4) {
		batch := sent{records: r.make(l, 1+r.rng.IntN(5))}
		end := crashEnd{last: l.nextSequence() + uint64(len(batch.records)) - 1}
		if r.rng.IntN(2) == 0 {
			batch.producer = r.producer
			r.producer.Sequence += uint32(len(batch.records))
			end.epoch, end.next = r.producer.Epoch, r.producer.Sequence
		}
		strength := record.None
		if r.rng.IntN(8) == 0 {
			strength = record.Group
		}
		var err error
		if r.rng.IntN(2) == 0 {
			batch.pending, err = l.StageRecords(ctx, batch.records, batch.producer, strength)
		} else {
			payload := protocol.AppendBatch(nil, batch.records, batch.producer)
			batch.pending, err = l.Stage(ctx, payload, len(batch.records), batch.producer, strength)
		}
		if err != nil {
			return err
		}
		r.ends = append(r.ends, end)
		inFlight = append(inFlight, batch)
	}
	for _, batch := range inFlight {
		if err := l.Wait(ctx, batch.pending); err != nil {
			return err
		}
		if !batch.pending.durable {
			continue // nothing is promised about a power cut
		}
		r.mu.Lock()
		r.acked = batch.pending.Range.Last
		r.mu.Unlock()
		if batch.producer.ID != 0 {
			r.lastSent, r.lastFrom, r.lastGot = batch.records, batch.producer.Sequence, batch.pending.Range
		}
	}
	return nil
}

// make returns records whose content is noted for the numbers they will get.
func (r *crashRun) make(l *Log, n int) []record.Record {
	records := make([]record.Record, n)
	r.mu.Lock()
	defer r.mu.Unlock()
	first := l.nextSequence()
	for i := range records {
		data := make([]byte, 1+r.rng.IntN(1500))
		for j := range data {
			data[j] = byte(r.rng.Uint32())
		}
		if r.rng.IntN(4) == 0 {
			clear(data) // a payload of zeroes must not pass for a hole
		}
		records[i] = record.Record{PartitionKey: "k", Data: data}
		r.content[first+uint64(i)] = data
	}
	return records
}

// crashImages returns how many crash images to judge.
func crashImages(t *testing.T) int {
	images := 50_000
	if testing.Short() {
		images = 500
	}
	if text := os.Getenv("MILLRACE_CRASH_IMAGES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("MILLRACE_CRASH_IMAGES: %v", err)
		}
		images = n
	}
	return images
}

// TestCrashImages cuts the power at random calls to the file system, keeping
// any subset of the unsynced pages and sectors.
func TestCrashImages(t *testing.T) { runCrashes(t, int64(crashImages(t)), false) }

func runCrashes(t *testing.T, want int64, cuts bool) {
	var images, machines atomic.Int64
	err := inParallel(want, func(seed int64) error {
		if images.Load() >= want {
			return nil
		}
		r := newCrashRun(uint64(seed), func(f vfs.FS) vfs.FS { return f })
		r.cuts, r.cutBy = cuts, cutAfter
		for range 3 {
			if err := r.live(25); err != nil {
				return fmt.Errorf("seed %d, image %d: %w", seed, r.images, err)
			}
		}
		images.Add(int64(r.images))
		machines.Add(1)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d crash images of %d machines: 0 acknowledged records lost, 0 phantom, numbers without holes", images.Load(), machines.Load())
}

// TestCrashImagesFindALie shows that the check above can fail: with a sync
// that does nothing it must.
func TestCrashImagesFindALie(t *testing.T) {
	for name, lie := range map[string]func(vfs.FS) vfs.FS{
		"segments are not synced":        func(f vfs.FS) vfs.FS { return lyingFS{f, "spare", ""} },
		"packed segments are not synced": func(f vfs.FS) vfs.FS { return lyingAboutPacked{f} },
		"the manifest is not synced":     func(f vfs.FS) vfs.FS { return lyingFS{f, "MANIFEST", ""} },
		"the journal is not synced":      func(f vfs.FS) vfs.FS { return lyingFS{f, "journal-", ""} },
		"the log's folder is not synced": func(f vfs.FS) vfs.FS { return lyingFS{f, "", "log-1"} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(50) {
				r := newCrashRun(seed, lie)
				if err := r.live(25); err != nil {
					t.Logf("found with seed %d after %d images: %v", seed, r.images, err)
					return
				}
			}
			t.Error("not noticed in 50 machines")
		})
	}
}
