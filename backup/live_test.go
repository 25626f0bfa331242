package backup_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/backup"
	"github.com/millrace-io/millrace/backup/store/directory"
	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/millracetest"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/server"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shardKey names one shard.
type shardKey struct {
	stream string
	shard  record.ShardID
}

// model is what producers were told.
type model struct {
	mu      sync.Mutex
	content map[shardKey]map[uint64]string
	acked   map[shardKey]uint64 // the newest acknowledged record
	total   int
	grown   sync.Cond // total has changed; L is mu
}

func newModel() *model {
	m := &model{content: make(map[shardKey]map[uint64]string), acked: make(map[shardKey]uint64)}
	m.grown.L = &m.mu
	return m
}

// await returns when that many records more are acknowledged.
func (m *model) await(ctx context.Context, more int) {
	defer context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.grown.Broadcast()
	})()
	m.mu.Lock()
	defer m.mu.Unlock()
	for until := m.total + more; m.total < until && ctx.Err() == nil; {
		m.grown.Wait()
	}
}

func (m *model) note(stream string, at client.Position, data string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := shardKey{stream, at.Shard}
	if m.content[k] == nil {
		m.content[k] = make(map[uint64]string)
	}
	m.content[k][at.Sequence] = data
	m.acked[k] = max(m.acked[k], at.Sequence)
	m.total++
	m.grown.Broadcast()
}

func (m *model) acknowledged() map[shardKey]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.acked)
}

// check opens a restored directory: every shard is contiguous, holds what was
// sent, and ends behind what was acknowledged.
func (m *model) check(dir string, acked map[shardKey]uint64) error {
	s, err := stream.Open(dir, stream.Options{Options: wal.Options{Backend: wal.BackendPread}, RetentionInterval: -1})
	if err != nil {
		return err
	}
	defer s.Close()
	if damage := s.Damage(); len(damage) > 0 || len(s.OrphanLogs()) > 0 || s.Stats().Unavailable > 0 {
		return fmt.Errorf("damage %v, orphans %v, %d shards unavailable", damage, s.OrphanLogs(), s.Stats().Unavailable)
	}
	for k, last := range acked {
		if err := m.checkShard(s, k, last); err != nil {
			return fmt.Errorf("%v: %w", k, err)
		}
	}
	return nil
}

func (m *model) checkShard(s *stream.Store, k shardKey, acked uint64) error {
	found, err := s.Stream(k.stream)
	if err != nil {
		return err
	}
	at, err := found.Shard(k.shard)
	if err != nil {
		return err
	}
	c, err := at.Cursor(record.TrimHorizon())
	if err != nil {
		return err
	}
	defer c.Close()
	last := uint64(0)
	for c.TryNext() {
		v := c.View()
		if last != 0 && v.Sequence != last+1 {
			return fmt.Errorf("%d follows %d", v.Sequence, last)
		}
		last = v.Sequence
		if want := m.content[k][last]; want != string(v.Data) {
			return fmt.Errorf("record %d is %.20q, want %.20q", last, v.Data, want)
		}
	}
	if c.Err() != nil || last < acked {
		return fmt.Errorf("it ends at %d, and %d was acknowledged: %w", last, acked, c.Err())
	}
	return nil
}

// write puts records of a stream until ctx ends.
func (m *model) write(ctx context.Context, t *testing.T, c *client.Client, name string) {
	for n := 0; ctx.Err() == nil; n++ {
		batch := make([]record.Record, 1+n%7)
		for i := range batch {
			data := fmt.Sprintf("%s %d %d %s", name, n, i, strings.Repeat("x", n*37%900))
			batch[i] = record.Record{PartitionKey: fmt.Sprint(n, i), Data: []byte(data)}
		}
		// Not with ctx: what is under way is acknowledged, or the model lacks it.
		results, err := c.PutBatch(context.WithoutCancel(ctx), name, batch)
		if err != nil {
			t.Error(err)
			return
		}
		for i, r := range results {
			m.note(name, r.Position, string(batch[i].Data))
		}
	}
}

