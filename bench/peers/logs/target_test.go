package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/millrace-io/millrace/bench/target"
)

// writersCount is how many goroutines append at once.
const writersCount = 4

// forEach runs a test with every library and durability.
func forEach(t *testing.T, test func(t *testing.T, on target.Target, durability target.Durability)) {
	for _, on := range targets() {
		for _, durability := range on.About().Durabilities {
			t.Run(on.About().Name+"/"+string(durability), func(t *testing.T) { test(t, on, durability) })
		}
	}
}

// open opens a session, or skips the test when the target is not available. The
// session is not closed when the test ends: the test does it.
func open(t *testing.T, on target.Target, c target.Config) target.Session {
	t.Helper()
	s, err := on.Open(t.Context(), c)
	var unavailable *target.UnavailableError
	if errors.As(err, &unavailable) {
		t.Skip(unavailable.Reason)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// closeSession closes a session and fails the test if it cannot.
func closeSession(t *testing.T, s target.Session) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// recordOf makes a record that says who wrote it where and when. Sizes differ,
// and some are larger than a page of any library.
func recordOf(writer, shard, number int) []byte {
	record := make([]byte, 12, 64<<10)
	binary.LittleEndian.PutUint32(record, uint32(writer))
	binary.LittleEndian.PutUint32(record[4:], uint32(shard))
	binary.LittleEndian.PutUint32(record[8:], uint32(number))
	size := (number * 37) % 300
	if number%11 == 10 {
		size = 40 << 10
	}
	for i := range size {
		record = append(record, byte(writer*7+shard*5+number*3+i))
	}
	return record
}

// written is how many records each writer has appended to each shard.
type written map[[2]int]int

// write appends so many records from every writer to every shard, in batches of
// different sizes, all writers at once.
func write(t *testing.T, s target.Session, shards, count int, done written) {
	t.Helper()
	var group sync.WaitGroup
	for writer := range writersCount {
		group.Go(func() {
			for shard := range shards {
				at := done[[2]int{writer, shard}]
				for end := at + count; at < end; {
					batch := min(1+(at+writer)%5, end-at)
					records := make([][]byte, 0, batch)
					for i := range batch {
						records = append(records, recordOf(writer, shard, at+i))
					}
					if err := s.Append(t.Context(), shard, records); err != nil {
						t.Errorf("append to shard %d: %v", shard, err)
						return
					}
					for _, record := range records {
						clear(record) // it may not have been kept
					}
					at += batch
				}
			}
		})
	}
	group.Wait()
	for writer := range writersCount {
		for shard := range shards {
			done[[2]int{writer, shard}] += count
		}
	}
}

// scan returns copies of all records of a shard.
func scan(t *testing.T, s target.Session, shard int) [][]byte {
	t.Helper()
	var records [][]byte
	err := s.(target.Scanner).Scan(t.Context(), shard, func(record []byte) { records = append(records, append([]byte(nil), record...)) })
	if err != nil {
		t.Fatalf("scan shard %d: %v", shard, err)
	}
	return records
}

// check returns what is wrong with the records of a shard: each writer's must
// all be there, once, unchanged and in order.
func check(records [][]byte, shard int, done written) error {
	next := map[int]int{}
	for i, record := range records {
		if len(record) < 12 {
			return fmt.Errorf("record %d of shard %d has %d bytes", i, shard, len(record))
		}
		writer := int(binary.LittleEndian.Uint32(record))
		if want := recordOf(writer, shard, next[writer]); string(record) != string(want) {
			return fmt.Errorf("record %d of shard %d is not number %d of writer %d", i, shard, next[writer], writer)
		}
		next[writer]++
	}
	for writer := range writersCount {
		if next[writer] != done[[2]int{writer, shard}] {
			return fmt.Errorf("shard %d has %d records of writer %d, want %d", shard, next[writer], writer, done[[2]int{writer, shard}])
		}
	}
	return nil
}

// checkAll checks every shard.
func checkAll(t *testing.T, s target.Session, shards int, done written) {
	t.Helper()
	for shard := range shards {
		if err := check(scan(t, s, shard), shard, done); err != nil {
			t.Error(err)
		}
	}
}

// TestCheckFindsErrors shows that check fails when it should.
func TestCheckFindsErrors(t *testing.T) {
	done := written{{0, 3}: 4}
	sound := func() [][]byte {
		return [][]byte{recordOf(0, 3, 0), recordOf(0, 3, 1), recordOf(0, 3, 2), recordOf(0, 3, 3)}
	}
	if err := check(sound(), 3, done); err != nil {
		t.Fatalf("records that are all there: %v", err)
	}
	faults := map[string]func(r [][]byte) [][]byte{
		"one is missing":          func(r [][]byte) [][]byte { return append(r[:1], r[2:]...) },
		"the last is missing":     func(r [][]byte) [][]byte { return r[:3] },
		"one is there twice":      func(r [][]byte) [][]byte { return append(r, r[3]) },
		"two are exchanged":       func(r [][]byte) [][]byte { r[1], r[2] = r[2], r[1]; return r },
		"a byte is wrong":         func(r [][]byte) [][]byte { r[2][20]++; return r },
		"one is cut":              func(r [][]byte) [][]byte { r[2] = r[2][:15]; return r },
		"one is of another shard": func(r [][]byte) [][]byte { r[2] = recordOf(0, 2, 2); return r },
	}
	for name, fault := range faults {
		if err := check(fault(sound()), 3, done); err == nil {
			t.Errorf("%s: not found", name)
		}
	}
}

// TestRecordsComeBack appends, scans, and opens again what was closed.
func TestRecordsComeBack(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprintf("shards=%d", shards), func(t *testing.T) {
			forEach(t, func(t *testing.T, on target.Target, durability target.Durability) {
				c := target.Config{Dir: t.TempDir(), Durability: durability, Shards: shards, RecordBytes: 100, Writers: writersCount}
				done := written{}
				s := open(t, on, c)
				checkAll(t, s, shards, done)
				write(t, s, shards, 30, done)
				checkAll(t, s, shards, done)
				closeSession(t, s)

				c.Reopen = true
				for range 2 {
					s = open(t, on, c)
					checkAll(t, s, shards, done)
					write(t, s, shards, 7, done)
					checkAll(t, s, shards, done)
					closeSession(t, s)
				}
			})
		})
	}
}

