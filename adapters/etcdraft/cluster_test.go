package etcdraft

import (
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/millrace-io/millrace/internal/vfs/crashfs"
)

// member is one node on a disk that may lose power.
type member struct {
	id      uint64
	disk    *crashfs.FS
	storage *Storage
	node    *raft.RawNode
	applied uint64
	state   uint64 // digest of all that was applied: the state machine
}

// world is a group on one goroutine: messages are lost and reordered, nodes lose
// power, and all of it follows from a seed.
type world struct {
	rng     *rand.Rand
	early   bool // the planted bug: messages are sent before they may be
	members []*member
	network []*pb.Message
	states  map[uint64]uint64 // the digest after each index, of whoever was first
	cuts    int
	newest  uint64
}

var quiet = &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)}

func newWorld(seed uint64) (*world, error) {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), states: map[uint64]uint64{}}
	for id := uint64(1); id <= 3; id++ {
		m := &member{id: id, disk: crashfs.New(crashfs.Options{})}
		w.members = append(w.members, m)
		if err := w.open(m); err != nil {
			return w, err
		}
		// As a group begins that was never bootstrapped by entries: from a snapshot.
		first := &pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: new(uint64(1)), Term: new(uint64(1)), ConfState: &pb.ConfState{Voters: []uint64{1, 2, 3}}}, Data: []byte("0")}
		if err := m.storage.ApplySnapshot(first); err != nil {
			return w, err
		}
		if err := w.start(m); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *world) open(m *member) (err error) {
	m.storage, err = openHeap(m.disk)
	return err
}

// start begins the node with what its storage has.
func (w *world) start(m *member) error {
	snap, err := m.storage.Snapshot()
	if err != nil {
		return err
	}
	w.restore(m, snap)
	m.node, err = raft.NewRawNode(&raft.Config{
		ID: m.id, ElectionTick: 5, HeartbeatTick: 1, Storage: m.storage, Applied: m.applied,
		MaxSizePerMsg: 4096, MaxInflightMsgs: 8, PreVote: true, CheckQuorum: true, Logger: quiet,
	})
	return err
}

func (w *world) restore(m *member, snap *pb.Snapshot) {
	m.applied = snap.GetMetadata().GetIndex()
	m.state, _ = strconv.ParseUint(string(snap.GetData()), 10, 64)
}

// step does one thing. Raft panics where its storage has lost what it promised:
// that is an error here.
func (w *world) step() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("raft: %v", p)
		}
	}()
	m := w.members[w.rng.IntN(len(w.members))]
	switch n := w.rng.IntN(1000); {
	case n < 5:
		return w.cutPower(m)
	case n < 15:
		return w.compact(m)
	case n < 100:
		_ = m.node.Propose(append(fmt.Appendf(nil, "%d", w.rng.Uint32()), make([]byte, w.rng.IntN(2000))...)) // refused without a leader
	case n < 400:
		m.node.Tick()
	case len(w.network) > 0:
		i := w.rng.IntN(len(w.network))
		message := w.network[i]
		w.network = append(w.network[:i], w.network[i+1:]...)
		if w.rng.IntN(30) > 0 {
			_ = w.members[message.GetTo()-1].node.Step(message) // of an earlier term, for instance
		}
	}
	for _, m := range w.members {
		if err := w.ready(m); err != nil {
			return err
		}
	}
	return nil
}

// ready is the loop of a node. The power may go before or behind each step of it.
func (w *world) ready(m *member) error {
	for m.node.HasReady() {
		ready := m.node.Ready()
		if w.early && w.rng.IntN(50) == 0 {
			w.send(ready.Messages)
			return w.cutPower(m)
		}
		if err := m.storage.Save(ready); err != nil {
			return err
		}
		if w.rng.IntN(300) == 0 {
			return w.cutPower(m)
		}
		w.send(ready.Messages)
		if !raft.IsEmptySnap(ready.Snapshot) {
			w.restore(m, ready.Snapshot)
		}
		for _, e := range ready.CommittedEntries {
			if err := w.apply(m, e); err != nil {
				return err
			}
		}
		m.node.Advance(ready)
	}
	return nil
}

func (w *world) send(messages []*pb.Message) {
	for _, message := range messages {
		if len(w.network) < 200 {
			w.network = append(w.network, proto.CloneOf(message))
		}
	}
}

// apply is the oracle: whatever was applied at an index anywhere, ever, is what
// is applied there.
func (w *world) apply(m *member, e *pb.Entry) error {
	if e.GetIndex() != m.applied+1 {
		return fmt.Errorf("node %d applies %d after %d", m.id, e.GetIndex(), m.applied)
	}
	m.applied++
	m.state = m.state*1_000_003 + e.GetTerm()
	for _, b := range e.GetData() {
		m.state = m.state*31 + uint64(b)
	}
	if state, known := w.states[m.applied]; known && state != m.state {
		return fmt.Errorf("node %d applies something else at %d, which was committed", m.id, m.applied)
	}
	w.states[m.applied] = m.state
	w.newest = max(w.newest, m.applied)
	return nil
}

// compact makes a snapshot of what is applied and removes most entries.
func (w *world) compact(m *member) error {
	_, err := m.storage.CreateSnapshot(m.applied, nil, strconv.AppendUint(nil, m.state, 10))
	if err == nil && m.applied > 4 {
		err = m.storage.Compact(m.applied - 3)
	}
	if errors.Is(err, raft.ErrSnapOutOfDate) || errors.Is(err, raft.ErrCompacted) {
		return nil
	}
	return err
}

// cutPower leaves any subset of what the disk was not told to sync.
func (w *world) cutPower(m *member) error {
	w.cuts++
	after := m.disk.Crash(w.rng)
	m.disk.Kill()
	_ = m.storage.Close()
	m.disk = after
	if err := w.open(m); err != nil {
		return err
	}
	return w.start(m)
}

func (w *world) close() {
	for _, m := range w.members {
		if m.storage != nil {
			m.disk.Kill()
			_ = m.storage.Close()
		}
	}
}

func (w *world) run(steps int) error {
	for i := range steps {
		if err := w.step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

// TestGroupLosesPower has groups of three lose power, messages and elections.
func TestGroupLosesPower(t *testing.T) {
	groups := uint64(20)
	if text := os.Getenv("MILLRACE_RAFT_GROUPS"); text != "" {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatalf("MILLRACE_RAFT_GROUPS: %v", err)
		}
		groups = n
	}
	cuts, committed := 0, uint64(0)
	for seed := range groups {
		w, err := newWorld(seed)
		if err == nil {
			err = w.run(4000)
		}
		w.close()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		cuts, committed = cuts+w.cuts, committed+w.newest
	}
	if committed < 20*groups {
		t.Errorf("only %d entries were committed", committed)
	}
	t.Logf("%d groups, %d power cuts, %d entries committed: none was lost or changed", groups, cuts, committed)
}

// TestGroupFindsABrokenPromise shows that the check above can fail: nodes send
// their messages before they save, as they must not.
func TestGroupFindsABrokenPromise(t *testing.T) {
	for seed := range uint64(50) {
		w, err := newWorld(seed)
		w.early = true
		if err == nil {
			err = w.run(4000)
		}
		w.close()
		if err != nil {
			t.Logf("found with seed %d: %v", seed, err)
			return
		}
	}
	t.Error("not noticed in 50 groups")
}
