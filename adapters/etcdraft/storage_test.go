package etcdraft

import (
	"encoding/hex"
	"errors"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fatal interface {
	Fatal(...any)
	Fatalf(string, ...any)
	Helper()
}

func openHeap(disk vfs.FS) (*Storage, error) {
	return Open("/data", wal.Options{FS: disk, Backend: wal.BackendHeap, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10})
}

func heapStorage(t fatal, disk vfs.FS) *Storage {
	t.Helper()
	s, err := openHeap(disk)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func entries(first, n, term uint64, size int) (list []*pb.Entry) {
	for i := range n {
		e := &pb.Entry{Index: new(first + i), Term: new(term), Type: new(pb.EntryNormal)}
		if size > 0 {
			e.Data = make([]byte, size)
			e.Data[0] = byte(first + i)
		}
		list = append(list, e)
	}
	return list
}

// TestAgainstMemoryStorage runs random histories, deaths included, beside
// raft.MemoryStorage.
func TestAgainstMemoryStorage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := crashfs.New(crashfs.Options{})
		s, twin := heapStorage(t, disk), raft.NewMemoryStorage()
		defer func() { _ = s.Close() }()
		term, commit := uint64(1), uint64(0)
		both := func(err1, err2 error) {
			if !errors.Is(err1, err2) {
				t.Fatalf("%v, and in memory %v", err1, err2)
			}
		}
		setHard := func() {
			hard := &pb.HardState{Term: new(term), Vote: new(term % 4), Commit: new(commit)}
			both(s.SetHardState(hard), twin.SetHardState(hard))
		}
		bounds := func() (first, last uint64) {
			first, _ = twin.FirstIndex()
			last, _ = twin.LastIndex()
			return first, last
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				first, last := bounds()
				low := commit + 1 // what is committed is never replaced
				if commit < first {
					low = max(first, 3) - 2 // what is compacted is left out
				}
				term += rapid.Uint64Range(0, 1).Draw(t, "term")
				list := entries(rapid.Uint64Range(low, last+1).Draw(t, "from"),
					rapid.Uint64Range(0, 12).Draw(t, "n"), term, rapid.IntRange(0, 900).Draw(t, "size"))
				both(s.Append(list), twin.Append(list))
			},
			"hard state": func(t *rapid.T) {
				first, last := bounds()
				commit = max(commit, rapid.Uint64Range(first-1, last).Draw(t, "commit"))
				setHard()
			},
			"snapshot": func(t *rapid.T) {
				first, last := bounds()
				i := rapid.Uint64Range(first-1, last).Draw(t, "index")
				cs := &pb.ConfState{Voters: []uint64{1, i + 1}}
				got, err1 := s.CreateSnapshot(i, cs, []byte("state"))
				want, err2 := twin.CreateSnapshot(i, cs, []byte("state"))
				both(err1, err2)
				if diff := cmp.Diff(whole(want), whole(got), protocmp.Transform()); diff != "" {
					t.Fatal(diff)
				}
			},
			"compact": func(t *rapid.T) {
				first, last := bounds()
				i := rapid.Uint64Range(first-1, max(first-1, min(last, commit))).Draw(t, "index")
				both(s.Compact(i), twin.Compact(i))
			},
			"install": func(t *rapid.T) {
				if rapid.IntRange(0, 3).Draw(t, "chance") > 0 {
					return
				}
				i := max(commit, rapid.Uint64Range(1, 200).Draw(t, "index"))
				term++
				snap := &pb.Snapshot{Data: []byte("whole"), Metadata: &pb.SnapshotMetadata{Index: new(i), Term: new(term)}}
				err := twin.ApplySnapshot(snap)
				both(s.ApplySnapshot(snap), err)
				if err == nil {
					commit = i
					setHard()
				}
			},
			"die": func(t *rapid.T) {
				disk.Kill()
				_ = s.Close()
				s = heapStorage(t, disk)
			},
			"": func(t *rapid.T) { compare(t, s, twin) },
		})
	})
}

