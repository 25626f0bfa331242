package hashicorpraft

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	raftbench "github.com/hashicorp/raft/bench"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/wal"
)

func TestMain(m *testing.M) {
	// go-metrics, which raft starts by itself, has no end.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/hashicorp/go-metrics.(*InmemSignal).run"))
}

type fatal interface {
	Fatal(...any)
	Fatalf(string, ...any)
	Helper()
}

func heapStore(t fatal, disk vfs.FS) *Store {
	t.Helper()
	s, err := Open("/data", wal.Options{FS: disk, Backend: wal.BackendHeap, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func entry(index, term uint64, size int) *raft.Log {
	l := &raft.Log{Index: index, Term: term, Type: raft.LogType(index % 6), AppendedAt: time.Unix(int64(term), int64(index))}
	if size > 0 {
		l.Data = append(fmt.Appendf(nil, "%d/%d ", index, term), make([]byte, size)...)
	}
	if index%3 == 0 {
		l.Extensions = []byte("more")
	}
	return l
}

func same(a, b *raft.Log) bool {
	return a.Index == b.Index && a.Term == b.Term && a.Type == b.Type && bytes.Equal(a.Data, b.Data) &&
		bytes.Equal(a.Extensions, b.Extensions) && a.AppendedAt.Equal(b.AppendedAt)
}

// TestAgainstTheStoreInMemory runs random histories, deaths included, beside
// raft.InmemStore.
func TestAgainstTheStoreInMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := crashfs.New(crashfs.Options{})
		s, twin := heapStore(t, disk), raft.NewInmemStore()
		defer func() { _ = s.Close() }()
		term := uint64(1)
		both := func(err1, err2 error) {
			if err1 != nil || err2 != nil {
				t.Fatalf("%v, and in memory %v", err1, err2)
			}
		}
		bounds := func() (first, last uint64) {
			first, _ = twin.FirstIndex()
			last, _ = twin.LastIndex()
			return first, last
		}
		t.Repeat(map[string]func(*rapid.T){
			"store": func(t *rapid.T) {
				first, last := bounds()
				next := last + 1
				if first == 0 {
					next = rapid.Uint64Range(1, 500).Draw(t, "anywhere")
				}
				term += rapid.Uint64Range(0, 1).Draw(t, "term")
				var logs []*raft.Log
				for i := range rapid.Uint64Range(1, 20).Draw(t, "n") {
					logs = append(logs, entry(next+i, term, rapid.IntRange(0, 900).Draw(t, "size")))
				}
				both(s.StoreLogs(logs), twin.StoreLogs(logs))
			},
			"delete": func(t *rapid.T) {
				first, last := bounds()
				if first == 0 {
					return
				}
				middle := rapid.Uint64Range(first, last).Draw(t, "middle")
				if rapid.Bool().Draw(t, "suffix") {
					both(s.DeleteRange(middle, last), twin.DeleteRange(middle, last))
				} else {
					both(s.DeleteRange(first, middle), twin.DeleteRange(first, middle))
				}
			},
			"set": func(t *rapid.T) {
				key := rapid.SliceOfN(rapid.Byte(), 1, 2).Draw(t, "key")
				both(s.SetUint64(key, term), twin.SetUint64(key, term))
				got, err := s.GetUint64(key)
				want, _ := twin.GetUint64(key)
				if err != nil || got != want {
					t.Fatalf("value %d, want %d: %v", got, want, err)
				}
			},
			"die": func(t *rapid.T) {
				disk.Kill()
				_ = s.Close()
				s = heapStore(t, disk)
			},
			"": func(t *rapid.T) { compare(t, s, twin) },
		})
	})
}

