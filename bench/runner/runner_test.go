package runner_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/bench/load"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/targettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parse returns the scenario of some YAML; its name is added.
func parse(t *testing.T, text string) scenario.Scenario {
	t.Helper()
	all, err := scenario.Parse([]byte("name: test\n" + strings.ReplaceAll(text, ", ", "\n") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// run makes a measurement, and checks that it leaves no files behind.
func run(ctx context.Context, t *testing.T, text string, on target.Target) (*result.Run, error) {
	t.Helper()
	dir := t.TempDir()
	got, err := runner.Run(ctx, runner.Job{Scenario: parse(t, text), Target: on.About().Name, Dir: dir, Round: 3}, on)
	left, readErr := os.ReadDir(dir)
	if readErr != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, readErr)
	}
	if (got == nil) != (err != nil) {
		t.Errorf("got both a run and an error, or neither: %v", err)
	}
	return got, err
}

// must is run of what must succeed.
func must(t *testing.T, text string, on target.Target) *result.Run {
	t.Helper()
	got, err := run(t.Context(), t, text, on)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// near compares a latency with what it must be; histograms keep three digits.
func near(got int64, want time.Duration) bool {
	return math.Abs(float64(got)-float64(want)) <= float64(want)/500
}

const service = 10 * time.Millisecond

// slow is a log whose appends take a known time.
func slow() *targettest.Log { return &targettest.Log{Name: "fake", Service: service} }

// TestClosedLoop runs in virtual time, where every figure is known: appends take
// 10 ms, and nothing else takes any time.
func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := must(t, "topics: 2, producersPerTopic: 2, batchSize: 5, messageSize: 100, warmupDuration: 100ms, testDuration: 200ms, durability: group", slow())
		if got.Operations != 80 || got.Records != 400 || got.Bytes != 40_000 || got.Errors != 0 || got.FirstError != "" {
			t.Errorf("%d operations, %d records, %d bytes, %d errors, %s", got.Operations, got.Records, got.Bytes, got.Errors, got.FirstError)
		}
		if time.Duration(got.Duration) != 200*time.Millisecond || got.RecordRate() != 2000 {
			t.Errorf("took %s, %g records a second", time.Duration(got.Duration), got.RecordRate())
		}
		if l := got.Latency; l == nil || l.Count != 80 || !near(l.P50, service) || !near(l.Max, service) {
			t.Errorf("latency %+v", l)
		}
		if got.EndToEnd != nil || got.Jitter != nil || got.Hiccup == nil {
			t.Errorf("end to end %v, jitter %v, hiccup %v", got.EndToEnd, got.Jitter, got.Hiccup)
		}
		if cpu := got.Values["server_cpu_ns_per_record"]; math.Abs(cpu-float64(targettest.RecordCPU)) > 1e-6 {
			t.Errorf("%g ns of processor for each record", cpu)
		}
		if got.Scenario != "test" || got.Target != "fake" || got.TargetVersion != "1" || got.Durability != "group" || got.Loop != "closed" ||
			got.Round != 3 || got.RecordBytes != 100 || got.Batch != 5 || got.Shards != 2 || got.Writers != 4 || got.PlannedRate != 0 || got.Notes != "a fake" {
			t.Errorf("described as %+v", got)
		}
	})
}

// TestClosedTail has two consumers of each of two shards.
func TestClosedTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for mode, want := range map[string]int64{
			"producersPerTopic: 1": 20,
			// The last one was waiting for its turn when the time was over.
			"producersPerTopic: 1, asynchronous: true, inFlight: 1": 21,
		} {
			got := must(t, mode+", partitionsPerTopic: 2, subscriptionsPerTopic: 2, warmupDuration: 100ms, testDuration: 200ms", slow())
			if got.Records != want || got.Latency.Count != want || got.EndToEnd.Count != 2*want {
				t.Errorf("%s: %d acknowledged, %d latencies, %d deliveries", mode, got.Records, got.Latency.Count, got.EndToEnd.Count)
			}
			if !near(got.EndToEnd.Min, service) || !near(got.EndToEnd.Max, service) || !near(got.Latency.P50, service) {
				t.Errorf("%s: end to end %s to %s, acknowledged after %s", mode, time.Duration(got.EndToEnd.Min), time.Duration(got.EndToEnd.Max), time.Duration(got.Latency.P50))
			}
			if missing, found := got.Values["records_not_delivered"]; found {
				t.Errorf("%s: %g records are missing", mode, missing)
			}
		}
	})
}

// spread counts the records of each shard.
type spread struct {
	targettest.Log
	records [3]atomic.Int64
}

func (s *spread) Open(ctx context.Context, c target.Config) (target.Session, error) {
	session, err := s.Log.Open(ctx, c)
	return spreadSession{session, s}, err
}

type spreadSession struct {
	target.Session
	spread *spread
}

