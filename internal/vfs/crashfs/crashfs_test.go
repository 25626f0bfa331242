package crashfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/vfstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	page   = 4096
	sector = 512
)

func TestCrashFSKeepsTheContract(t *testing.T) {
	fsys := crashfs.New(crashfs.Options{})
	must(t, fsys.MkdirAll("/data", 0o755))
	vfstest.Run(t, fsys, "/data")
}

// TestCrashShowsOnlyWhatTheDiskMayHold writes and syncs at random and compares
// each sector of each crash image with everything that sector held since the
// last sync. A page that was not written since must therefore be unchanged.
func TestCrashShowsOnlyWhatTheDiskMayHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const pages = 4
		fsys := crashfs.New(crashfs.Options{VersionsMax: rapid.IntRange(3, 6).Draw(t, "versions")})
		f := create(t, fsys, "a")
		must(t, f.Allocate(pages*page))
		fsys.SyncAll()
		current := make([]byte, pages*page)
		history := [][]byte{bytes.Clone(current)} // since the last sync
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				must(t, f.Sync())
				history = [][]byte{bytes.Clone(current)}
			case 1:
				off := rapid.IntRange(0, pages*page).Draw(t, "hole")
				n := rapid.IntRange(0, 2*page).Draw(t, "length")
				must(t, f.PunchHole(int64(off), int64(n)))
				clear(current[off:min(off+n, len(current))])
				history = append(history, bytes.Clone(current))
			default:
				off := rapid.IntRange(0, pages*page-1).Draw(t, "offset")
				b := bytes.Repeat([]byte{byte(len(history))}, rapid.IntRange(1, 2*page).Draw(t, "length"))
				b = b[:min(len(b), len(current)-off)]
				write(t, f, b, int64(off))
				copy(current[off:], b)
				history = append(history, bytes.Clone(current))
			}
			checkSectors(t, content(t, fsys.Crash(rng), "a"), history)
			if got := content(t, fsys, "a"); !bytes.Equal(got, current) {
				t.Fatal("a crash image disturbed the file")
			}
		}
	})
}

func checkSectors(t *rapid.T, got []byte, history [][]byte) {
	if len(got) != len(history[0]) {
		t.Fatalf("length %d, want the synced %d", len(got), len(history[0]))
	}
	for from := 0; from < len(got); from += sector {
		if !anyOf(history, func(h []byte) bool { return bytes.Equal(got[from:from+sector], h[from:from+sector]) }) {
			t.Fatalf("sector at %d holds what it never held since the last sync", from)
		}
	}
}

func anyOf(history [][]byte, match func([]byte) bool) bool {
	for _, h := range history {
		if match(h) {
			return true
		}
	}
	return false
}

// TestUnsyncedPagesTakeEveryState shows that the adversary is not a lame one.
func TestUnsyncedPagesTakeEveryState(t *testing.T) {
	fsys := crashfs.New(crashfs.Options{})
	f := create(t, fsys, "a")
	must(t, f.Allocate(2*page))
	write(t, f, bytes.Repeat([]byte{'0'}, 2*page), 0)
	fsys.SyncAll()
	write(t, f, bytes.Repeat([]byte{'1'}, 2*page), 0)
	write(t, f, bytes.Repeat([]byte{'2'}, 2*page), 0)

	seen := make(map[string]int)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		got := content(t, fsys.Crash(rng), "a")
		state := [2]string{}
		for i := range state {
			b := got[i*page : (i+1)*page]
			state[i] = string(b[0])
			if !bytes.Equal(b, bytes.Repeat(b[:1], page)) {
				state[i] = "torn"
			}
		}
		seen[strings.Join(state[:], " ")]++
	}
	for _, first := range []string{"0", "1", "2", "torn"} {
		for _, second := range []string{"0", "1", "2", "torn"} {
			if seen[first+" "+second] == 0 {
				t.Errorf("no image of 2,000 had the pages %s and %s", first, second)
			}
		}
	}
}

