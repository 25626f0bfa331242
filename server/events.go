package server

import (
	"time"

	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

// observed returns the store's options with listeners that write the log and
// then call those that the configuration has.
func (s *Server) observed() stream.Options {
	o := s.config.Store
	o.Events = s.logEvents(o.Events)
	o.Listener = s.streamEvents(o.Listener)
	return o
}

// logEvents observes logs. Their events come with locks held, which the slog
// handler must live with: they are rare.
func (s *Server) logEvents(next wal.EventListener) wal.EventListener {
	log := s.config.Logger
	return wal.EventListener{
		SegmentRolled: func(id, segment uint64) {
			log.Debug("segment rolled", append(s.place(id), "segment", segment)...)
			if next.SegmentRolled != nil {
				next.SegmentRolled(id, segment)
			}
		},
		SyncStalled: func(id uint64, took time.Duration) {
			log.Warn("sync stalled", append(s.place(id), "dur", took)...)
			if next.SyncStalled != nil {
				next.SyncStalled(id, took)
			}
		},
		Poisoned: func(id uint64, err error) {
			log.Error("log takes no more records", append(s.place(id), "err", err)...)
			if next.Poisoned != nil {
				next.Poisoned(id, err)
			}
		},
		JournalLeft: func(err error) {
			log.Warn("journal left, logs sync their own segments", "err", err)
			if next.JournalLeft != nil {
				next.JournalLeft(err)
			}
		},
		SegmentDamaged: func(id, segment uint64, err error) {
			log.Error("segment damaged", append(s.place(id), "segment", segment, "err", err)...)
			if next.SegmentDamaged != nil {
				next.SegmentDamaged(id, segment, err)
			}
		},
		CompressFailed: func(id, segment uint64, err error) {
			log.Warn("segment not compressed", append(s.place(id), "segment", segment, "err", err)...)
			if next.CompressFailed != nil {
				next.CompressFailed(id, segment, err)
			}
		},
		Recovered: func(id uint64, report wal.Recovery) {
			log.Info("log recovered", append(s.place(id), "scanned", report.Scanned, "records", report.Records, "torn", report.Torn)...)
			if next.Recovered != nil {
				next.Recovered(id, report)
			}
		},
	}
}

// place names a log in the words of people. While the store is opening only its
// number is known.
func (s *Server) place(id uint64) []any {
	if store := s.Store(); store != nil {
		if at, ok := store.Locate(id); ok {
			return []any{"stream", at.Stream, "shard", at.Shard}
		}
	}
	return []any{"log", id}
}

// streamEvents observes streams.
func (s *Server) streamEvents(next stream.Listener) stream.Listener {
	log := s.config.Logger
	return stream.Listener{
		StreamCreated: func(name string, shards int) {
			log.Info("stream created", "stream", name, "shards", shards)
			if next.StreamCreated != nil {
				next.StreamCreated(name, shards)
			}
		},
		StreamDeleted: func(name string) {
			log.Info("stream deleted", "stream", name)
			if next.StreamDeleted != nil {
				next.StreamDeleted(name)
			}
		},
		ShardUnavailable: func(name string, shard record.ShardID, err error) {
			log.Error("shard unavailable", "stream", name, "shard", shard, "err", err)
			if next.ShardUnavailable != nil {
				next.ShardUnavailable(name, shard, err)
			}
		},
		RetentionFailed: func(name string, shard record.ShardID, err error) {
			log.Warn("retention failed", "stream", name, "shard", shard, "err", err)
			if next.RetentionFailed != nil {
				next.RetentionFailed(name, shard, err)
			}
		},
	}
}