func (s spreadSession) Append(ctx context.Context, shard int, records [][]byte) error {
	s.spread.records[shard].Add(int64(len(records)))
	return s.Session.Append(ctx, shard, records)
}

func (s spreadSession) Send(ctx context.Context, shard int, record []byte, done func(error)) error {
	s.spread.records[shard].Add(1)
	return s.Session.(target.Sender).Send(ctx, shard, record, done)
}

func (s spreadSession) Flush(ctx context.Context) error { return s.Session.(target.Sender).Flush(ctx) }

func TestRecordsAreSpreadOverShards(t *testing.T) {
	for _, mode := range []string{"producersPerTopic: 1", "producersPerTopic: 1, asynchronous: true"} {
		on := &spread{Log: targettest.Log{Name: "fake"}}
		must(t, mode+", partitionsPerTopic: 3, producerRate: 3000, backlog: 3MiB, testDuration: 50ms", on)
		for shard := range on.records {
			if got := on.records[shard].Load(); got < 1024 || got > 1024+128 {
				t.Errorf("%s: shard %d got %d records of 3222", mode, shard, got)
			}
		}
	}
}

// TestAsynchronousLatencyIncludesTheQueue has four records under way at a target
// that does one at a time.
func TestAsynchronousLatencyIncludesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := must(t, "producersPerTopic: 1, asynchronous: true, inFlight: 4, warmupDuration: 100ms, testDuration: 200ms", slow())
		if got.Operations != 21 || !near(got.Latency.P50, 4*service) {
			t.Errorf("%d operations of %s", got.Operations, time.Duration(got.Latency.P50))
		}
	})
}

// TestOpenLoop uses the real clock, so that only counts are known: all that was
// planned has a latency, even if this machine was too slow for it.
func TestOpenLoop(t *testing.T) {
	for _, mode := range []string{"producersPerTopic: 3, batchSize: 2", "producersPerTopic: 1, asynchronous: true"} {
		got := must(t, mode+", subscriptionsPerTopic: 1, producerRate: 2000, warmupDuration: 50ms, testDuration: 100ms", &targettest.Log{Name: "fake"})
		if got.Loop != "open" || got.PlannedRate != 2000/float64(got.Batch) || got.Latency.Count != 200/int64(got.Batch) || got.Records == 0 || got.EndToEnd.Count != got.Records || got.Errors != 0 {
			t.Errorf("%s: %s loop of %g, %d acknowledged, %d delivered, %d errors", mode, got.Loop, got.PlannedRate, got.Records, got.EndToEnd.Count, got.Errors)
		}
		if got.Latency.Min <= 0 || got.EndToEnd.Min <= 0 {
			t.Errorf("%s: latencies from %d and %d ns", mode, got.Latency.Min, got.EndToEnd.Min)
		}
	}
}

func TestMissingDeliveriesAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := slow()
		on.Faults.HideEvery = 10
		got := must(t, "producersPerTopic: 1, subscriptionsPerTopic: 1, testDuration: 200ms", on)
		if got.Records != 20 || got.Values["records_not_delivered"] != 2 || got.EndToEnd.Count != 18 {
			t.Errorf("%d acknowledged, %g not delivered, %d delivered", got.Records, got.Values["records_not_delivered"], got.EndToEnd.Count)
		}
		// Deliveries of the warm-up do not make up for those that are missing.
		got = must(t, "producersPerTopic: 1, subscriptionsPerTopic: 1, warmupDuration: 100ms, testDuration: 200ms", on)
		if got.Records != 20 || got.Values["records_not_delivered"] != 2 || got.EndToEnd.Count != 18 {
			t.Errorf("after a warm-up: %d acknowledged, %g not delivered, %d delivered", got.Records, got.Values["records_not_delivered"], got.EndToEnd.Count)
		}
	})
}

func TestFailedOperationsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := slow()
		on.Faults.FailEvery = 4
		got := must(t, "producersPerTopic: 1, subscriptionsPerTopic: 1, testDuration: 200ms", on)
		if got.Operations != 15 || got.Errors != 5 || !strings.Contains(got.FirstError, "append 3") || got.EndToEnd.Count != 15 {
			t.Errorf("%d operations, %d errors, first %q, %d delivered", got.Operations, got.Errors, got.FirstError, got.EndToEnd.Count)
		}
		on.Faults.FailEvery = 1
		if _, err := run(t.Context(), t, "producersPerTopic: 1, subscriptionsPerTopic: 1, testDuration: 1h", on); !errors.Is(err, load.ErrTargetFailing) || !errors.Is(err, targettest.ErrPlanted) {
			t.Errorf("got %v", err)
		}
		// Too few to be given up in between, but nothing was measured.
		if _, err := run(t.Context(), t, "producersPerTopic: 1, testDuration: 100ms", on); !errors.Is(err, targettest.ErrPlanted) || !strings.Contains(err.Error(), "all 10 operations failed") {
			t.Errorf("got %v", err)
		}
	})
}