// TestManyShardsShareDatabase checks that shards keep apart where there are more
// than databases.
func TestManyShardsShareDatabase(t *testing.T) {
	const shards = databasesMax + 1
	for _, on := range []target.Target{pebbleDatabase(), badgerDatabase(), bboltDatabase()} {
		t.Run(on.About().Name, func(t *testing.T) {
			c := target.Config{Dir: t.TempDir(), Durability: target.None, Shards: shards, RecordBytes: 100, Writers: writersCount}
			done := written{}
			s := open(t, on, c)
			write(t, s, shards, 5, done)
			checkAll(t, s, shards, done)
			closeSession(t, s)
			c.Reopen = true
			s = open(t, on, c)
			write(t, s, shards, 3, done)
			checkAll(t, s, shards, done)
			closeSession(t, s)
			if entries, err := os.ReadDir(c.Dir); err != nil || len(entries) != 1 {
				t.Errorf("%d directories, want 1 (%v)", len(entries), err)
			}
		})
	}
}

// TestOpensWhatACrashLeaves opens a copy of the files of an open session, as the
// runner does.
func TestOpensWhatACrashLeaves(t *testing.T) {
	const shards = 2
	forEach(t, func(t *testing.T, on target.Target, durability target.Durability) {
		c := target.Config{Dir: t.TempDir(), Durability: durability, Shards: shards, RecordBytes: 100, Writers: writersCount}
		done := written{}
		s := open(t, on, c)
		write(t, s, shards, 30, done)
		copied := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(copied, os.DirFS(c.Dir)); err != nil {
			t.Fatal(err)
		}
		closeSession(t, s)

		c.Dir, c.Reopen = copied, true
		s = open(t, on, c)
		defer closeSession(t, s)
		if durability == target.Group {
			checkAll(t, s, shards, done)
		}
		// What was not synced may be lost; then each writer goes on where it
		// would have.
		before := len(scan(t, s, 0))
		if err := s.Append(t.Context(), 0, [][]byte{{1}, {2}}); err != nil {
			t.Fatal(err)
		}
		if after := len(scan(t, s, 0)); after != before+2 {
			t.Errorf("%d records after two were appended to %d", after, before)
		}
	})
}

// TestFollowSeesWhatIsAppended follows an empty shard and one with records while
// writers append, and compares with a scan.
func TestFollowSeesWhatIsAppended(t *testing.T) {
	const shards, count = 2, 40
	forEach(t, func(t *testing.T, on target.Target, durability target.Durability) {
		c := target.Config{Dir: t.TempDir(), Durability: durability, Shards: shards, RecordBytes: 100, Writers: writersCount}
		done := written{}
		s := open(t, on, c)
		defer closeSession(t, s)
		if _, ok := s.(target.Follower); !ok {
			if on.About().Name != "etcd-wal" {
				t.Error("it cannot be followed")
			}
			return
		}
		write(t, s, 1, 10, done) // shard 0 only
		stopped := make([]func() [][]byte, shards)
		for shard := range shards {
			stopped[shard] = follow(t, s, shard, writersCount*count)
		}
		write(t, s, shards, count, done)
		for shard, stop := range stopped {
			followed, all := stop(), scan(t, s, shard)
			if want := all[len(all)-writersCount*count:]; !slices.EqualFunc(followed, want, bytes.Equal) {
				t.Errorf("shard %d: what was followed is not the end of what was scanned", shard)
			}
		}
		checkAll(t, s, shards, done)
	})
}