// churn creates and deletes streams until ctx ends.
func (m *model) churn(ctx context.Context, t *testing.T, c *client.Client) {
	const burst, pause = 4, 400 // streams, and records between: a snapshot needs a moment without changes
	for n := 1; ctx.Err() == nil; n++ {
		if n%burst == 0 {
			m.await(ctx, pause)
		}
		name := fmt.Sprintf("brief-%d", n)
		work := context.WithoutCancel(ctx)
		if _, err := c.CreateStream(work, client.StreamConfig{Name: name, Shards: 2}); err != nil {
			t.Error(err)
			return
		}
		if _, err := c.Put(work, name, record.Record{PartitionKey: "k", Data: []byte("x")}); err != nil {
			t.Error(err)
			return
		}
		if err := c.DeleteStream(work, name); err != nil {
			t.Error(err)
			return
		}
	}
}

// A server writes, rolls, trims, creates and deletes streams; backups are taken
// meanwhile, and each restores to everything that was acknowledged before it.
func TestBackupOfALiveServer(t *testing.T) {
	backends := map[string]wal.Backend{"mmap": wal.BackendMmap, "pread": wal.BackendPread}
	if raceEnabled {
		delete(backends, "mmap") // the race detector does not see mapped memory
	}
	for name, backend := range backends {
		t.Run(name, func(t *testing.T) { backupLive(t, backend) })
	}
}

func backupLive(t *testing.T, backend wal.Backend) {
	s := millracetest.New(t, func(c *server.Config) {
		c.Store.Backend = backend
		c.Store.SegmentBytesMin, c.Store.SegmentBytesMax = 64<<10, 64<<10
		c.Store.RetentionInterval = 5 * time.Millisecond
	})
	c, err := client.New(t.Context(), s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	streams := []client.StreamConfig{
		{Name: "group", Shards: 2},
		{Name: "interval", Durability: record.Interval},
		{Name: "none", Durability: record.None},
		{Name: "trimmed", Durability: record.None, RetentionBytes: 200 << 10},
	}
	m := newModel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writers sync.WaitGroup
	defer writers.Wait()
	for _, config := range streams {
		if _, err := c.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		writers.Go(func() { m.write(ctx, t, c, config.Name) })
	}
	writers.Go(func() { m.churn(ctx, t, c) })

	type taken struct {
		name  string
		acked map[shardKey]uint64
	}
	var backups []taken
	to := directory.Open(filepath.Join(t.TempDir(), "store"))
	sent, files, trimmed := 0, 0, false
	for len(backups) < 6 {
		m.await(t.Context(), 1500)
		acked := m.acknowledged()
		made, err := backup.Create(t.Context(), s.Directory, to, backup.Options{})
		if errors.Is(err, failure.Conflict) {
			t.Logf("taken again: %v", err) // all tries met a change
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(made.Damaged()) > 0 {
			t.Errorf("damaged: %v", made.Damaged())
		}
		sent, files = sent+made.Sent, files+len(made.Files)
		for _, l := range made.Logs {
			trimmed = trimmed || l.First > 1
		}
		t.Logf("%s: %d files, %d records, %d objects sent", made.Name, len(made.Files), made.Records, made.Sent)
		backups = append(backups, taken{made.Name, acked})
	}
	stop()
	writers.Wait()
	for i, b := range backups {
		dir := filepath.Join(t.TempDir(), "restored")
		if _, err := backup.Restore(t.Context(), to, b.name, dir, backup.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := m.check(dir, b.acked); err != nil {
			t.Errorf("backup %d, %s: %v", i, b.name, err)
		}
		// The checker is not asleep: it misses what came later.
		if err := m.check(dir, m.acked); i == 0 && err == nil {
			t.Error("a backup holds what was written after it")
		}
	}
	if !trimmed || sent >= files {
		t.Errorf("retention at work: %v; %d objects sent for %d files", trimmed, sent, files)
	}
}
