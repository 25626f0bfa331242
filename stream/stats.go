package stream

import (
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
)

// Stats is a snapshot of all streams, sorted by name.
type Stats struct {
	Streams []StreamStats
	// Unavailable is how many shards could not be opened.
	Unavailable int
	// OrphanLogs is how many logs belong to no stream.
	OrphanLogs int
}

// StreamStats is a snapshot of one stream.
type StreamStats struct {
	Name       string
	Durability record.Durability
	Shards     []ShardStats // those that are available
}

// ShardStats is what one shard counts. The counters start at 0 when the store
// is opened.
type ShardStats struct {
	ID    record.ShardID
	Shard shard.Stats
	// ReadRecords and ReadBytes were counted by CountRead.
	ReadRecords uint64
	ReadBytes   uint64
}

// Stats returns a snapshot.
func (s *Store) Stats() Stats {
	stats := Stats{OrphanLogs: len(s.orphans)}
	for _, each := range s.all() {
		v := each.view.Load()
		of := StreamStats{Name: v.config.Name, Durability: v.config.Durability}
		for i := range v.shards {
			at := &v.shards[i]
			if at.shard == nil {
				if !at.expired {
					stats.Unavailable++
				}
				continue
			}
			of.Shards = append(of.Shards, ShardStats{
				ID:          at.options.ID,
				Shard:       at.shard.Stats(),
				ReadRecords: at.reads.records.Load(),
				ReadBytes:   at.reads.bytes.Load(),
			})
		}
		stats.Streams = append(stats.Streams, of)
	}
	return stats
}