func compare(t fatal, s *Store, twin *raft.InmemStore) {
	t.Helper()
	first, err1 := s.FirstIndex()
	last, err2 := s.LastIndex()
	wantFirst, _ := twin.FirstIndex()
	wantLast, _ := twin.LastIndex()
	if first != wantFirst || last != wantLast || err1 != nil || err2 != nil {
		t.Fatalf("entries %d to %d, want %d to %d: %v", first, last, wantFirst, wantLast, errors.Join(err1, err2))
	}
	var got, want raft.Log
	for i := max(first, 1) - 1; i <= last+1; i++ {
		err1, err2 := s.GetLog(i, &got), twin.GetLog(i, &want)
		if !errors.Is(err1, err2) || err1 == nil && !same(&got, &want) {
			t.Fatalf("entry %d: %+v %v, want %+v %v", i, got, err1, want, err2)
		}
	}
}

// TestWhatRaftMustNotDo gets a name.
func TestWhatRaftMustNotDo(t *testing.T) {
	s := heapStore(t, crashfs.New(crashfs.Options{}))
	defer s.Close()
	if err := s.StoreLogs([]*raft.Log{entry(5, 1, 10), entry(6, 1, 10), entry(7, 1, 10)}); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a gap":             s.StoreLog(entry(9, 1, 1)),
		"a gap within":      s.StoreLogs([]*raft.Log{entry(8, 1, 1), entry(10, 1, 1)}),
		"an entry again":    s.StoreLog(entry(7, 2, 1)),
		"index 0":           s.StoreLog(entry(0, 1, 1)),
		"the middle":        s.DeleteRange(6, 6),
		"no number is read": func() error { _ = s.Set([]byte("k"), []byte("x")); _, err := s.GetUint64([]byte("k")); return err }(),
	} {
		if !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("%s: %v, want failure.InvalidArgument", name, err)
		}
	}
	if err := s.StoreLog(entry(8, 1, 17<<20)); !errors.Is(err, failure.TooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := s.StoreLogs([]*raft.Log{entry(8, 1, 1), entry(9, 1, 17<<20)}); !errors.Is(err, failure.TooLarge) {
		t.Errorf("too large: %v", err)
	}
	if last, _ := s.LastIndex(); last != 7 {
		t.Errorf("the last entry is %d, want 7", last)
	}
	if v, err := s.Get([]byte("unknown")); len(v) != 0 || err != nil {
		t.Errorf("an unknown key: %q, %v", v, err)
	}
	if err := s.StoreLog(entry(8, 1, 1)); err != nil {
		t.Fatal(err)
	}
}

// TestFullDiskStoresAllOrNone: entries of a call that failed are not there, and
// once there is room it goes on.
func TestFullDiskStoresAllOrNone(t *testing.T) {
	faulty := errorfs.New(crashfs.New(crashfs.Options{}))
	s := heapStore(t, faulty)
	defer s.Close()
	if err := s.StoreLog(entry(1, 1, 1000)); err != nil {
		t.Fatal(err)
	}
	for n := range 6 { // smaller segments are tried, too
		faulty.Fail(errorfs.Rule{Operations: []vfs.Operation{vfs.OperationAllocate}, Nth: n + 1, Err: syscall.ENOSPC})
	}
	var logs []*raft.Log
	for i := range uint64(60) {
		logs = append(logs, entry(2+i, 1, 1000))
	}
	full := 0
	for ; full < 5; full++ {
		err := s.StoreLogs(logs)
		if last, _ := s.LastIndex(); (err == nil) != (last == 61) || err != nil && last != 1 {
			t.Fatalf("the last entry is %d after %v", last, err)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, failure.NoSpace) {
			t.Fatal(err)
		}
	}
	if full == 0 {
		t.Error("the disk was never full")
	}
	for i := range uint64(61) {
		var got raft.Log
		if err := s.GetLog(1+i, &got); err != nil || !same(&got, entry(1+i, 1, 1000)) {
			t.Fatalf("entry %d: %v", 1+i, err)
		}
	}
}