// TestLengthIsOneItHad covers appended files, whose length is not durable
// either.
func TestLengthIsOneItHad(t *testing.T) {
	fsys := crashfs.New(crashfs.Options{})
	f := create(t, fsys, "a")
	write(t, f, []byte("synced"), 0)
	fsys.SyncAll()
	write(t, f, []byte("one"), 6)
	write(t, f, []byte("two"), 9)
	seen := make(map[string]bool)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		seen[string(content(t, fsys.Crash(rng), "a"))] = true
	}
	for _, want := range []string{
		"synced", "syncedone", "syncedonetwo",
		"synced\x00\x00\x00", "synced\x00\x00\x00\x00\x00\x00", "syncedone\x00\x00\x00",
	} {
		if !seen[want] {
			t.Errorf("never saw %q", want)
		}
		delete(seen, want)
	}
	for got := range seen {
		t.Errorf("saw %q, which no disk could hold", got)
	}
	must(t, f.Sync())
	for range 100 {
		if got := string(content(t, fsys.Crash(rng), "a")); got != "syncedonetwo" {
			t.Fatalf("%q after a sync", got)
		}
	}
}

// TestSyncDoesNotCoverWhatIsWrittenMeanwhile guards against engines that count
// a write as synced because it came before the sync returned.
func TestSyncDoesNotCoverWhatIsWrittenMeanwhile(t *testing.T) {
	fsys := crashfs.New(crashfs.Options{})
	f := create(t, fsys, "a")
	must(t, f.Allocate(page))
	fsys.SyncAll()
	write(t, f, []byte("before"), 0)
	fsys.SetHook(func(c vfs.Call) {
		if c.Operation == vfs.OperationSync {
			write(t, f, []byte("during"), 0)
		}
	})
	must(t, f.Sync())
	seen := make(map[string]bool)
	rng := rand.New(rand.NewPCG(1, 3))
	for range 200 {
		seen[string(content(t, fsys.Crash(rng), "a")[:6])] = true
	}
	if len(seen) != 2 || !seen["before"] || !seen["during"] {
		t.Fatalf("images hold %v, want before and during", seen)
	}
}

// TestPlantedBugsAreCaught runs a small commit protocol correctly and with one
// duty forgotten at a time: the correct one must survive every image, each
// other must be caught.
func TestPlantedBugsAreCaught(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 40
	}
	for _, forgotten := range []string{"", "sync data", "sync flag", "sync file", "sync directory", "sync parent"} {
		t.Run("without "+forgotten, func(t *testing.T) {
			violations := 0
			for seed := range seeds {
				violations += commitAndCrash(t, seed, forgotten)
			}
			if (violations > 0) != (forgotten != "") {
				t.Fatalf("%d violations", violations)
			}
		})
	}
}

// commitAndCrash stores values under a flag, replaces a file, and counts the
// crash images at every step that break a promise.
func commitAndCrash(t *testing.T, seed uint64, forgotten string) int {
	rng := rand.New(rand.NewPCG(seed, 4))
	unless := func(duty string, call func() error) {
		if duty != forgotten {
			must(t, call())
		}
	}
	var committed, published byte // what was promised
	violations := 0
	fsys := crashfs.New(crashfs.Options{})
	check := func(vfs.Call) {
		if broken(fsys.Crash(rng), committed, published) {
			violations++
		}
	}
	must(t, fsys.MkdirAll("d", 0o755))
	unless("sync parent", func() error { return fsys.SyncDir("/") })
	f := create(t, fsys, "d/log")
	must(t, f.Allocate(3*page))
	must(t, f.Sync())
	unless("sync directory", func() error { return fsys.SyncDir("d") })
	fsys.SetHook(check)
	for value := byte(1); value <= 3; value++ {
		write(t, f, bytes.Repeat([]byte{value}, 2*page), page)
		unless("sync data", f.Sync)
		write(t, f, []byte{value}, 0)
		unless("sync flag", f.Sync)
		committed = value

		temporary := create(t, fsys, "d/current.tmp")
		write(t, temporary, []byte{value, value}, 0)
		unless("sync file", temporary.Sync)
		must(t, temporary.Close())
		must(t, fsys.Rename("d/current.tmp", "d/current"))
		unless("sync directory", func() error { return fsys.SyncDir("d") })
		published = value
	}
	check(vfs.Call{})
	return violations
}

