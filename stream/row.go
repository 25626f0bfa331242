package stream

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

// Versions of a row. Releases that know rowPlain only would misread the others: they
// would keep the logs of an intent for ever, and would look for that of an expired
// shard. What else was added since then they may leave out: closed_at and last of a
// closed shard.
const (
	rowPlain   = 1
	rowChanged = 2 // has an intent, or shards that expired
)

// state is where a stream is between creation and deletion.
type state string

const (
	stateCreating state = "creating"
	stateActive   state = "active"
	stateDeleting state = "deleting"
)

// row is one stream as the catalogue keeps it. Times are Unix nanoseconds,
// durations nanoseconds.
type row struct {
	Version        int           `json:"version"`
	ID             uint64        `json:"id"`
	Name           string        `json:"name"`
	State          state         `json:"state"`
	Created        int64         `json:"created"`
	Durability     string        `json:"durability"`
	SyncInterval   time.Duration `json:"sync_interval"`
	RetentionTime  time.Duration `json:"retention_time"`
	RetentionBytes int64         `json:"retention_bytes"`
	EnforceLimits  bool          `json:"enforce_limits,omitempty"`
	// Shards is indexed by shard id and only grows.
	Shards []shardRow `json:"shards"`
	// Intent is the shards that a split or merge under way is about to add.
	Intent []shardRow `json:"intent,omitempty"`

	// unsettled says that the logs of the intent may exist though nobody knows them.
	unsettled bool
}

// shardRow is one shard. The hash keys are decimal.
type shardRow struct {
	ID      record.ShardID   `json:"id"`
	Log     uint64           `json:"log"`
	Start   string           `json:"start"`
	End     string           `json:"end"`
	Created int64            `json:"created"`
	Closed  bool             `json:"closed,omitempty"`
	Parents []record.ShardID `json:"parents,omitempty"`
	// ClosedAt and Last, the sequence number of the last record, are of closed shards.
	ClosedAt int64  `json:"closed_at,omitempty"`
	Last     uint64 `json:"last,omitempty"`
	// Expired says that the log is gone, or is to go.
	Expired bool `json:"expired,omitempty"`
}

func newShardRow(id record.ShardID, part record.HashRange, created int64) shardRow {
	return shardRow{ID: id, Start: part.Start.String(), End: part.End.String(), Created: created}
}

func (s shardRow) hashRange() (record.HashRange, error) {
	start, err := record.ParseHashKey(s.Start)
	if err != nil {
		return record.HashRange{}, err
	}
	end, err := record.ParseHashKey(s.End)
	return record.HashRange{Start: start, End: end}, err
}

// logs returns the logs that belong to the row, whether they exist or not.
func (r *row) logs() []uint64 {
	return append(logsOf(r.Shards), logsOf(r.Intent)...)
}

// expiredLogs returns those of logs that are to go.
func (r *row) expiredLogs() []uint64 {
	var logs []uint64
	for i := range r.Shards {
		if r.Shards[i].Expired {
			logs = append(logs, r.Shards[i].Log)
		}
	}
	return logs
}

func logsOf(shards []shardRow) []uint64 {
	logs := make([]uint64, len(shards))
	for i := range shards {
		logs[i] = shards[i].Log
	}
	return logs
}

// live counts the shards that have a log; one that is to be does not count.
func (r *row) live() int { return len(r.Shards) - len(r.expiredLogs()) }

// copy returns a row that may be changed without changing r.
func (r *row) copy() *row {
	changed := *r
	changed.Shards, changed.Intent = slices.Clone(r.Shards), slices.Clone(r.Intent)
	return &changed
}

func putRow(streams *bbolt.Bucket, r *row) error {
	written := *r
	written.Version = rowPlain
	if len(r.Intent) > 0 || len(r.expiredLogs()) > 0 {
		written.Version = rowChanged
	}
	value, err := json.Marshal(written)
	if err != nil {
		return fmt.Errorf("stream: encode row %q: %w", r.Name, err)
	}
	return streams.Put([]byte(r.Name), value)
}

func decodeRow(name, value []byte) (*row, error) {
	// The version comes first and alone: a newer row need not parse otherwise.
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(value, &head); err != nil {
		return nil, failure.Wrap(failure.Corrupt, fmt.Sprintf("stream: catalogue row %q", name), err)
	}
	if err := checkVersion(fmt.Sprintf("row %q version", name), head.Version, rowChanged); err != nil {
		return nil, err
	}
	r := new(row)
	if err := json.Unmarshal(value, r); err != nil {
		return nil, failure.Wrap(failure.Corrupt, fmt.Sprintf("stream: catalogue row %q", name), err)
	}
	for i := range r.Shards {
		if err := r.checkShard(i); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// checkShard returns what cannot be about one shard of a row that was read.
func (r *row) checkShard(i int) error {
	s := &r.Shards[i]
	if s.ID != record.ShardID(i) {
		return failure.New(failure.Corrupt, "stream: catalogue", "row %q: shard %d stands at place %d", r.Name, s.ID, i)
	}
	if s.Expired && !s.Closed {
		return failure.New(failure.Corrupt, "stream: catalogue", "row %q: shard %d is open and has expired", r.Name, i)
	}
	return nil
}
