package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// Version is that of the document; readers refuse a higher one.
const Version = 2

// Document is what one run of the harness found.
type Document struct {
	Version int `json:"version"`
	// Title says what was run: "bench run wal-append", "bench peers --quick".
	Title   string    `json:"title"`
	Started time.Time `json:"started"`
	// Machine is where it ran.
	Machine Machine `json:"machine"`
	// Limits are what the machine could do at best, measured just before.
	Limits []Limit `json:"limits"`
	// Runs are all measurements in the order in which they were made.
	Runs []Run `json:"runs"`
	// Rows compare us with peers; empty unless peers ran.
	Rows []Row `json:"rows,omitempty"`
	// Skipped is what could not be run, with the reasons.
	Skipped []Skip `json:"skipped,omitempty"`
}

// Machine is the environment of a run: whatever is known to move a result.
type Machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	Memory     int64  `json:"memory_bytes"`
	Kernel     string `json:"kernel"`
	Governor   string `json:"governor"` // "" when the kernel does not say
	FileSystem string `json:"file_system"`
	Mount      string `json:"mount_options"`
	Device     string `json:"device"`
	FreeBytes  int64  `json:"free_bytes"`
	// Dirty are the vm.dirty_* settings by name.
	Dirty      map[string]string `json:"dirty,omitempty"`
	Go         string            `json:"go"`
	GOGC       string            `json:"gogc"`
	GOMEMLIMIT string            `json:"gomemlimit"`
	GOMAXPROCS int               `json:"gomaxprocs"`
	Commit     string            `json:"commit"`
	Modified   bool              `json:"modified"`
	// SyncP50 and SyncP99 are those of a 4 KiB write with fdatasync, just
	// before the run.
	SyncP50 int64 `json:"fdatasync_p50_ns"`
	SyncP99 int64 `json:"fdatasync_p99_ns"`
	// Load1 is the load average before the run: on a busy machine figures mean
	// little.
	Load1 float64 `json:"load1"`
}

// Limit is one thing that hardware and kernel do without any log.
type Limit struct {
	// Name is stable: "memcpy", "mapped-write", "crc32c-scan", "pwrite-1KiB",
	// "pwrite-64KiB", "pwrite-1MiB", "fresh-pwrite-6400B", "fresh-pwrite-64KiB",
	// "fresh-pwrite-1MiB", "fresh-sync-write-64KiB", "fresh-sync-write-1MiB", "fdatasync-4KiB", "fdatasync-4KiB-16-files",
	// "sync-write-64KiB", "sync-write-1MiB", "loopback-round-trip",
	// "loopback-stream".
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	// Unit is "B/s", "1/s" or "ns".
	Unit string `json:"unit"`
	// P99 goes with values in ns; 0 when there is none.
	P99 float64 `json:"p99,omitempty"`
}

// Run is one measurement of one target.
type Run struct {
	Scenario string `json:"scenario"`
	Target   string `json:"target"`
	// Version of the target.
	TargetVersion string `json:"target_version"`
	Durability    string `json:"durability"`
	// Loop is "open" (planned send times; latencies count from them) or
	// "closed" (as fast as answers come; latencies omit the waiting of requests
	// that were never sent).
	Loop        string `json:"loop"`
	Round       int    `json:"round"`
	RecordBytes int    `json:"record_bytes"`
	Batch       int    `json:"batch"`
	Shards      int    `json:"shards"`
	Writers     int    `json:"writers"`
	// PlannedRate is operations a second, 0 in a closed loop.
	PlannedRate float64 `json:"planned_rate"`

	Started  time.Time `json:"started"`
	Duration int64     `json:"duration_ns"`
	// Operations, Records and Bytes that succeeded in that time, without the
	// warm-up, and operations that failed.
	Operations int64 `json:"operations"`
	Records    int64 `json:"records"`
	Bytes      int64 `json:"bytes"`
	Errors     int64 `json:"errors"`
	// FirstError is the text of the first failure.
	FirstError string `json:"first_error,omitempty"`

	// Latency is that of operations; EndToEnd of records, from the planned
	// time of sending to delivery. Nil when not measured.
	Latency  *Latency `json:"latency,omitempty"`
	EndToEnd *Latency `json:"end_to_end,omitempty"`
	// Hiccup is how late a sleeping goroutine of the same process woke.
	Hiccup *Latency `json:"hiccup,omitempty"`
	// Jitter is how late the generator itself sent.
	Jitter *Latency `json:"jitter,omitempty"`

	// Values are further figures by name, with the unit in it: "open_ns",
	// "scan_records_per_second", "server_cpu_ns_per_record".
	Values map[string]float64 `json:"values,omitempty"`
	// Notes are what a reader must know.
	Notes string `json:"notes,omitempty"`
}

