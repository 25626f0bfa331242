package wal

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// Log is one append-only sequence of records, kept in segments. Its methods
// may be called concurrently.
//
// An append places its frame into the staging buffer under mu, which decides
// its sequence number, and then waits until a commit has written the buffer; if
// the log stores directly, there is no buffer, and the frame is where it belongs. A
// commit is run by whoever finds that none is running: the appender itself,
// without any hand-over, when it is alone, and a goroutine that lives as long
// as there is more to write otherwise.
type Log struct {
	id      uint64
	dir     *Dir
	options LogOptions
	direct  bool // frames are stored by their appends: see direct.go
	ownsDir bool // opened by Open: closing it closes the directory

	mu          sync.Mutex // guards the fields down to the blank line
	refused     error      // why appends fail: closed, poisoned, damaged, read-only
	closed      bool
	next        uint64 // sequence number of the record to come
	lastTime    int64  // arrival of the newest record
	stamper     clock.Stamper
	nextID      uint64 // id of the segment to come
	tail        *tail  // where the next frame goes; nil before the first append and after Seal
	fill        *stage // being filled; nil when there is nothing in it
	queue       []*stage
	staged      int      // stages that are filled, queued or being written
	wide        bool     // stages take wide buffers: small ones filled up lately
	loose       int64    // bytes stored directly since the last commit looked
	idle        []*stage // to be used again; at most stagesMax
	committing  bool     // a commit is running or about to
	wantSync    bool     // the next commit must sync whatever the mode
	sealAsked   *tail    // the next commit must seal this one if it is still active
	syncAsked   bool     // the next commit must sync the segment itself
	behind      []*tail  // left segments that wait for their sync, oldest first
	waiters     []*waiter
	stalled     bool         // the commit takes long: who waits looks at its context
	woken       []*waiter    // whom the last commit has woken; of the goroutine that commits
	released    int          // waiters that the last wake-up let go
	syncUsual   atomic.Int64 // ns, smoothed; two syncs at once may lose one of their times
	comeback    comeback
	producers   producerTable
	spare       *spare
	spares      uint64        // made so far: their files must not share a name
	preparing   chan struct{} // not nil while somebody makes the spare; closed when done
	syncTimer   clock.Timer
	idleTimer   clock.Timer
	behindTimer clock.Timer
	settling    bool   // what is behind is being synced in the background
	promised    uint64 // record the last SYNC frame promised, so that one follows each burst
	capacity    int64  // of the segment to come
	salt        atomic.Uint32
	commits     sync.WaitGroup // goroutines of this log; Close waits for them
	ending      chan struct{}  // closed when Close begins

	// Of the running commit: one goroutine at a time owns them.
	active      *tail // the tail whose segment is the last in the list
	scratch     []*stage
	stall       *time.Timer // calls stalls
	unstall     func()      // stops that, or waits for its end
	unsynced    int64       // bytes of the active segment written since its last sync
	writtenBack int64       // offset up to which write-back was begun
	pacing      atomic.Bool // a goroutine is at it

	// Read without mu, stored with mu held.
	written  atomic.Uint64 // last record that reached the kernel
	durable  atomic.Uint64 // last record that reached the device
	segments atomic.Pointer[[]*segment.Segment]
	first    atomic.Uint64
	ended    atomic.Bool // closed: refused is errClosed

	tailMu      sync.Mutex // guards tailCursors; taken after mu
	tailCursors []*Cursor
	tailWaiting atomic.Int32
	damage      error // what a reader meets at the end of a damaged log

	witness *witness // nil for a log that syncs before it acknowledges
	calm    bool     // the last process left nothing in doubt; during recover

	trimMu    sync.Mutex    // one change of the closed segments at a time; taken before behindMu
	behindMu  sync.Mutex    // one sync of what is behind at a time; taken before mu
	behindErr error         // guarded by behindMu: why it failed, for good
	hurry     atomic.Int32  // who waits for such a sync
	hasten    chan struct{} // capacity 1: somebody has come

	stats counters
}

// tail is the writing side of one segment.
type tail struct {
	segment *segment.Segment
	name    string
	off     int64 // where the next frame goes
	totals  segment.Totals
	ready   int64 // direct: pages before it were populated
	durable int64 // offset known durable; stored under mu
	// Of the running commit: the end of the frames that were written, and of the
	// zeroes ahead of them (see ahead.go).
	stored, blank int64
	// Set when the tail is left and its segment will not grow any more.
	producers []byte // the table at the end of the segment
	next      uint64 // sequence number behind the segment
	lastTime  int64
	footer    int64 // its offset, once written
	unsynced  int64 // bytes that wait for the sync, while it is behind
	successor *tail // the segment behind it, not in the MANIFEST before that sync
	room      int64 // promised in the manifest for the edits of its seal
	// Of the journal: bytes of the segment are durable in its files only; how often
	// the segment itself was synced since (both stored under mu); and the newest of
	// these files (guarded by the journal's lock).
	journaled  bool
	synced     uint64
	generation uint64
}

