package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/wal"
)

// Store is an opened data directory. Its methods may be called concurrently.
type Store struct {
	options   Options
	catalogue *catalogue
	logs      *wal.Dir
	retention *retention // nil when it is not run by the store
	orphans   []uint64

	// control serialises creation, deletion and closing. It is taken before
	// mutex.
	control sync.Mutex
	rows    map[string]*row // guarded by control
	shards  int             // guarded by control: the total of all rows
	closed  bool            // guarded by control

	mutex  sync.RWMutex
	byName map[string]*Stream // guarded by mutex
	byID   map[uint64]*Stream // guarded by mutex
	names  []string           // guarded by mutex; sorted

	places sync.Map // log id -> Place; apart from mutex, for event listeners
}

// Place names the shard that a log belongs to.
type Place struct {
	Stream string
	Shard  record.ShardID
}

// Open opens the streams of a data directory, creating it if need be, and
// finishes what a crash interrupted. Only one process can have it open.
func Open(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := vfs.OS().MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("stream: open %s: %w", dir, err)
	}
	logs, err := wal.OpenDir(dir, o.Options)
	if err != nil {
		return nil, err
	}
	records, err := openCatalogue(dir)
	if err != nil {
		return nil, errors.Join(err, logs.Close())
	}
	s := &Store{
		options:   o,
		catalogue: records,
		logs:      logs,
		rows:      make(map[string]*row),
		byName:    make(map[string]*Stream),
		byID:      make(map[uint64]*Stream),
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if o.RetentionInterval > 0 {
		s.retention = startRetention(s)
	}
	return s, nil
}

// recover brings catalogue and logs to one state and opens the streams.
func (s *Store) recover() error {
	rows, err := s.catalogue.load()
	if err != nil {
		return err
	}
	unclaimed := make(map[uint64]bool)
	for _, id := range s.logs.Logs() {
		unclaimed[id] = true
	}
	var active []*row
	for _, r := range rows {
		for _, id := range r.logs() {
			delete(unclaimed, id)
		}
		if r.State != stateActive {
			if err := s.erase(r); err != nil {
				return err
			}
			continue
		}
		if err := s.settle(r); err != nil {
			return err
		}
		active = append(active, r)
	}
	for id := range unclaimed {
		s.orphans = append(s.orphans, id)
	}
	slices.Sort(s.orphans)
	if n := len(s.orphans); n > 0 {
		if err := s.catalogue.skipLogs(s.orphans[n-1]); err != nil {
			return err
		}
	}
	return s.openRows(active)
}

// openRows opens all shards of all rows, many at a time: recovery of a log
// waits for its device.
func (s *Store) openRows(rows []*row) error {
	type opening struct {
		view  *view
		shard int
	}
	var openings []opening
	for _, r := range rows {
		opened, err := s.newStream(r)
		if err != nil {
			return err
		}
		for i := range r.Shards {
			if !r.Shards[i].Expired {
				openings = append(openings, opening{opened.view.Load(), i})
			}
		}
		s.rows[r.Name] = r
		s.shards += r.live()
		s.publish(opened)
	}
	parallel(len(openings), func(i int) {
		s.openShard(openings[i].view, openings[i].shard)
	})
	return nil
}

// settle finishes what a crash, or a failure, left of the changes of a stream's
// shards: it undoes an intent and removes the logs of expired shards.
func (s *Store) settle(r *row) error {
	if err := s.removeLogs(r.expiredLogs()); err != nil {
		return err
	}
	return s.abandon(r)
}

// openShard opens one shard of a view that nobody else sees yet, or leaves the
// reason why not in its place.
func (s *Store) openShard(of *view, i int) {
	entry := &of.shards[i]
	log, err := s.openLog(&of.config, entry.log, entry.options.ID)
	if err == nil {
		entry.shard = shard.New(log, entry.options)
		return
	}
	entry.err = &failure.Error{
		Kind:      failure.KindOf(err),
		Operation: "stream: open shard",
		Stream:    of.config.Name,
		Shard:     entry.options.ID.String(),
		Err:       err,
	}
	if tell := s.options.Listener.ShardUnavailable; tell != nil {
		tell(of.config.Name, entry.options.ID, err)
	}
}

// openLog opens the log of a shard.
func (s *Store) openLog(c *Config, log uint64, id record.ShardID) (*wal.Log, error) {
	s.places.Store(log, Place{c.Name, id})
	return s.logs.OpenLog(log, wal.LogOptions{Durability: c.Durability, SyncInterval: c.SyncInterval})
}