// Latency is a distribution.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_ns"`
	Min   int64   `json:"min_ns"`
	P50   int64   `json:"p50_ns"`
	P90   int64   `json:"p90_ns"`
	P99   int64   `json:"p99_ns"`
	P999  int64   `json:"p99_9_ns"`
	P9999 int64   `json:"p99_99_ns"`
	Max   int64   `json:"max_ns"`
	// OutOfRange counts values beyond the histogram's range. They are in Count
	// and in the quantiles, as the largest value that the histogram can hold;
	// Max is exact.
	OutOfRange int64 `json:"out_of_range"`
	// Curve is the quantiles for a log-nines axis, coarse to fine.
	Curve []Point `json:"curve,omitempty"`
	// Seconds is the distribution second by second.
	Seconds []Second `json:"seconds,omitempty"`
}

// Point is one point of a percentile curve.
type Point struct {
	Quantile float64 `json:"q"` // 0 to 1
	Value    int64   `json:"ns"`
}

// Second is one second of a run.
type Second struct {
	// At is how many whole seconds had passed since the end of the warm-up, 0
	// in the first second, when the values were planned, or begun if nothing was
	// planned. What is beyond second 899 is in second 899.
	At    int     `json:"at"`
	Count int64   `json:"count"`
	P50   int64   `json:"p50_ns"`
	P99   int64   `json:"p99_ns"`
	P999  int64   `json:"p99_9_ns"`
	Max   int64   `json:"max_ns"`         // as exact as a quantile, unlike that of Latency
	Heat  []Point `json:"heat,omitempty"` // upper bound of a bucket (ns) and its share of Count as q
}

// Row is one line of the table of peers: one measure, one peer.
type Row struct {
	// Measure is stable: "append throughput, 64 a call", "append at 10 k/s, p99",
	// "catch-up read". Package versus has the list.
	Measure string `json:"measure"`
	// Better is "higher" or "lower".
	Better string `json:"better"`
	Unit   string `json:"unit"` // "1/s", "B/s", "B" or "ns"
	Peer   string `json:"peer"`
	// Own says that there is no peer: Theirs is another variant of ours, which
	// Peer describes, or nothing if Peer is empty. Such a row has no winner.
	Own bool `json:"own,omitempty"`
	// Durability is the class in which both ran.
	Durability string `json:"durability"`
	// Ours and Theirs are medians over the rounds, 0 of a side that has no figure
	// or did not keep up with the planned rate. There are no ratios then, and
	// Notes say why.
	Ours   float64 `json:"ours"`
	Theirs float64 `json:"theirs"`
	// Ratios are one for each pair of runs, oriented so that above 1 we win.
	Ratios []float64 `json:"ratios"`
	Median float64   `json:"ratio_median"`
	Low    float64   `json:"ratio_low"`
	High   float64   `json:"ratio_high"`
	// Limit is the physical limit in the same unit, 0 when there is none, and
	// LimitName says which.
	Limit     float64 `json:"limit,omitempty"`
	LimitName string  `json:"limit_name,omitempty"`
	Notes     string  `json:"notes,omitempty"`
}