func broken(image *crashfs.FS, committed, published byte) bool {
	log, err := read(image, "d/log")
	if err != nil || log[0] < committed {
		return true
	}
	for _, b := range log[page:] {
		// The next value may be on its way into place; an older one may not be left.
		if b != log[0] && (b != log[0]+1 || log[0] != committed) {
			return true
		}
	}
	current, err := read(image, "d/current")
	if published == 0 && errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return err != nil || len(current) != 2 || current[0] != current[1] || current[0] < published
}

func TestDirectoryChangesNeedSyncDir(t *testing.T) {
	names := func(fsys *crashfs.FS) string {
		t.Helper()
		got, err := fsys.ReadDir("/")
		must(t, err)
		return strings.Join(got, " ")
	}
	for _, c := range []struct {
		name  string
		do    func(*crashfs.FS)
		after []string // the possible listings of a directory that held a and b
	}{
		{"nothing", func(*crashfs.FS) {}, []string{"a b"}},
		{"create", func(f *crashfs.FS) { create(t, f, "c") }, []string{"a b", "a b c"}},
		{"create and sync the file", func(f *crashfs.FS) { must(t, create(t, f, "c").Sync()) }, []string{"a b", "a b c"}},
		{"remove", func(f *crashfs.FS) { must(t, f.Remove("a")) }, []string{"a b", "b"}},
		{"rename", func(f *crashfs.FS) { must(t, f.Rename("a", "c")) }, []string{"a b", "b c"}},
		{"rename over", func(f *crashfs.FS) { must(t, f.Rename("a", "b")) }, []string{"a b", "b"}},
		{"create, rename", func(f *crashfs.FS) { create(t, f, "c"); must(t, f.Rename("c", "d")) }, []string{"a b", "a b c", "a b d"}},
		{"rename, create", func(f *crashfs.FS) { must(t, f.Rename("a", "c")); create(t, f, "a") }, []string{"a b", "b c", "a b c"}},
		{"two", func(f *crashfs.FS) { create(t, f, "c"); must(t, f.Remove("a")) }, []string{"a b", "a b c", "b", "b c"}},
		{"directory", func(f *crashfs.FS) { must(t, f.MkdirAll("c/d", 0)); must(t, f.SyncDir("c")) }, []string{"a b", "a b c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := crashfs.New(crashfs.Options{})
			create(t, fsys, "a")
			create(t, fsys, "b")
			fsys.SyncAll()
			c.do(fsys)
			seen := make(map[string]bool)
			rng := rand.New(rand.NewPCG(1, 5))
			for range 300 {
				seen[names(fsys.Crash(rng))] = true
			}
			for _, want := range c.after {
				if !seen[want] {
					t.Errorf("never saw %q", want)
				}
				delete(seen, want)
			}
			for got := range seen {
				t.Errorf("saw %q", got)
			}
			must(t, fsys.SyncDir("/"))
			for range 50 {
				if got := names(fsys.Crash(rng)); got != names(fsys) {
					t.Fatalf("after SyncDir: %q, want %q", got, names(fsys))
				}
			}
		})
	}
}

func TestRenameKeepsOldOrNewContent(t *testing.T) {
	fsys := crashfs.New(crashfs.Options{})
	write(t, create(t, fsys, "current"), []byte("old"), 0)
	fsys.SyncAll()
	temporary := create(t, fsys, "temporary")
	write(t, temporary, []byte("new!"), 0)
	must(t, temporary.Sync())
	must(t, fsys.Rename("temporary", "current"))
	rng := rand.New(rand.NewPCG(1, 6))
	seen := make(map[string]bool)
	for range 200 {
		seen[string(content(t, fsys.Crash(rng), "current"))] = true
	}
	if len(seen) != 2 || !seen["old"] || !seen["new!"] {
		t.Fatalf("contents %v, want old and new!", seen)
	}
}