func TestFailuresBesideTheLoad(t *testing.T) {
	const tail = "producersPerTopic: 1, subscriptionsPerTopic: 1, testDuration: 100ms"
	for name, c := range map[string]struct {
		text   string
		faults targettest.Faults
		want   string
	}{
		"never began":    {tail, targettest.Faults{FollowFailsEarly: true}, "planted"},
		"fails":          {tail, targettest.Faults{FollowFails: true}, "planted"},
		"ends":           {tail, targettest.Faults{FollowEnds: true}, "without an error"},
		"never ready":    {tail, targettest.Faults{NeverReady: true}, "not in place after 30s"},
		"cannot scan":    {"producersPerTopic: 1, catchUpReaders: 1, backlog: 10KiB, testDuration: 100ms", targettest.Faults{ScanFails: true}, "planted"},
		"cannot close":   {tail, targettest.Faults{CloseFails: true}, "planted"},
		"cannot fill":    {"catchUpReaders: 1, backlog: 10KiB", targettest.Faults{FailEvery: 1}, "backlog"},
		"cannot fill it": {"kind: restart, backlog: 10KiB", targettest.Faults{FailEvery: 1}, "backlog"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := slow()
				on.Faults = c.faults
				if _, err := run(t.Context(), t, c.text, on); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			})
		})
	}
}

func TestUnavailable(t *testing.T) {
	appendOnly := &targettest.Log{Name: "fake", AppendOnly: true}
	for name, c := range map[string]struct {
		text string
		on   *targettest.Log
		want string
	}{
		"not installed":     {"producersPerTopic: 1", &targettest.Log{Name: "fake", Missing: "no licence"}, "no licence"},
		"other durability":  {"producersPerTopic: 1, durability: group", &targettest.Log{Name: "fake", Durabilities: []target.Durability{target.None}}, "durability group"},
		"no followers":      {"producersPerTopic: 1, subscriptionsPerTopic: 1", appendOnly, "follow"},
		"not asynchronous":  {"producersPerTopic: 1, asynchronous: true", appendOnly, "without waiting"},
		"no scans":          {"catchUpReaders: 1, backlog: 1KiB", appendOnly, "from the beginning"},
		"no scans beside":   {"producersPerTopic: 1, catchUpReaders: 1, backlog: 1KiB", appendOnly, "from the beginning"},
		"restart of nobody": {"kind: restart, backlog: 1KiB", &targettest.Log{Name: "fake", Missing: "no licence"}, "no licence"},
	} {
		_, err := run(t.Context(), t, c.text, c.on)
		var unavailable *target.UnavailableError
		if !errors.As(err, &unavailable) || unavailable.Target != "fake" || !strings.Contains(unavailable.Reason, c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestBadJobs(t *testing.T) {
	bad := scenario.Scenario{Name: "bad"}
	if _, err := runner.Run(t.Context(), runner.Job{Scenario: bad, Dir: t.TempDir()}, slow()); err == nil || !strings.Contains(err.Error(), "scenario bad") {
		t.Errorf("got %v", err)
	}
	good := parse(t, "producersPerTopic: 1, testDuration: 10ms")
	if _, err := runner.Run(t.Context(), runner.Job{Scenario: good, Dir: "/does/not/exist"}, slow()); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("got %v", err)
	}
}

// TestDirectoriesAreAbsolute because servers have working directories of their
// own.
func TestDirectoriesAreAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	seen := &dirs{Log: targettest.Log{Name: "fake"}}
	job := runner.Job{Scenario: parse(t, "kind: restart, backlog: 1KiB, crash: true"), Dir: "."}
	if _, err := runner.Run(t.Context(), job, seen); err != nil {
		t.Fatal(err)
	}
	for _, dir := range seen.dirs {
		if !filepath.IsAbs(dir) {
			t.Errorf("opened in %s", dir)
		}
	}
	if len(seen.dirs) != 3 {
		t.Errorf("opened in %v", seen.dirs)
	}
}

// dirs remembers where it was opened.
type dirs struct {
	targettest.Log
	dirs []string
}

func (d *dirs) Open(ctx context.Context, c target.Config) (target.Session, error) {
	d.dirs = append(d.dirs, c.Dir)
	return d.Log.Open(ctx, c)
}

var errDirty = errors.New("it was not closed")

// onlyClean refuses to be opened from a copy.
type onlyClean struct{ targettest.Log }

func (o *onlyClean) Open(ctx context.Context, c target.Config) (target.Session, error) {
	if strings.HasSuffix(c.Dir, "crashed") {
		return nil, errDirty
	}
	return o.Log.Open(ctx, c)
}