// whole fills in what MemoryStorage may leave out.
func whole(snap *pb.Snapshot) *pb.Snapshot {
	snap = pb.EnsureSnapshot(snap)
	snap.Metadata.ConfState = pb.EnsureConfState(snap.Metadata.ConfState)
	return snap
}

func compare(t fatal, s *Storage, twin *raft.MemoryStorage) {
	t.Helper()
	first, _ := s.FirstIndex()
	last, _ := s.LastIndex()
	wantFirst, _ := twin.FirstIndex()
	wantLast, _ := twin.LastIndex()
	if first != wantFirst || last != wantLast {
		t.Fatalf("entries %d to %d, want %d to %d", first, last, wantFirst, wantLast)
	}
	for i := max(first, 2) - 2; i <= last+1; i++ {
		got, err1 := s.Term(i)
		want, err2 := twin.Term(i)
		if got != want || !errors.Is(err1, err2) {
			t.Fatalf("term of %d: %d %v, want %d %v", i, got, err1, want, err2)
		}
		for _, size := range []uint64{0, 1000, 1 << 40} {
			if i > last {
				break // where MemoryStorage panics
			}
			got, err1 := s.Entries(i, last+1, size)
			want, err2 := twin.Entries(i, last+1, size)
			if !errors.Is(err1, err2) || len(got) != len(want) {
				t.Fatalf("%d entries from %d on, %v; want %d, %v", len(got), i, err1, len(want), err2)
			}
			for j := range got {
				if !proto.Equal(got[j], want[j]) {
					t.Fatalf("entry %d: %v, want %v", i+uint64(j), got[j], want[j])
				}
			}
		}
	}
	gotHard, gotConf, err1 := s.InitialState()
	wantHard, wantConf, err2 := twin.InitialState()
	gotSnap, err3 := s.Snapshot()
	wantSnap, err4 := twin.Snapshot()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(gotHard, wantHard) || !proto.Equal(gotConf, wantConf) || !proto.Equal(whole(gotSnap), whole(wantSnap)) {
		t.Fatalf("state %v, %v, %v; want %v, %v, %v", gotHard, gotConf, gotSnap, wantHard, wantConf, wantSnap)
	}
}

// TestWhereMemoryStoragePanics there is a name.
func TestWhereMemoryStoragePanics(t *testing.T) {
	s := heapStorage(t, crashfs.New(crashfs.Options{}))
	defer s.Close()
	if err := s.Append(entries(1, 5, 1, 10)); err != nil {
		t.Fatal(err)
	}
	_, behind := s.Entries(3, 7, 1<<20)
	_, snapshot := s.CreateSnapshot(6, nil, nil)
	gap := entries(6, 2, 1, 10)
	gap[1].Index = new(uint64(9))
	for name, c := range map[string]struct{ err, want error }{
		"entries behind the end":  {behind, raft.ErrUnavailable},
		"a snapshot behind it":    {snapshot, raft.ErrUnavailable},
		"compacting behind it":    {s.Compact(6), raft.ErrUnavailable},
		"appending behind it":     {s.Append(entries(7, 1, 1, 10)), failure.InvalidArgument},
		"a gap within":            {s.Append(gap), failure.InvalidArgument},
		"an entry too large":      {s.Append(entries(6, 1, 1, 17<<20)), failure.TooLarge},
		"a snapshot too large":    {s.ApplySnapshot(&pb.Snapshot{Data: make([]byte, 9<<20), Metadata: &pb.SnapshotMetadata{Index: new(uint64(9))}}), failure.TooLarge},
		"a snapshot of nowhere":   {s.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: new(uint64(1 << 63))}}), failure.InvalidArgument},
		"a snapshot of no effect": {s.ApplySnapshot(&pb.Snapshot{}), nil},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
	}
}