func TestSameNumbersSameImage(t *testing.T) {
	fsys := crashfs.New(crashfs.Options{})
	for i := range 10 {
		f := create(t, fsys, fmt.Sprint("f", i))
		write(t, f, bytes.Repeat([]byte{byte(i)}, 3*page), 0)
		fsys.SyncAll()
		write(t, f, bytes.Repeat([]byte{0xff}, 3*page), 0)
	}
	for seed := range uint64(20) {
		a, b := fsys.Crash(rand.New(rand.NewPCG(seed, 7))), fsys.Crash(rand.New(rand.NewPCG(seed, 7)))
		for i := range 10 {
			name := fmt.Sprint("f", i)
			if !bytes.Equal(content(t, a, name), content(t, b, name)) {
				t.Fatalf("seed %d gave two contents of %s", seed, name)
			}
		}
	}
}

func TestACrashImageIsDurableAndSeparate(t *testing.T) {
	fsys := crashfs.New(crashfs.Options{})
	write(t, create(t, fsys, "a"), []byte("one"), 0)
	fsys.SyncAll()
	rng := rand.New(rand.NewPCG(1, 8))
	image := fsys.Crash(rng)
	f, err := image.OpenFile("a", os.O_RDWR, 0)
	must(t, err)
	write(t, f, []byte("two"), 0)
	if got := string(content(t, fsys, "a")); got != "one" {
		t.Fatalf("a write to the image reached the original: %q", got)
	}
	must(t, f.Sync())
	if got := string(content(t, image.Crash(rng).Crash(rng), "a")); got != "two" {
		t.Fatalf("an image of an image holds %q", got)
	}
}

func TestCapacity(t *testing.T) {
	fsys := crashfs.New(crashfs.Options{Capacity: 4 * page})
	f := create(t, fsys, "a")
	if err := f.Allocate(5 * page); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("allocate beyond the capacity: %v", err)
	}
	if size, _ := f.Size(); size != 0 || fsys.Used() != 0 {
		t.Fatalf("a failed allocate left %d bytes, %d in use", size, fsys.Used())
	}
	must(t, f.Allocate(3*page))
	g := create(t, fsys, "b")
	n, err := g.WriteAt(make([]byte, 2*page), 100)
	if n != page-100 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("write of two pages into one: %d bytes, %v", n, err)
	}
	write(t, f, []byte("reserved"), 2*page)
	must(t, f.PunchHole(page, 2*page))
	write(t, g, make([]byte, 2*page), 100)
	if fsys.Used() != 4*page {
		t.Fatalf("%d bytes in use, want all", fsys.Used())
	}
	must(t, fsys.Remove("b"))
	if fsys.Used() != 4*page {
		t.Fatal("an open file lost its blocks")
	}
	must(t, g.Close())
	if fsys.Used() != page {
		t.Fatalf("%d bytes in use after the last close, want one page", fsys.Used())
	}
	fsys.SetCapacity(1)
	if _, err := f.WriteAt([]byte("x"), page); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("write into a hole of a shrunk file system: %v", err)
	}
	write(t, f, []byte("x"), 0)
}

func TestAFileInUseDoesNotGrow(t *testing.T) {
	f := create(t, crashfs.New(crashfs.Options{}), "a")
	must(t, f.Allocate(page))
	memory := f.(vfs.Memory).Memory()
	write(t, f, []byte("end"), page-3)
	if string(memory[page-3:]) != "end" {
		t.Fatal("the image does not show the write")
	}
	if _, err := f.WriteAt([]byte("over"), page-3); err == nil {
		t.Fatal("the file grew away from its image")
	}
	if err := f.Allocate(2 * page); err == nil {
		t.Fatal("allocate moved the image")
	}
}

