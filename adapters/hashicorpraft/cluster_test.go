package hashicorpraft

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/millrace-io/millrace/wal"
)

// machine is a state machine that remembers every command.
type machine struct {
	mu      sync.Mutex
	applied []string
	changed chan struct{} // closed at the next change
}

func (m *machine) set(change func([]string) []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied = change(m.applied)
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

func (m *machine) Apply(l *raft.Log) any {
	m.set(func(all []string) []string { return append(all, string(l.Data)) })
	return nil
}

func (m *machine) Snapshot() (raft.FSMSnapshot, error) { return snapshot(m.commands()), nil }

func (m *machine) Restore(r io.ReadCloser) error {
	var all []string
	err := json.NewDecoder(r).Decode(&all)
	m.set(func([]string) []string { return all })
	return err
}

func (m *machine) commands() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.applied)
}

// await returns once the command was applied.
func (m *machine) await(ctx context.Context, t *testing.T, command string) {
	t.Helper()
	for {
		m.mu.Lock()
		if slices.Contains(m.applied, command) {
			m.mu.Unlock()
			return
		}
		if m.changed == nil {
			m.changed = make(chan struct{})
		}
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%q was not applied", command)
		}
	}
}

type snapshot []string

func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if err := json.NewEncoder(sink).Encode([]string(s)); err != nil {
		return err
	}
	return sink.Close()
}

func (snapshot) Release() {}

// watched notes what Raft asks of a store.
type watched struct {
	*Store
	mu      sync.Mutex
	deleted [][2]uint64
	stored  chan uint64 // the last index, if there is room
}

func (w *watched) StoreLog(l *raft.Log) error { return w.StoreLogs([]*raft.Log{l}) }

func (w *watched) StoreLogs(logs []*raft.Log) error {
	err := w.Store.StoreLogs(logs)
	if err == nil {
		select {
		case w.stored <- logs[len(logs)-1].Index:
		default:
		}
	}
	return err
}

func (w *watched) DeleteRange(low, high uint64) error {
	w.mu.Lock()
	w.deleted = append(w.deleted, [2]uint64{low, high})
	w.mu.Unlock()
	return w.Store.DeleteRange(low, high)
}

// server is one member, which may be down.
type server struct {
	id        string
	path      string
	raft      *raft.Raft
	store     *watched
	machine   *machine
	transport *raft.InmemTransport
}

type cluster struct {
	t       *testing.T
	ctx     context.Context
	servers []*server
	changes chan raft.Observation
}

func newCluster(t *testing.T) *cluster {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	c := &cluster{t: t, ctx: ctx, changes: make(chan raft.Observation, 1<<12)}
	var members []raft.Server
	for i := range 3 {
		s := &server{id: fmt.Sprint("server ", i), path: t.TempDir()}
		c.servers = append(c.servers, s)
		members = append(members, raft.Server{ID: raft.ServerID(s.id), Address: raft.ServerAddress(s.id)})
	}
	for _, s := range c.servers {
		c.start(s)
	}
	for _, s := range c.servers {
		c.connect(s)
	}
	if err := c.servers[0].raft.BootstrapCluster(raft.Configuration{Servers: members}).Error(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range c.servers {
			if s.raft != nil {
				c.stop(s)
			}
		}
	})
	return c
}

func (c *cluster) start(s *server) {
	c.t.Helper()
	store, err := Open(s.path, wal.Options{SegmentBytesMin: 64 << 10})
	if err != nil {
		c.t.Fatal(err)
	}
	s.store, s.machine = &watched{Store: store, stored: make(chan uint64, 1<<12)}, &machine{}
	_, s.transport = raft.NewInmemTransport(raft.ServerAddress(s.id))
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(s.path, 1, hclog.NewNullLogger())
	if err != nil {
		c.t.Fatal(err)
	}
	config := raft.DefaultConfig()
	config.LocalID, config.Logger = raft.ServerID(s.id), hclog.NewNullLogger()
	config.HeartbeatTimeout, config.ElectionTimeout, config.LeaderLeaseTimeout = 200*time.Millisecond, 200*time.Millisecond, 100*time.Millisecond
	config.CommitTimeout, config.TrailingLogs = 5*time.Millisecond, 2
	if s.raft, err = raft.NewRaft(config, s.machine, s.store, s.store, snapshots, s.transport); err != nil {
		c.t.Fatal(err)
	}
	s.raft.RegisterObserver(raft.NewObserver(c.changes, false, nil))
}

func (c *cluster) stop(s *server) {
	c.t.Helper()
	c.disconnect(s)
	if err := s.raft.Shutdown().Error(); err != nil {
		c.t.Error(err)
	}
	if err := s.store.Close(); err != nil {
		c.t.Error(err)
	}
	s.raft = nil
}