// TestCommitIsBroughtIntoBounds: it is not synced, and entries are.
func TestCommitIsBroughtIntoBounds(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	s := heapStorage(t, disk)
	if err := s.Append(entries(1, 5, 1, 10)); err != nil {
		t.Fatal(err)
	}
	if err := s.SetHardState(&pb.HardState{Term: new(uint64(1)), Commit: new(uint64(9))}); err != nil {
		t.Fatal(err)
	}
	disk.Kill()
	_ = s.Close()
	s = heapStorage(t, disk)
	defer s.Close()
	if hard, _, err := s.InitialState(); hard.GetCommit() != 5 || hard.GetTerm() != 1 || err != nil {
		t.Errorf("got %v, %v", hard, err)
	}
}

// TestEveryFaultOfASave fails each call of a Save that replaces entries, and of
// one that installs a snapshot. After a death the storage opens, and has what was
// acknowledged.
func TestEveryFaultOfASave(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for _, snapshot := range []bool{false, true} {
			n := 1
			for ; saveWithFault(t, errorfs.Rule{Nth: n, Err: cause}, snapshot); n++ {
			}
			t.Logf("%v, snapshot %v: %d sites", cause, snapshot, n-1)
		}
	}
}

func saveWithFault(t *testing.T, rule errorfs.Rule, snapshot bool) (fired bool) {
	t.Helper()
	disk := crashfs.New(crashfs.Options{})
	faulty := errorfs.New(disk)
	s := heapStorage(t, faulty)
	before := raft.Ready{HardState: &pb.HardState{Term: new(uint64(1)), Commit: new(uint64(2))}, Entries: entries(1, 20, 1, 900)}
	if err := s.Save(before); err != nil {
		t.Fatal(err)
	}
	ready := raft.Ready{HardState: &pb.HardState{Term: new(uint64(2)), Commit: new(uint64(3))}, Entries: entries(10, 20, 2, 900)}
	if snapshot {
		ready.Snapshot = &pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: new(uint64(15)), Term: new(uint64(2))}}
		ready.HardState.Commit = new(uint64(15))
		ready.Entries = entries(16, 20, 2, 900)
	}
	fault := faulty.Fail(rule)
	err := s.Save(ready)
	fired = fault.Fired()
	var named *failure.Error
	if err != nil && !errors.As(err, &named) {
		t.Errorf("%+v: the error has no name: %v", rule, err)
	}
	if errors.Is(err, failure.NoSpace) {
		err = s.Save(ready) // there is room again
	}
	disk.Kill()
	_ = s.Close()
	s = heapStorage(t, disk)
	defer s.Close()
	want := ready.Entries[len(ready.Entries)-1]
	last, _ := s.LastIndex()
	term, _ := s.Term(last)
	hard, _, _ := s.InitialState()
	if err == nil && (last != want.GetIndex() || term != 2 || hard.GetTerm() != 2) {
		t.Errorf("%+v: saved, and then entries end with %d of term %d, the term is %d", rule, last, term, hard.GetTerm())
	}
	if last < 9 || hard.GetCommit() < 2 || hard.GetCommit() > last || hard.GetTerm() < term {
		t.Errorf("%+v, %v: entries end with %d of term %d, the hard state is %v", rule, err, last, term, hard)
	}
	return fired
}

func TestGoldenBytes(t *testing.T) {
	b, err := encodeEntry(&pb.Entry{Index: new(uint64(3)), Term: new(uint64(0x0102)), Type: new(pb.EntryConfChange), Data: []byte("data")})
	if err != nil {
		t.Fatal(err)
	}
	const want = "0100000000000000" + "0201000000000000" + "0801" + "108202" + "1803" + "220464617461"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := hex.EncodeToString(position{3, 0x0102}.encode()); got != "0300000000000000"+"0201000000000000" {
		t.Errorf("position: %s", got)
	}
}

func FuzzEntry(f *testing.F) {
	b, _ := encodeEntry(entries(3, 1, 7, 10)[0])
	f.Add(b)
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(b, 3)
		if err != nil && failure.KindOf(err) == failure.Internal {
			t.Errorf("no name: %v", err)
		}
		if err != nil {
			return
		}
		again, err := encodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := decodeEntry(again, 3); err != nil || !proto.Equal(e, same) {
			t.Errorf("%v becomes %v, %v", e, same, err)
		}
	})
}