// follow begins to follow a shard. What it returns waits for so many records,
// stops, and returns them.
func follow(t *testing.T, s target.Session, shard, count int) func() [][]byte {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, enough, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var records [][]byte
	go func() {
		ended <- s.(target.Follower).Follow(ctx, shard, func() { close(ready) }, func(record []byte) {
			records = append(records, append([]byte(nil), record...))
			if len(records) == count {
				close(enough)
			}
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("follow shard %d ended before it was ready: %v", shard, err)
	}
	return func() [][]byte {
		defer cancel()
		select {
		case <-enough:
		case err := <-ended:
			t.Fatalf("follow shard %d ended early: %v", shard, err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("follow shard %d: %v", shard, err)
		}
		return records
	}
}

// TestRefusesWhatItCannotDo checks the errors of Open.
func TestRefusesWhatItCannotDo(t *testing.T) {
	for _, on := range targets() {
		var unavailable *target.UnavailableError
		_, err := on.Open(t.Context(), target.Config{Dir: t.TempDir(), Durability: target.Interval, Shards: 1})
		if !errors.As(err, &unavailable) {
			t.Errorf("%s, interval: %v, want an UnavailableError", on.About().Name, err)
		}
		group := target.Config{Dir: t.TempDir(), Durability: target.Group, Shards: 1, Options: map[string]string{"speed": "high"}}
		if _, err := on.Open(t.Context(), group); err == nil {
			t.Errorf("%s takes an option that it does not have", on.About().Name)
		}
	}
}

// TestGetsWhatIsScanned reads records one by one, after opening again too.
func TestGetsWhatIsScanned(t *testing.T) {
	const shards = 2
	cannot := []string{"etcd-wal", "prometheus-wlog"}
	forEach(t, func(t *testing.T, on target.Target, durability target.Durability) {
		c := target.Config{Dir: t.TempDir(), Durability: durability, Shards: shards, RecordBytes: 100, Writers: writersCount}
		done := written{}
		s := open(t, on, c)
		write(t, s, shards, 20, done)
		for range 2 {
			getter, ok := s.(target.Getter)
			if ok == slices.Contains(cannot, on.About().Name) {
				t.Errorf("it can be asked for records: %v", ok)
			}
			for shard := range shards {
				for number, want := range scan(t, s, shard) {
					if !ok {
						break
					}
					var got []byte
					err := getter.Get(t.Context(), shard, uint64(number), func(record []byte) { got = append(got, record...) })
					if err != nil || !bytes.Equal(got, want) {
						t.Fatalf("record %d of shard %d is another one, %v", number, shard, err)
					}
				}
				if ok && getter.Get(t.Context(), shard, 1000, func([]byte) {}) == nil {
					t.Error("there is a record that was not appended")
				}
			}
			closeSession(t, s)
			c.Reopen = true
			s = open(t, on, c)
		}
		closeSession(t, s)
	})
}

// TestSends sends without waiting, from a slice that is reused at once.
func TestSends(t *testing.T) {
	const count = 500
	senders := 0
	forEach(t, func(t *testing.T, on target.Target, durability target.Durability) {
		s := open(t, on, target.Config{Dir: t.TempDir(), Durability: durability, Shards: 1, RecordBytes: 4, Writers: 1})
		defer closeSession(t, s)
		sender, ok := s.(target.Sender)
		if !ok {
			return
		}
		senders++
		record := make([]byte, 4)
		acknowledged := 0 // by one goroutine, which Flush waits for
		for i := range count {
			binary.BigEndian.PutUint32(record, uint32(i))
			err := sender.Send(t.Context(), 0, record, func(err error) {
				if acknowledged++; err != nil {
					t.Errorf("record %d: %v", i, err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := sender.Flush(t.Context()); err != nil || acknowledged != count {
			t.Errorf("%d acknowledged, %v", acknowledged, err)
		}
		for i, record := range scan(t, s, 0) {
			if binary.BigEndian.Uint32(record) != uint32(i) {
				t.Fatalf("record %d is %x", i, record)
			}
		}
	})
	if senders != 2 { // pebble, in two classes
		t.Errorf("%d can send without waiting", senders)
	}
}

// TestScanEndsWithContext checks that a scan does not go on for nobody.
func TestScanEndsWithContext(t *testing.T) {
	forEach(t, func(t *testing.T, on target.Target, durability target.Durability) {
		s := open(t, on, target.Config{Dir: t.TempDir(), Durability: durability, Shards: 1, Writers: 1})
		defer closeSession(t, s)
		if err := s.Append(t.Context(), 0, [][]byte{{1}, {2}}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.(target.Scanner).Scan(ctx, 0, func([]byte) {}); !errors.Is(err, context.Canceled) {
			t.Errorf("scan: %v, want context.Canceled", err)
		}
		if err := s.Append(ctx, 0, [][]byte{{3}}); !errors.Is(err, context.Canceled) {
			t.Errorf("append: %v, want context.Canceled", err)
		}
	})
}