// stage is one staging buffer and where it goes.
type stage struct {
	tail   *tail
	off    int64 // of the buffer's first byte in the segment
	buffer []byte
	used   int
	next   uint64 // sequence number behind the last record in it
}

// counters are the totals behind Stats. Those of appends are plain: an append
// holds mu anyway.
type counters struct {
	appends, records, bytes      uint64 // guarded by mu
	syncs, syncNanos, syncStalls atomic.Uint64
	syncBegan                    atomic.Int64 // of one at work: nanoseconds after the directory was opened; 0 = none
	journaled                    atomic.Uint64
	scrubbed, damaged            atomic.Uint64
	unsynced                     int64 // guarded by mu: at the end of the last commit
	readOnly                     atomic.Bool
}

// Stats is a snapshot of a log. Totals count since it was opened.
type Stats struct {
	// First is the oldest sequence number kept, Next the one of the record to
	// come, Written and Durable the newest that reached the kernel and the
	// device.
	First, Next, Written, Durable uint64
	// Bytes is the frames kept, Segments the files they are in, Compressed how many
	// of those are compressed, and StoredBytes what the frames take in the files.
	Bytes       int64
	StoredBytes int64
	Segments    int
	Compressed  int
	// Appends, Records and AppendedBytes count what was appended; Syncs and
	// SyncTime the fdatasync calls. One of the journal counts for one of the logs
	// that share it.
	Appends, Records, AppendedBytes, Syncs uint64
	SyncTime                               time.Duration
	// JournaledCommits counts the commits that a sync of the directory's journal
	// made durable, together with those of other logs.
	JournaledCommits uint64
	// SyncStalls counts the fdatasync calls that took longer than 100 ms.
	SyncStalls uint64
	// SyncRunning is how long an fdatasync that is at work now has taken so far: a
	// device that hangs shows here, and nowhere else.
	SyncRunning time.Duration
	// ScrubbedBytes is what the scrubber has read, DamagedSegments how many
	// closed segments it found damaged.
	ScrubbedBytes, DamagedSegments uint64
	// UnsyncedBytes were written but may be lost with the power.
	UnsyncedBytes int64
	// ReadOnly says that the log takes no appends because a write or a sync
	// failed or because it is damaged: Err has the reason.
	ReadOnly bool
}

func newLog(d *Dir, id uint64, o LogOptions) *Log {
	l := &Log{
		id: id, dir: d, options: o, capacity: d.options.SegmentBytesMin,
		producers: newProducerTable(d.options.ProducersMax),
		direct:    d.options.storesDirectly(o.Durability),
		stamper:   clock.NewStamper(d.options.Clock),
		hasten:    make(chan struct{}, 1),
		ending:    make(chan struct{}),
	}
	l.segments.Store(&[]*segment.Segment{})
	return l
}

// Next returns the sequence number that follows the newest visible record. What a
// cursor has shown is before it, and what is before it a cursor will show: the
// marks and the end of what is readable change together, under the lock.
func (l *Log) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.visible() + 1
}

// Acknowledged reports, without waiting, whether an append is as durable as the log
// promises. It says nothing of one that was to be safer than that.
func (l *Log) Acknowledged(p Pending) bool { return l.visible() >= p.Range.Last }

// visible returns the newest record that readers may see: with record.Group a
// durable one, so that nobody acts on what a power cut could take back.
func (l *Log) visible() uint64 {
	if l.options.Durability == record.Group {
		return l.durable.Load()
	}
	return l.written.Load()
}

// Durability returns what an acknowledgement of this log means.
func (l *Log) Durability() record.Durability { return l.options.Durability }