func TestKillKeepsTheCacheAndReleasesTheLock(t *testing.T) {
	fsys := crashfs.New(crashfs.Options{})
	f := create(t, fsys, "a")
	_, err := fsys.Lock("LOCK")
	must(t, err)
	write(t, f, []byte("unsynced"), 0)
	fsys.Kill()
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("a dead process wrote: %v", err)
	}
	if got := string(content(t, fsys, "a")); got != "unsynced" {
		t.Fatalf("after the kill: %q", got)
	}
	_, err = fsys.Lock("LOCK")
	must(t, err)
	lost := false
	rng := rand.New(rand.NewPCG(1, 9))
	for range 100 {
		_, err := read(fsys.Crash(rng), "a")
		lost = lost || errors.Is(err, fs.ErrNotExist)
	}
	if !lost {
		t.Fatal("a kill made a file durable")
	}
}

// TestCrashWhileWritersRun is for the race detector, and checks that an image
// never falls behind what was synced before it was taken.
func TestCrashWhileWritersRun(t *testing.T) {
	fsys := crashfs.New(crashfs.Options{})
	const writers = 3
	var synced [writers]atomic.Uint32
	files := make([]vfs.File, writers)
	for i := range files {
		files[i] = create(t, fsys, fmt.Sprint("f", i))
		must(t, files[i].Allocate(page))
	}
	fsys.SyncAll()
	var group sync.WaitGroup
	for i, f := range files {
		memory := f.(vfs.Memory).Memory()
		group.Go(func() {
			for value := byte(1); value < 250; value++ {
				if _, err := f.WriteAt([]byte{value}, int64(value)); err != nil {
					t.Error(err)
				}
				if memory[value] != value {
					t.Error("the image lags behind the file")
				}
				if err := f.Sync(); err != nil {
					t.Error(err)
				}
				synced[i].Store(uint32(value))
			}
		})
	}
	rng := rand.New(rand.NewPCG(1, 10))
	for range 300 {
		var floor [writers]uint32
		for i := range synced {
			floor[i] = synced[i].Load()
		}
		image := fsys.Crash(rng)
		for i := range floor {
			got := content(t, image, fmt.Sprint("f", i))
			for value := uint32(1); value <= floor[i]; value++ {
				if got[value] != byte(value) {
					t.Fatalf("file %d lost byte %d, synced up to %d", i, value, floor[i])
				}
			}
		}
	}
	group.Wait()
}

// BenchmarkCrash is one image of four logs of three segments, one of them
// active.
func BenchmarkCrash(b *testing.B) {
	fsys := crashfs.New(crashfs.Options{})
	block := bytes.Repeat([]byte{1}, 256<<10)
	for i := range 12 {
		f := create(b, fsys, fmt.Sprint("f", i))
		must(b, f.Allocate(256<<10))
		write(b, f, block, 0)
		if i%3 != 0 {
			must(b, f.Sync())
		}
	}
	rng := rand.New(rand.NewPCG(1, 11))
	b.ReportAllocs()
	for b.Loop() {
		fsys.Crash(rng)
	}
}

// BenchmarkWriteSync is the cost of the bookkeeping.
func BenchmarkWriteSync(b *testing.B) {
	f := create(b, crashfs.New(crashfs.Options{}), "a")
	must(b, f.Allocate(1<<20))
	block := bytes.Repeat([]byte{1}, 1000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		write(b, f, block, int64(i)*1000%(1<<20-1000))
		if i%4 == 0 {
			must(b, f.Sync())
		}
	}
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func must(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t fataler, fsys vfs.FS, name string) vfs.File {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	return f
}

func write(t fataler, f vfs.File, b []byte, off int64) {
	t.Helper()
	_, err := f.WriteAt(b, off)
	must(t, err)
}

func read(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
	return b, errors.Join(err, f.Close())
}

func content(t fataler, fsys vfs.FS, name string) []byte {
	t.Helper()
	b, err := read(fsys, name)
	must(t, err)
	return b
}
