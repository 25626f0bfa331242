package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Durability is the class of promise that an acknowledgement makes. Figures of
// different classes are never compared.
type Durability string

const (
	// Group means that the device has the record (fdatasync or the like has returned).
	Group Durability = "group"
	// Interval means that the device gets it within a bounded time.
	Interval Durability = "interval"
	// None means that the record is with the kernel, or where the peer's fastest setting
	// leaves it; the peer's Notes say where.
	None Durability = "none"
)

// Config is what a session is opened with: the same for us and all peers.
type Config struct {
	// Dir is an empty directory, or that of an earlier session to be opened
	// again. The session keeps all its files below it.
	Dir string `json:"dir"`
	// Durability of every acknowledgement.
	Durability Durability `json:"durability"`
	// Shards is how many independent ordered sequences there shall be (topics
	// times partitions). Default 1.
	Shards int `json:"shards"`
	// RecordBytes is the size of the records to come, for peers that size
	// buffers by it.
	RecordBytes int `json:"record_bytes"`
	// Writers is how many goroutines will call Append at once.
	Writers int `json:"writers"`
	// Reopen says that Dir holds the data of an earlier session.
	Reopen bool `json:"reopen"`
	// Options are settings of one target only, by name.
	Options map[string]string `json:"options,omitempty"`
}

// About describes a target for reports.
type About struct {
	// Name is short and unique: "prometheus-wlog".
	Name string `json:"name"`
	// Version of the library or server, as found at run time if possible.
	Version string `json:"version"`
	// Kind is "log" for embedded logs and "broker" for servers.
	Kind string `json:"kind"`
	// Durabilities that it can promise.
	Durabilities []Durability `json:"durabilities"`
	// Notes say what a fair reader must know: where unsynced records are, what
	// is checked when reading, what had to be added to take part.
	Notes string `json:"notes"`
	// Checks says that reading checks a checksum of what is read, by default:
	// figures of readers that do and of those that do not are not alike.
	Checks bool `json:"checks"`
}

// Target is something that can be measured.
type Target interface {
	About() About
	// Open makes a session ready for use. What cannot be opened because
	// something is not installed is an *UnavailableError.
	Open(ctx context.Context, c Config) (Session, error)
}

// Session is an opened target.
type Session interface {
	// Append appends the records to a shard in order and returns when all are
	// as durable as the configuration asks. It may be called by
	// Config.Writers goroutines at once. It must not keep the slices.
	Append(ctx context.Context, shard int, records [][]byte) error
	// Close releases everything, stops servers and waits for them.
	Close() error
}

// Sender is a session that can send without waiting: brokers, mostly.
type Sender interface {
	// Send hands over a record and calls done once when it is acknowledged as
	// the configuration asks, or has failed. It may wait while the target's own
	// bound of records in flight is reached. It must not keep the slice after
	// it has returned. It is called by one goroutine.
	Send(ctx context.Context, shard int, record []byte, done func(error)) error
	// Flush returns when done was called for all records sent.
	Flush(ctx context.Context) error
}

// Follower is a session whose records can be followed as they arrive.
type Follower interface {
	// Follow delivers the records of a shard in order, beginning with those
	// appended after it called ready, and goes on until ctx ends, which is no
	// error. The slice is valid during the call.
	Follow(ctx context.Context, shard int, ready func(), deliver func(record []byte)) error
}

// Scanner is a session whose records can be read from the beginning to the
// present end.
type Scanner interface {
	// Scan visits all records of a shard, verifying what the target verifies by
	// default. The slice is valid during the call.
	Scan(ctx context.Context, shard int, visit func(record []byte)) error
}

// Preparer is a session that can do all of an append beforehand but the append.
type Preparer interface {
	// Prepare returns a function that appends these records, the same again with
	// each call, as Append would. One goroutine at a time may call it. It must
	// not keep the slices.
	Prepare(shard int, records [][]byte) (func(context.Context) error, error)
}

// Counter is a session that can read records without handing them over one by
// one.
type Counter interface {
	// Counting returns a function that reads some more of a shard with each call and
	// only counts what it gets, from the beginning again once all was read. One
	// goroutine at a time may call it.
	Counting(shard int) (func(context.Context) (Counted, error), error)
}

// Counted is how much was read.
type Counted struct{ Records, Bytes int64 }

// Getter is a session whose records can be read one by one, by their number.
type Getter interface {
	// Get visits one record of a shard. Records are numbered from 0 in the
	// order of their appends; one that is not there is an error. The slice is
	// valid during the call. Any number of goroutines may call it at once.
	Get(ctx context.Context, shard int, number uint64, visit func(record []byte)) error
}

// TimeGetter is a session whose records can be found by when they were
// appended.
type TimeGetter interface {
	// GetAt visits the first record of a shard that was appended at or after
	// that time, if there is one. Otherwise it is as Get.
	GetAt(ctx context.Context, shard int, at time.Time, visit func(record []byte)) error
}

// Recoverer is a session that says how much work opening was.
type Recoverer interface {
	// Recovered is how many bytes were checked to find the end of the log.
	Recovered() int64
}

// Server is a session with a process of its own.
type Server interface {
	// ServerCPU is the processor time of the server so far, user and system.
	ServerCPU() (time.Duration, error)
	// ServerMemory is its resident set in bytes.
	ServerMemory() (int64, error)
}

// UnavailableError says why a target cannot be measured here.
type UnavailableError struct {
	Target string
	Reason string
}

// Error implements error.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("target: %s is not available: %s", e.Target, e.Reason)
}

// Find returns the target of that name.
func Find(targets []Target, name string) (Target, error) {
	names := make([]string, 0, len(targets))
	for _, t := range targets {
		if t.About().Name == name {
			return t, nil
		}
		names = append(names, t.About().Name)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("target: there is no %q, only %s", name, strings.Join(names, ", "))
}

// Unavailable returns the reason, if err says that a target cannot be measured.
func Unavailable(err error) (reason string, unavailable bool) {
	var cannot *UnavailableError
	if errors.As(err, &cannot) {
		return cannot.Reason, true
	}
	return "", false
}