// publish makes a stream visible to lookups.
func (s *Store) publish(opened *Stream) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	name := opened.name
	s.byName[name], s.byID[opened.id] = opened, opened
	if at, found := slices.BinarySearch(s.names, name); !found {
		s.names = slices.Insert(s.names, at, name)
	}
}

// withdraw is the reverse of publish.
func (s *Store) withdraw(gone *Stream) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	name := gone.name
	delete(s.byName, name)
	delete(s.byID, gone.id)
	if at, found := slices.BinarySearch(s.names, name); found {
		s.names = slices.Delete(s.names, at, at+1)
	}
}

// Stream returns the stream of that name.
func (s *Store) Stream(name string) (*Stream, error) {
	s.mutex.RLock()
	found := s.byName[name]
	s.mutex.RUnlock()
	if found == nil {
		return nil, notFound(name)
	}
	return found, nil
}

// StreamByID returns the stream with that id.
func (s *Store) StreamByID(id uint64) (*Stream, error) {
	s.mutex.RLock()
	found := s.byID[id]
	s.mutex.RUnlock()
	if found == nil {
		return nil, failure.New(failure.NotFound, "stream: look up", "no stream has the id %d", id)
	}
	return found, nil
}

func notFound(name string) error {
	err := failure.New(failure.NotFound, "stream: look up", "no such stream")
	err.Stream = name
	return err
}

// List returns up to limit stream names that sort after the given one, in
// order, and whether there are more.
func (s *Store) List(after string, limit int) (names []string, more bool) {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	at, found := slices.BinarySearch(s.names, after)
	if found {
		at++
	}
	end := min(at+max(limit, 0), len(s.names))
	return slices.Clone(s.names[at:end]), end < len(s.names)
}

// Locate names the shard that a log belongs to. Unlike the other methods it
// may be called from a wal.EventListener.
func (s *Store) Locate(log uint64) (Place, bool) {
	place, ok := s.places.Load(log)
	if !ok {
		return Place{}, false
	}
	return place.(Place), true
}

// OrphanLogs returns the logs that no stream of the catalogue owned when the
// store was opened.
func (s *Store) OrphanLogs() []uint64 { return slices.Clone(s.orphans) }

// Damage returns an error for every shard that could not be opened, or that
// takes no records because its log is damaged or met an I/O error.
func (s *Store) Damage() []error {
	var damage []error
	for _, each := range s.all() {
		v := each.view.Load()
		for i := range v.shards {
			if err := v.shards[i].fault(); err != nil {
				damage = append(damage, err)
			}
		}
	}
	return damage
}

func (e *entry) fault() error {
	switch {
	case e.expired:
		return nil
	case e.shard == nil:
		return e.err
	default:
		return e.shard.Err()
	}
}

// all returns the streams in the order of their names.
func (s *Store) all() []*Stream {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	streams := make([]*Stream, len(s.names))
	for i, name := range s.names {
		streams[i] = s.byName[name]
	}
	return streams
}

// Close stops retention, makes everything acknowledged durable as far as its
// stream promises, and closes the logs. What is in flight fails with
// failure.Closed.
func (s *Store) Close() error {
	if s.retention != nil {
		s.retention.stop()
	}
	s.control.Lock()
	defer s.control.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var shards []*shard.Shard
	for _, each := range s.all() {
		v := each.view.Load()
		for i := range v.shards {
			if opened := v.shards[i].shard; opened != nil {
				shards = append(shards, opened)
			}
		}
	}
	failed := make([]error, len(shards))
	parallel(len(shards), func(i int) { failed[i] = shards[i].Close() })
	return errors.Join(errors.Join(failed...), s.logs.Close(), s.catalogue.close())
}

// usable reports whether control operations may go on. The caller holds control.
func (s *Store) usable(ctx context.Context) error {
	if s.closed {
		return failure.New(failure.Closed, "stream", "the store is closed")
	}
	return ctx.Err()
}

// parallel calls work with 0 to n-1 from a bounded number of goroutines and
// returns when all calls have.
func parallel(n int, work func(i int)) {
	next := make(chan int)
	var group sync.WaitGroup
	for range min(n, opensMax) {
		group.Go(func() {
			for i := range next {
				work(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
}