// Stats returns a snapshot.
func (l *Log) Stats() Stats {
	segments := *l.segments.Load()
	s := Stats{
		First: l.first.Load(), Segments: len(segments),
		Syncs: l.stats.syncs.Load(), SyncTime: time.Duration(l.stats.syncNanos.Load()),
		SyncStalls: l.stats.syncStalls.Load(), JournaledCommits: l.stats.journaled.Load(),
		ScrubbedBytes: l.stats.scrubbed.Load(), DamagedSegments: l.stats.damaged.Load(),
		ReadOnly: l.stats.readOnly.Load(),
	}
	if began := l.stats.syncBegan.Load(); began != 0 {
		s.SyncRunning = max(time.Since(l.dir.opened)-time.Duration(began-1), 0)
	}
	l.mu.Lock()
	s.Next, s.Written, s.Durable = l.visible()+1, l.written.Load(), l.durable.Load()
	s.Appends, s.Records, s.AppendedBytes = l.stats.appends, l.stats.records, l.stats.bytes
	s.UnsyncedBytes = l.stats.unsynced + l.loose
	l.mu.Unlock()
	for _, segment := range segments {
		bytes := segment.Readable()
		s.Bytes += bytes
		if packing := segment.Header.Packing; packing.Codec != 0 {
			s.Compressed++
			bytes = packing.FileSize()
		}
		s.StoredBytes += bytes
	}
	return s
}

// Err returns why the log takes no appends, or nil: a [*CorruptionError], a
// failure.Poisoned or failure.Closed error.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// poisonLocked makes a failed write or sync final: after it nothing is known
// about the bytes since the last sync, and a retry would prove nothing.
func (l *Log) poisonLocked(err error) {
	if l.refused == nil {
		l.refused = failure.Wrap(failure.Poisoned, "wal", err)
		l.stats.readOnly.Store(true)
		if f := l.dir.options.Events.Poisoned; f != nil {
			f(l.id, err)
		}
	}
	for _, s := range l.queue {
		l.dropLocked(s)
	}
	l.queue = l.queue[:0]
	if l.fill != nil {
		l.dropLocked(l.fill)
		l.fill = nil
	}
	l.wakeLocked()
}

func (l *Log) dropLocked(s *stage) {
	l.dir.buffers.give(s.buffer)
	*s = stage{}
	l.idle = append(l.idle, s)
	l.staged--
}

// Seal ends the active segment with its index and footer, so that retention
// can drop it. The next append begins another one. On a full disk it fails with
// failure.NoSpace and changes nothing.
func (l *Log) Seal(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := l.leaveLocked(ctx)
	if err != nil {
		return err
	}
	if t == nil {
		return nil
	}
	l.sealAsked = t
	return l.awaitLocked(ctx, waitFor{sealed: t.segment})
}

// leaveLocked leaves the tail, if there is one, once its edits have room and no
// commit is making it the active one.
func (l *Log) leaveLocked(ctx context.Context) (*tail, error) {
	for {
		if l.refused != nil || l.tail == nil {
			return nil, l.refused
		}
		if l.direct && l.tail != l.active {
			if err := l.awaitLocked(ctx, waitFor{begun: l.tail}); err != nil {
				return nil, err
			}
			continue
		}
		room, ready, err := l.promiseLocked(0)
		if err != nil {
			return nil, err
		}
		if ready {
			return l.leaveTailLocked(room), nil
		}
	}
}

// Close writes and syncs what is staged, whatever the durability, seals the
// active segment if the disk has room for that, and releases everything. Appends that are waiting end first.
// It returns the error of the last sync; data acknowledged before is not
// affected by it. Close is idempotent.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.ending)
	refused := l.refused
	l.mu.Unlock()
	var err error
	if refused == nil {
		err = l.Seal(context.Background())
	}
	l.mu.Lock()
	if l.refused == nil {
		// A segment that was left earlier may still have stages in the queue.
		err = l.awaitLocked(context.Background(), waitFor{last: l.next - 1, durable: true})
	}
	if l.refused == nil && l.active != nil {
		err = errors.Join(err, l.checkpointLocked(l.active))
	}
	// Also after damage or a failed write: whoever waits at the tail of a closed
	// log must hear that it is closed.
	l.refused = errClosed
	l.ended.Store(true)
	for _, timer := range []clock.Timer{l.syncTimer, l.idleTimer, l.behindTimer} {
		if timer != nil && timer.Stop() {
			l.commits.Done()
		}
	}
	l.wakeLocked()
	l.mu.Unlock()
	l.wakeCursors()
	l.commits.Wait()
	l.release()
	l.dir.mu.Lock()
	delete(l.dir.open, l.id)
	l.dir.mu.Unlock()
	if l.ownsDir {
		err = errors.Join(err, l.dir.Close())
	}
	return err
}

// release lets go of all segments and of the spare.
func (l *Log) release() {
	if l.spare != nil {
		l.spare.discard(l.dir.options.FS)
		l.spare = nil
	}
	if l.tail != nil && l.tail != l.active {
		l.dir.unpin(l.tail.segment)
	}
	for _, s := range *l.segments.Swap(&[]*segment.Segment{}) {
		l.dir.unpin(s)
	}
}

// batchBytesMax is the largest payload of one frame.
const batchBytesMax = protocol.FrameLengthMax - protocol.FrameHeaderSize
