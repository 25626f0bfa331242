package millrace

import (
	"time"

	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

// Options configure an engine. The zero value is ready for use.
type Options struct {
	// Backend is how segments are read. Default: BackendMmap.
	Backend Backend
	// SegmentBytesMin is the size of a shard's first segment; each next one is
	// four times as large if it fills fast, up to SegmentBytesMax. Retention removes whole segments.
	// Defaults: 4 MiB and 256 MiB.
	SegmentBytesMin int64
	SegmentBytesMax int64
	// SegmentAgeMax ends a segment that is older. Default: 1 hour.
	SegmentAgeMax time.Duration
	// Compress is how segments are compressed in the background when the next one was
	// begun CompressAfter ago. Default: CodecNone, not at all, and 10 minutes.
	Compress      Codec
	CompressAfter time.Duration
	// SyncsMax is how many fdatasync calls may run at once. Default: 8.
	SyncsMax int
	// ShardsPerStreamMax bounds the shards of one stream. Default: 1,024.
	ShardsPerStreamMax int
	// ShardsMax bounds the shards of the engine. Default: 10,000.
	ShardsMax int
	// RetentionInterval is the pause between two rounds of retention. Default:
	// 1 minute. Negative: only EnforceRetention removes anything.
	RetentionInterval time.Duration
	// Limits are the write limits of each shard of a stream created with
	// EnforceLimits. Default: those of Kinesis, 1 MiB and 1,000 records a second.
	Limits Limits
}

func (o Options) store() stream.Options {
	return stream.Options{
		Options: wal.Options{
			Backend:         o.Backend,
			SegmentBytesMin: o.SegmentBytesMin,
			SegmentBytesMax: o.SegmentBytesMax,
			SegmentAgeMax:   o.SegmentAgeMax,
			Compress:        o.Compress,
			CompressAfter:   o.CompressAfter,
			SyncsMax:        o.SyncsMax,
		},
		ShardsPerStreamMax: o.ShardsPerStreamMax,
		ShardsMax:          o.ShardsMax,
		RetentionInterval:  o.RetentionInterval,
		Limits:             o.Limits,
	}
}

// The values that flow through an engine, under one roof so that most embedders
// need one import.
type (
	// Record is what a producer writes: a partition key and data.
	Record = record.Record
	// View is a record as a reader sees it; Key and Data alias the log. See the
	// package documentation for how long they live.
	View = wal.View
	// Start is where in a shard reading begins.
	Start = record.Start
	// ShardID numbers the shards of a stream from 0.
	ShardID = record.ShardID
	// HashKey is where on the ring of shards a record belongs.
	HashKey = record.HashKey
	// Durability says what a returned Put means.
	Durability = record.Durability
	// StreamConfig describes a stream that is to be created.
	StreamConfig = stream.Config
	// Description is what there is to know about a stream.
	Description = stream.Description
	// Position is where a record came to stand.
	Position = stream.Position
	// Result is what became of one record of a batch.
	Result = stream.Result
	// Limits bound how fast a shard may be written.
	Limits = shard.Limits
	// Backend is how segments are read.
	Backend = wal.Backend
	// Codec is how segments are compressed.
	Codec = segment.Codec
)

// The durabilities of a stream, the backends and the codecs.
const (
	Group    = record.Group
	Interval = record.Interval
	None     = record.None

	BackendMmap  = wal.BackendMmap
	BackendPread = wal.BackendPread

	CodecNone = segment.CodecNone
	CodecS2   = segment.CodecS2
	CodecZstd = segment.CodecZstd

	// RetainForever as a retention time disables retention by time.
	RetainForever = stream.RetainForever
)

// TrimHorizon starts at the oldest record there is.
func TrimHorizon() Start { return record.TrimHorizon() }

// Latest starts behind the newest record.
func Latest() Start { return record.Latest() }

// AtSequence starts at the record of that number.
func AtSequence(sequence uint64) Start { return record.AtSequence(sequence) }

// AfterSequence starts behind the record of that number.
func AfterSequence(sequence uint64) Start { return record.AfterSequence(sequence) }

// AtTime starts at the first record that arrived at t or later.
func AtTime(t time.Time) Start { return record.AtTime(t) }
