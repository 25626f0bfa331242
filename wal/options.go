package wal

import (
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// Backend chooses how segments are read, and where they live. All backends
// write the same bytes.
type Backend uint8

const (
	// BackendMmap stores with pwrite and reads through a mapping. The default.
	BackendMmap Backend = iota
	// BackendPread stores with pwrite and reads with pread into buffers: for
	// copy-on-write file systems and containers with little memory.
	BackendPread
	// BackendHeap reads the memory of a heap file system (vfs.Memory): for the
	// race detector, which cannot see mapped memory, and for simulated crashes.
	BackendHeap
)

// Store chooses how bytes reach a segment.
type Store uint8

const (
	// StoreAuto is the default: StoreStaged for logs that sync, StoreDirect for
	// logs with record.None, unless the backend is BackendPread. See
	// docs/design/0002 and 0012.
	StoreAuto Store = iota
	// StoreStaged gathers frames in buffers and writes each buffer with one
	// pwrite.
	StoreStaged
	// StoreMapped gathers too, and copies the buffers into a writable mapping.
	// It is accepted only with BackendMmap, and is slow with fdatasync: it is here
	// to be measured.
	StoreMapped
	// StoreDirect puts each frame at its place before the append returns, small
	// ones into a writable mapping. It is for logs with record.None; others are
	// staged.
	StoreDirect
)

// Options configure a directory of logs. The zero value is ready for use.
type Options struct {
	// FS is the file system. Default: vfs.OS().
	FS vfs.FS
	// Clock stamps records and paces syncs. Default: clock.System().
	Clock clock.Clock
	// Backend is how segments are read. Default: BackendMmap.
	Backend Backend
	// Store is how segments are written. Default: StoreAuto.
	Store Store
	// SegmentBytesMin is the capacity of a log's first segment; each roll of a
	// log that fills them fast makes it four times as large, up to
	// SegmentBytesMax. Defaults: 4 MiB and 256 MiB. A batch that needs more room
	// gets a segment of its own size.
	SegmentBytesMin int64
	SegmentBytesMax int64
	// SegmentAgeMax rolls a segment that holds records and is older.
	// Default: 1 hour. It is checked by appends, not by a timer.
	SegmentAgeMax time.Duration
	// StagingBytes is the size of one staging buffer; a busy log has up to
	// eight. Default: 1 MiB.
	StagingBytes int64
	// UnsyncedBytesMax makes appends wait when that many bytes of a log in
	// interval mode await their fdatasync. Default: 64 MiB.
	UnsyncedBytesMax int64
	// ProducersMax is how many idempotent producers a log remembers; the one
	// silent for longest is forgotten first. Default: 1024.
	ProducersMax int
	// SyncsMax is how many fdatasync calls run at once in the directory.
	// Default: 8.
	SyncsMax int
	// JournalLogs is how many logs with record.Group must be syncing at once for
	// their small commits to share one sync, by way of the directory's journal: see
	// docs/design/0015. With 1 they do so always. Default: 4.
	JournalLogs int
	// JournalBytes is the size of each of the two files of the journal, which are
	// made when it is first used; negative means that there is none.
	// Default: 128 MiB.
	JournalBytes int64
	// ScrubBytesPerSecond is how fast closed segments are read and verified in
	// the background, over and over, to find rot. Default: 0, not at all.
	ScrubBytesPerSecond int64
	// Compress is how segments are compressed in the background, once another one
	// was begun CompressAfter ago: see [Log.Compress]. Default: segment.CodecNone,
	// not at all. It may be changed from one opening to the next; what is compressed
	// stays as it is.
	Compress segment.Codec
	// CompressAfter is how long a segment stays as it was written after its successor
	// was begun. Readers that are not further behind than that map it. Default: 10 minutes.
	CompressAfter time.Duration
	// CompressBytesPerSecond is how fast compression goes. Every byte of a segment
	// counts three times: it is verified, compressed, and verified again.
	// Default: 64 MiB.
	CompressBytesPerSecond int64
	// Events are called at changes of state. Default: none.
	Events EventListener
	// Seed makes salts reproducible when it is not 0, for simulations.
	Seed uint64
}

// LogOptions configure one log.
type LogOptions struct {
	// Durability is what an acknowledgement of this log means.
	Durability record.Durability
	// SyncInterval is how long written bytes may stay unsynced with
	// record.Interval. Default: 100 ms.
	SyncInterval time.Duration
}

// EventListener receives what an operator may want to know. Its functions are
// called on the goroutine at work, some with locks held: they must return at
// once and must not call the log.
type EventListener struct {
	// SegmentRolled: a new segment became active.
	SegmentRolled func(log uint64, segment uint64)
	// SyncStalled: one fdatasync took longer than 100 ms.
	SyncStalled func(log uint64, took time.Duration)
	// Poisoned: a write or sync failed and the log takes no more appends.
	Poisoned func(log uint64, err error)
	// SegmentDamaged: the scrubber, or compression, met a closed segment that is not what was
	// written. It is told once for each opening of the directory, by either, and nothing
	// else comes of it.
	SegmentDamaged func(log, segment uint64, err error)
	// CompressFailed: a segment could not be compressed, for instance for want of
	// space. It stays as it is, and is tried again at the next round. A segment
	// that was found damaged on the way is told as SegmentDamaged.
	CompressFailed func(log, segment uint64, err error)
	// JournalLeft: the directory's journal met an error, for instance a full
	// disk, and logs sync their own segments until the directory is opened again.
	// No record is affected.
	JournalLeft func(err error)
	// Recovered: a log was opened after an unclean end.
	Recovered func(log uint64, report Recovery)
}

// Recovery says what opening a log found and did.
type Recovery struct {
	// Scanned is the bytes of unsealed segments that were verified.
	Scanned int64
	// Records is how many records those bytes held.
	Records uint64
	// Torn is the bytes behind the last good frame that were cut off as
	// the torn tail of a write that nobody was promised.
	Torn int64
}

const (
	syncIntervalDefault = 100 * time.Millisecond
	syncStall           = 100 * time.Millisecond
	segmentBytesLimit   = 1 << 34 // durable8 and the index count bytes/8 in 32 bits
)

// withDefaults fills the zero fields and rejects what cannot work.
func (o Options) withDefaults() (Options, error) {
	setDefault(&o.SegmentBytesMin, 4<<20)
	setDefault(&o.SegmentBytesMax, max(256<<20, o.SegmentBytesMin))
	setDefault(&o.SegmentAgeMax, time.Hour)
	setDefault(&o.StagingBytes, 1<<20)
	setDefault(&o.UnsyncedBytesMax, 64<<20)
	setDefault(&o.ProducersMax, 1024)
	setDefault(&o.SyncsMax, 8)
	setDefault(&o.JournalLogs, 4)
	setDefault(&o.JournalBytes, 128<<20)
	setDefault(&o.CompressAfter, 10*time.Minute)
	setDefault(&o.CompressBytesPerSecond, 64<<20)
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	switch {
	case o.SegmentBytesMin < 16<<10 || o.SegmentBytesMax > segmentBytesLimit || o.SegmentBytesMax < o.SegmentBytesMin:
		return o, failure.New(failure.InvalidArgument, "wal options",
			"segment bytes must satisfy 16 KiB <= min (%d) <= max (%d) <= 16 GiB", o.SegmentBytesMin, o.SegmentBytesMax)
	case o.StagingBytes < 4<<10 || o.UnsyncedBytesMax < o.StagingBytes:
		return o, failure.New(failure.InvalidArgument, "wal options",
			"staging bytes (%d) must be at least 4 KiB and at most unsynced bytes max (%d)", o.StagingBytes, o.UnsyncedBytesMax)
	case o.ProducersMax < 1 || o.SyncsMax < 1 || o.SegmentAgeMax < 0 || o.ScrubBytesPerSecond < 0:
		return o, failure.New(failure.InvalidArgument, "wal options", "limits must be positive")
	case o.Compress > segment.CodecZstd || o.CompressAfter < 0 || o.CompressBytesPerSecond < 0:
		return o, failure.New(failure.InvalidArgument, "wal options",
			"compression by codec %d after %v at %d bytes a second cannot be", o.Compress, o.CompressAfter, o.CompressBytesPerSecond)
	case o.JournalLogs < 1 || o.JournalBytes > 0 && (o.JournalBytes < 64<<10 || o.JournalBytes > 1<<30 || o.JournalBytes%pageSize != 0):
		return o, failure.New(failure.InvalidArgument, "wal options",
			"journal logs (%d) must be positive, and journal bytes (%d) whole pages from 64 KiB to 1 GiB, or negative", o.JournalLogs, o.JournalBytes)
	case o.Store == StoreMapped && o.Backend != BackendMmap:
		return o, failure.New(failure.InvalidArgument, "wal options", "the mapped store needs the mmap backend")
	case o.Backend > BackendHeap || o.Store > StoreDirect:
		return o, failure.New(failure.InvalidArgument, "wal options", "unknown backend %d or store %d", o.Backend, o.Store)
	}
	return o, nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