func (c *cluster) connect(s *server) {
	for _, other := range c.servers {
		if other != s && other.raft != nil {
			s.transport.Connect(raft.ServerAddress(other.id), other.transport)
			other.transport.Connect(raft.ServerAddress(s.id), s.transport)
		}
	}
}

func (c *cluster) disconnect(s *server) {
	s.transport.DisconnectAll()
	for _, other := range c.servers {
		if other != s && other.raft != nil {
			other.transport.Disconnect(raft.ServerAddress(s.id))
		}
	}
}

// leader waits for one that a majority follows, among those that may be it.
func (c *cluster) leader(except *server) *server {
	c.t.Helper()
	for {
		for _, s := range c.servers {
			if s.raft != nil && s != except && s.raft.State() == raft.Leader && s.raft.VerifyLeader().Error() == nil {
				return s
			}
		}
		select {
		case <-c.changes:
		case <-c.ctx.Done():
			c.t.Fatal("there is no leader")
		}
	}
}

// apply has the command committed; it may be applied more than once.
func (c *cluster) apply(except *server, command string) {
	c.t.Helper()
	for c.ctx.Err() == nil {
		if c.leader(except).raft.Apply([]byte(command), 0).Error() == nil {
			return
		}
	}
	c.t.Fatalf("%q was not committed", command)
}

// agree compares machines and logs of all servers.
func (c *cluster) agree(last string) {
	c.t.Helper()
	want := []string(nil)
	byIndex := map[uint64]raft.Log{}
	for i, s := range c.servers {
		s.machine.await(c.ctx, c.t, last)
		got := s.machine.commands()
		if i == 0 {
			want = got
		} else if !slices.Equal(got, want) {
			c.t.Errorf("%s applied %q, %s %q", s.id, got, c.servers[0].id, want)
		}
		low, _ := s.store.FirstIndex()
		high, _ := s.store.LastIndex()
		for index := low; index > 0 && index <= high; index++ {
			var l raft.Log
			if err := s.store.GetLog(index, &l); err != nil {
				continue // compacted meanwhile
			}
			if other, found := byIndex[index]; found && !same(&other, &l) {
				c.t.Errorf("entry %d of %s is %+v, elsewhere %+v", index, s.id, l, other)
			}
			byIndex[index] = l
		}
	}
}

// TestCluster has three servers, a leader that is cut off with entries nobody
// else has, which it must give up after its restart, and a follower so far behind that
// it needs a snapshot.
func TestCluster(t *testing.T) {
	c := newCluster(t)
	for i := range 20 {
		c.apply(nil, fmt.Sprint("common ", i))
	}
	c.agree("common 19")

	old := c.leader(nil)
	c.disconnect(old)
	before, _ := old.store.LastIndex()
	for i := range 5 {
		old.raft.Apply(fmt.Appendf(nil, "lost %d", i), 0)
	}
	for stored := uint64(0); stored <= before; { // until its own disk has one at least
		select {
		case stored = <-old.store.stored:
		case <-c.ctx.Done():
			t.Fatal("the leader stored nothing")
		}
	}
	for i := range 10 {
		c.apply(old, fmt.Sprint("won ", i))
	}
	c.stop(old)
	c.start(old)
	if last, _ := old.store.LastIndex(); last <= before {
		t.Fatalf("the restarted server has no entry of its own: %d", last)
	}
	c.connect(old)
	c.agree("won 9")
	old.store.mu.Lock()
	if !slices.ContainsFunc(old.store.deleted, func(d [2]uint64) bool { return d[0] > before }) {
		t.Errorf("its own entries were not removed: %v", old.store.deleted)
	}
	old.store.mu.Unlock()
	for _, s := range c.servers {
		if slices.ContainsFunc(s.machine.commands(), func(command string) bool { return command[:4] == "lost" }) {
			t.Errorf("%s applied what was never committed", s.id)
		}
	}

	leader := c.leader(nil)
	behind := c.servers[0]
	if behind == leader {
		behind = c.servers[1]
	}
	c.stop(behind)
	for i := range 30 {
		c.apply(behind, fmt.Sprint("later ", i))
	}
	for _, s := range c.servers {
		if s != behind {
			if err := s.raft.Snapshot().Error(); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.start(behind)
	c.connect(behind)
	c.apply(nil, "last")
	c.agree("last")
	if first, _ := behind.store.FirstIndex(); first <= before+30 {
		t.Errorf("the entries from %d on are kept: no snapshot was installed", first)
	}
}