func TestPoisonedStoreAcceptsNothing(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	faulty := errorfs.New(disk)
	s := heapStore(t, faulty)
	if err := s.StoreLog(entry(1, 1, 10)); err != nil {
		t.Fatal(err)
	}
	faulty.Fail(errorfs.Rule{Operations: []vfs.Operation{vfs.OperationSync}, Nth: 1, Err: syscall.EIO})
	for range 2 {
		if err := s.StoreLog(entry(2, 1, 10)); !errors.Is(err, failure.Poisoned) {
			t.Errorf("store: %v, want failure.Poisoned", err)
		}
	}
	if err := s.DeleteRange(1, 1); !errors.Is(err, failure.Poisoned) {
		t.Errorf("delete: %v, want failure.Poisoned", err)
	}
	disk.Kill()
	_ = s.Close()
	s = heapStore(t, disk)
	defer s.Close()
	var got raft.Log
	if err := s.GetLog(1, &got); err != nil || !same(&got, entry(1, 1, 10)) {
		t.Errorf("after reopening: %v", err)
	}
}

// raftBench is what raft exports for those who implement its stores.
var raftBench = map[string]func(*testing.B, *Store){
	"FirstIndex": func(b *testing.B, s *Store) { raftbench.FirstIndex(b, s) },
	"LastIndex":  func(b *testing.B, s *Store) { raftbench.LastIndex(b, s) },
	"GetLog":     func(b *testing.B, s *Store) { raftbench.GetLog(b, s) },
	"StoreLog":   func(b *testing.B, s *Store) { raftbench.StoreLog(b, fromOne{s}) },
	"StoreLogs":  func(b *testing.B, s *Store) { raftbench.StoreLogs(b, s) },
	"Set":        func(b *testing.B, s *Store) { raftbench.Set(b, s) },
	"Get":        func(b *testing.B, s *Store) { raftbench.Get(b, s) },
	"SetUint64":  func(b *testing.B, s *Store) { raftbench.SetUint64(b, s) },
	"GetUint64":  func(b *testing.B, s *Store) { raftbench.GetUint64(b, s) },
}

func onDisk(f func(*testing.B, *Store)) func(*testing.B) {
	return func(b *testing.B) {
		s, err := Open(b.TempDir(), wal.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		f(b, s)
	}
}

// TestRaftBench runs raft's benchmarks for a moment: they fail where the store does
// not do as it must.
func TestRaftBench(t *testing.T) {
	if err := flag.Set("test.benchtime", "20x"); err != nil {
		t.Fatal(err)
	}
	for name, f := range raftBench {
		if result := testing.Benchmark(onDisk(f)); result.N != 20 {
			t.Errorf("%s failed", name)
		}
	}
	t.Log("raft/bench.DeleteRange is not run: it stores entries with gaps, which a raft.MonotonicLogStore refuses")
}

func BenchmarkRaft(b *testing.B) {
	for name, f := range raftBench {
		b.Run(name, onDisk(f))
	}
}

// fromOne leaves the entry 0 out, with which raft's benchmark begins: no index of
// Raft is 0.
type fromOne struct{ *Store }

func (f fromOne) StoreLog(l *raft.Log) error {
	if l.Index == 0 {
		return nil
	}
	return f.Store.StoreLog(l)
}

func TestGoldenBytes(t *testing.T) {
	got := hex.EncodeToString(encode(&raft.Log{
		Index: 3, Term: 0x0102, Type: raft.LogConfiguration, Data: []byte("data"), Extensions: []byte("ext"), AppendedAt: time.Unix(0, 0x0304),
	}))
	const want = "01050000" + "03000000" + "0201000000000000" + "0403000000000000" + "657874" + "64617461"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add(encode(entry(3, 7, 10)))
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		var l raft.Log
		err := decode(b, &l)
		if err != nil && failure.KindOf(err) == failure.Internal {
			t.Errorf("no name: %v", err)
		}
		if err == nil && !bytes.Equal(encode(&l), b) {
			t.Errorf("%x becomes %x", b, encode(&l))
		}
	})
}
