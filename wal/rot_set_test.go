package wal

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// TestRotSets: unharmed sets are served completely, and what is expected of a
// flip in each of their bytes is of every class.
func TestRotSets(t *testing.T) {
	var bytesOf [rotClasses]int64
	for _, s := range rotSets(t, 1) {
		for name, serve := range map[string]rotServer{"writing": serveLog, "unmapped": serveUnmapped, "read-only": serveReadOnly} {
			if _, err := s.try(serve, s.files[0], s.files[0].bytes, false); err != nil {
				t.Errorf("%s, unharmed: %v", name, err)
			}
		}
		for _, f := range s.files {
			end := int64(0)
			for _, r := range f.regions {
				if r.from != end {
					t.Fatalf("%s, %s: the map has a gap at %d", s.name, f.name, end)
				}
				if r.to > r.from {
					bytesOf[f.expect(f.flipped(8*r.from)).class] += r.to - r.from
				}
				end = r.to
			}
			if end != int64(len(f.bytes)) {
				t.Fatalf("%s, %s: the map ends at %d of %d", s.name, f.name, end, len(f.bytes))
			}
		}
		t.Logf("%s: %d files, %d bytes, records %d to %d", s.name, len(s.files), s.size(), s.first, s.next()-1)
	}
	for class, n := range bytesOf {
		t.Logf("%v: %d bytes", rotClass(class), n)
		if n == 0 {
			t.Errorf("no byte is %v: the sets are too simple", rotClass(class))
		}
	}
}

// rotKind is one way to come to a data directory.
type rotKind struct {
	name       string
	durability record.Durability
	sectors    bool // every frame is one sector
	begin      func(b *rotBuilder)
	end        func(b *rotBuilder)
}

var rotKinds = []rotKind{
	{name: "closed", durability: record.Group, end: func(b *rotBuilder) { b.must(b.d.Close()) }},
	{name: "resting", durability: record.Group, end: func(b *rotBuilder) { b.clock.fire(); b.settle() }},
	{name: "interrupted", durability: record.Group, end: func(*rotBuilder) {}},
	{name: "interrupted twice", durability: record.Group, end: func(b *rotBuilder) { b.tear(); b.fill(20) }},
	{name: "reopened", durability: record.Group, end: (*rotBuilder).reopen},
	{name: "late", durability: record.Group, begin: (*rotBuilder).another, end: func(*rotBuilder) {}},
	{name: "trimmed", durability: record.Group, end: (*rotBuilder).trim},
	{name: "not synced", durability: record.None, end: func(*rotBuilder) {}},
	{name: "compressed", durability: record.Group, end: func(b *rotBuilder) { b.compress(segment.CodecS2) }},
	{name: "compressed more", durability: record.Group, end: func(b *rotBuilder) { b.compress(segment.CodecZstd) }},
	{name: "sectors", durability: record.Group, sectors: true, end: func(b *rotBuilder) { b.must(b.d.Close()) }},
}

// rotSets returns a set of each kind.
func rotSets(t testing.TB, seed uint64) []*rotSet {
	t.Helper()
	sets := make([]*rotSet, len(rotKinds))
	for i := range rotKinds {
		sets[i] = newRotSet(t, seed, rotKinds[i])
	}
	return sets
}

// manifestRoomKept is how much of the empty space of a manifest is in a set.
const manifestRoomKept = 2 << 10

// rotBuilder makes a set.
type rotBuilder struct {
	t        testing.TB
	set      *rotSet
	kind     rotKind
	rng      *rand.Rand
	clock    *handClock
	disk     *crashfs.FS
	d        *Dir
	l        *Log
	producer protocol.Producer
}

func newRotSet(t testing.TB, seed uint64, kind rotKind) *rotSet {
	t.Helper()
	b := &rotBuilder{
		t: t, kind: kind, rng: rand.New(rand.NewPCG(seed, 7)), clock: &handClock{now: 1}, disk: crashfs.New(crashfs.Options{}),
		producer: protocol.Producer{ID: 9, Epoch: 1},
	}
	b.set = &rotSet{name: kind.name, first: 1, log: LogOptions{Durability: kind.durability}}
	b.set.options = Options{
		Backend: BackendHeap, Clock: b.clock, SegmentBytesMin: 16 << 10, SegmentBytesMax: 48 << 10, StagingBytes: 4 << 10, UnsyncedBytesMax: 1 << 20, Seed: seed + 1,
	}
	if kind.begin != nil {
		kind.begin(b)
	}
	b.open()
	b.fill(70)
	b.clock.fire() // a SYNC frame in the midst of things
	b.settle()
	b.fill(20)
	kind.end(b)
	b.finish()
	return b.set
}

func (b *rotBuilder) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("%s: %v", b.kind.name, err)
	}
}

func (b *rotBuilder) openDir() {
	o := b.set.options
	o.FS = b.disk
	var err error
	b.d, err = OpenDir(crashDir, o)
	b.must(err)
}

func (b *rotBuilder) open() {
	if b.d == nil {
		b.openDir()
	}
	if !slices.Contains(b.d.Logs(), 1) {
		b.must(b.d.CreateLogs(1))
	}
	var err error
	b.l, err = b.d.OpenLog(1, b.set.log)
	b.must(err)
}