// Skip is something that did not run.
type Skip struct {
	What   string `json:"what"`
	Reason string `json:"reason"`
}

// ErrNewerVersion is returned for documents of a later release.
var ErrNewerVersion = errors.New("result: the document was written by a newer release")

// ErrTrailing is returned when something follows a document.
var ErrTrailing = errors.New("result: the document goes on behind its end")

// Write writes d as indented JSON.
func (d *Document) Write(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(d); err != nil {
		return fmt.Errorf("result: write: %w", err)
	}
	return nil
}

// Save writes d to a file.
func (d *Document) Save(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("result: save: %w", err)
	}
	return errors.Join(d.Write(file), file.Close())
}

// Summary returns a copy without percentile curves and seconds: a tenth of the
// size, and all that tables and the history need.
func (d *Document) Summary() *Document {
	short := func(l *Latency) *Latency {
		if l == nil {
			return nil
		}
		copied := *l
		copied.Curve, copied.Seconds = nil, nil
		return &copied
	}
	summary := *d
	summary.Runs = slices.Clone(d.Runs)
	for i := range summary.Runs {
		r := &summary.Runs[i]
		r.Latency, r.EndToEnd, r.Hiccup, r.Jitter = short(r.Latency), short(r.EndToEnd), short(r.Hiccup), short(r.Jitter)
	}
	return &summary
}

// Read reads a document, and nothing may follow it. One of a later release is
// ErrNewerVersion, whatever else is in it. Members that Read does not know are
// an error: they would be lost when the document is written again.
func Read(r io.Reader) (*Document, error) {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	d := new(Document)
	err := decoder.Decode(d)
	// Unknown members come with newer versions: the version is the better answer,
	// and the decoder has gone on to it.
	if d.Version > Version {
		return nil, fmt.Errorf("%w: version %d, this is %d", ErrNewerVersion, d.Version, Version)
	}
	if err != nil {
		return nil, fmt.Errorf("result: read: %w", err)
	}
	if d.Version < 1 {
		return nil, fmt.Errorf("result: read: version %d is none", d.Version)
	}
	if err := d.checkTimes(); err != nil {
		return nil, fmt.Errorf("result: read: %w", err)
	}
	_, err = decoder.Token()
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return d, nil
	case err == nil, errors.As(err, &syntax):
		return nil, ErrTrailing
	}
	return nil, fmt.Errorf("result: read: %w", err)
}

// checkTimes fails for a time that cannot be written again: encoding/json reads
// zones like +24:00 and refuses to write them.
func (d *Document) checkTimes() error {
	if _, err := d.Started.MarshalJSON(); err != nil {
		return fmt.Errorf("started: %w", err)
	}
	for i := range d.Runs {
		if _, err := d.Runs[i].Started.MarshalJSON(); err != nil {
			return fmt.Errorf("runs[%d].started: %w", i, err)
		}
	}
	return nil
}

// Load reads a document from a file.
func Load(path string) (*Document, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("result: load: %w", err)
	}
	defer file.Close()
	d, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// RecordRate is records a second.
func (r *Run) RecordRate() float64 { return perSecond(r.Records, r.Duration) }

// ByteRate is bytes a second.
func (r *Run) ByteRate() float64 { return perSecond(r.Bytes, r.Duration) }

// keptUpShare is how much of its planned load a target must have taken for its
// latency to be that of the load: below it, it is the length of a queue that
// grew until the run ended.
const keptUpShare = 0.95

// KeptUp says whether the latencies of the run are those of its load. In an open
// loop they are if at least 95 % of PlannedRate succeeded. A closed loop has no
// rate to keep up with: it always does.
func (r *Run) KeptUp() bool {
	if r.Loop == "closed" {
		return true
	}
	return float64(r.Operations) >= keptUpShare*r.PlannedRate*time.Duration(r.Duration).Seconds()
}

func perSecond(count, duration int64) float64 {
	if duration <= 0 {
		return 0
	}
	return float64(count) / (float64(duration) / float64(time.Second))
}