// fill appends frames of many sizes, contents and producers.
func (b *rotBuilder) fill(frames int) {
	for range frames {
		records := make([]record.Record, 1+b.rng.IntN(4))
		if b.kind.sectors {
			records = records[:1]
		}
		for i := range records {
			records[i] = record.Record{PartitionKey: fmt.Sprint("key ", b.rng.IntN(9)), Data: b.data()}
		}
		var p protocol.Producer
		if b.rng.IntN(3) == 0 {
			p = b.producer
			b.producer.Sequence += uint32(len(records))
		}
		got, err := b.l.Append(context.Background(), records, p)
		b.must(err)
		for _, r := range records {
			b.set.records = append(b.set.records, rotRecord{r.PartitionKey, r.Data, got.Time})
		}
	}
	b.settle()
}

// settle returns when the log does nothing in the background any more.
func (b *rotBuilder) settle() {
	for busy := true; busy; runtime.Gosched() {
		waitIdle(b.l)
		b.must(b.l.syncBehind(0)) // which the clock would do, if it went on
		b.l.mu.Lock()
		busy = len(b.l.behind) > 0 || b.l.preparing != nil
		b.l.mu.Unlock()
	}
}

// data returns a payload: text, noise or zeroes.
func (b *rotBuilder) data() []byte {
	if b.kind.sectors {
		for n := 512; ; n-- { // the frame fills one sector
			data := bytes.Repeat([]byte{byte(b.rng.IntN(256))}, n)
			size := protocol.BatchSize([]record.Record{{PartitionKey: "key 1", Data: data}})
			if protocol.FrameSpan(int64(protocol.FrameHeaderSize+size)) == 512 {
				return data
			}
		}
	}
	data := make([]byte, 1+b.rng.IntN([]int{20, 300, 1500}[b.rng.IntN(3)]))
	switch b.rng.IntN(3) {
	case 0:
		for i := range data {
			data[i] = byte(b.rng.Uint32())
		}
	case 1:
		for i := range data {
			data[i] = "the same again, "[i%16]
		}
	}
	return data
}

func (b *rotBuilder) reopen() {
	b.must(b.d.Close())
	b.d = nil
	b.open()
}

// tear ends the process in the midst of a write: what it wrote is not a frame.
// The next opening ends the segment by an edit.
func (b *rotBuilder) tear() {
	tail := b.l.tail
	_, err := tail.segment.File().WriteAt(bytes.Repeat([]byte{0xab}, 200), tail.off)
	b.must(err)
	b.disk.Kill()
	closeQuietly(b.d)
	b.d = nil
	b.open()
	b.producer.Epoch++
	b.producer.Sequence = 0
}

// another begins the directory with another log and so many edits about it that
// those about log 1 are sectors away from the header of the MANIFEST.
func (b *rotBuilder) another() {
	b.openDir()
	b.must(b.d.CreateLogs(2))
	for range 20 {
		b.must(b.d.manifest.commit(edit{kind: editTrimmed, log: 2, fields: [4]uint64{1}}))
	}
}

func (b *rotBuilder) trim() {
	b.must(b.l.TrimBefore(b.set.next() / 2))
	b.set.first = b.l.Stats().First
	if b.set.first == 1 {
		b.t.Fatal("nothing was trimmed")
	}
}

func (b *rotBuilder) compress(codec segment.Codec) {
	b.must(b.l.Compress(context.Background(), codec, math.MaxInt64))
	if b.l.Stats().Compressed == 0 {
		b.t.Fatal("nothing was compressed")
	}
}

// finish ends the process and takes its files.
func (b *rotBuilder) finish() {
	var bases []uint64
	for _, e := range b.d.manifest.logs[1].segments {
		bases = append(bases, e.base)
	}
	b.disk.Kill()
	closeQuietly(b.d)
	s := b.set
	s.disk = crashfs.New(crashfs.Options{})
	for _, dir := range []string{crashDir, crashDir + "/log-1"} {
		names, err := b.disk.ReadDir(dir)
		b.must(err)
		for _, name := range names {
			if !strings.HasPrefix(name, manifestPrefix) && !strings.HasSuffix(name, segSuffix) {
				continue // the lock, spares, folders: nothing is kept there
			}
			path := filepath.Join(dir, name)
			content, err := readFile(b.disk, path)
			b.must(err)
			if strings.HasPrefix(name, manifestPrefix) {
				// Most of a manifest is room for edits to come: a little of it is
				// as good as all.
				end, _, err := walkManifest(content, func(int, edit) error { return nil })
				b.must(err)
				content = content[:end+manifestRoomKept]
			}
			s.files = append(s.files, &rotFile{name: path, bytes: content})
			b.must(putFile(s.disk, path, content))
		}
	}
	s.disk.SyncAll()
	for i, base := range bases {
		behind := s.next()
		if i+1 < len(bases) {
			behind = bases[i+1]
		}
		if base < behind {
			s.probes = append(s.probes, base, base+(behind-base)*4/5)
		}
	}
	b.must(s.mapFiles())
}
