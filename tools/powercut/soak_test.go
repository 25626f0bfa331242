package powercut

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/killtest"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
)

const (
	soakDefault      = 16 * time.Second
	soakFaultDefault = 4 * time.Second
	// soakPace is the time for one round of puts; soakPutters goroutines do
	// soakPuts each. The ledger remembers every record, so that two hours must
	// not be too many.
	soakPace    = 100 * time.Millisecond
	soakPutters = 4
	soakPuts    = 20
	soakShards  = 4
	soakStream  = "soak"
	// soakRetention keeps the simulated disk small.
	soakRetention = 8 << 20
	// soakFullMax bounds the records until a full disk must have been noticed.
	soakFullMax = 1 << 20
)

// duration returns what the variable says, or otherwise.
func duration(t *testing.T, variable string, otherwise time.Duration) time.Duration {
	t.Helper()
	text, found := os.LookupEnv(variable)
	if !found {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return d
}

// soak is a server under load, and its disk.
type soak struct {
	t      *testing.T
	binary string
	dir    string
	random *rand.Rand
	files  *crashfs.FS
	disk   *Disk
	server *killtest.Process
	client *client.Client
	ledger *killtest.Ledger
	usage  usage

	// tolerated is the kind of error that puts may meet: 0 for none.
	tolerated failure.Kind
	refused   atomic.Int64 // puts that met it
	// unsure is set while records that were refused may come back with a restart,
	// so that nothing may be concluded from their absence.
	unsure bool
	faults map[string]int
}

func (s *soak) start() {
	s.t.Helper()
	s.disk, s.server = serveOn(s.t, s.binary, s.dir, s.files)
	var err error
	if s.client, err = client.New(s.t.Context(), s.server.Address, client.WithRetryBudget(0)); err != nil {
		s.t.Fatal(err)
	}
}

// stop ends the server by end, and with it the mount.
func (s *soak) stop(end func() error) {
	s.t.Helper()
	s.client.Close()
	if err := errors.Join(end(), s.disk.Unmount()); err != nil {
		s.t.Fatal(err)
	}
}

// round puts some records and waits for all.
func (s *soak) round() {
	var putters sync.WaitGroup
	for range soakPutters {
		putters.Go(func() {
			for range soakPuts {
				id, r := s.ledger.Send(16+int(time.Now().UnixNano()%500), 64)
				at, err := s.client.Put(s.t.Context(), soakStream, r)
				switch {
				case err == nil:
					s.ledger.Acknowledge(id, at.Shard, at.Sequence)
				case s.tolerated != 0 && errors.Is(err, s.tolerated):
					s.refused.Add(1)
				default:
					s.t.Errorf("put: %v, tolerated is %v", err, s.tolerated)
				}
			}
		})
	}
	putters.Wait()
}

// verify shows the ledger what is new.
func (s *soak) verify() {
	s.t.Helper()
	if s.unsure {
		return
	}
	if err := killtest.Verify(s.t.Context(), s.server.Address, soakStream, s.ledger, false); err != nil {
		s.t.Fatal(err)
	}
}

// work is ordinary load, and the samples of what the server uses.
func (s *soak) work(d time.Duration) {
	s.t.Helper()
	pace := time.NewTicker(soakPace)
	defer pace.Stop()
	for until, n := time.Now().Add(d), 0; time.Now().Before(until) && !s.t.Failed(); n++ {
		<-pace.C
		s.round()
		if n%10 == 9 {
			s.verify()
			s.usage.sample(s.t, s.server)
		}
	}
}

// fillUp takes the room away until a put is refused, reads, and gives it back.
func (s *soak) fillUp() {
	s.t.Helper()
	s.tolerated = failure.NoSpace
	s.refused.Store(0)
	s.files.SetCapacity(1)
	for n := 0; s.refused.Load() == 0 && !s.t.Failed(); n += soakPutters * soakPuts {
		if n > soakFullMax {
			s.t.Fatalf("%d records on a full disk, and none was refused", n)
		}
		s.round()
	}
	s.verify()
	s.files.SetCapacity(0)
	s.tolerated = 0
	s.round()
}

// slowDown holds syncs back for a while.
func (s *soak) slowDown() {
	release := make(chan struct{})
	s.disk.SetFault(func(c vfs.Call) Fault {
		if c.Operation != vfs.OperationSync {
			return Fault{}
		}
		return Fault{Wait: release}
	})
	timer := time.AfterFunc(200*time.Millisecond, func() { close(release) })
	defer timer.Stop()
	s.round()
	s.disk.SetFault(nil)
}

// sicken fails the syncs of one log. It stays read-only until the next restart.
func (s *soak) sicken() {
	s.disk.SetFault(func(c vfs.Call) Fault {
		if c.Operation == vfs.OperationSync && strings.Contains(c.Name, sickLog) && strings.HasSuffix(c.Name, ".seg") {
			return Fault{Err: syscall.EIO}
		}
		return Fault{}
	})
	s.tolerated, s.unsure = failure.Poisoned, true
	s.refused.Store(0)
	for s.refused.Load() == 0 && !s.t.Failed() {
		s.round()
	}
	s.disk.SetFault(nil)
}

// killServer kills it under load; every other time the power goes as well.
func (s *soak) killServer(powerToo bool) {
	s.t.Helper()
	under := make(chan error, 1)
	go func() {
		under <- killtest.Write(s.t.Context(), s.server.Address, s.ledger, killtest.Workload{
			Stream: soakStream, RecordSize: 100, Keys: 64, KillAfter: s.random.IntN(500),
			Kill: func() error {
				if powerToo {
					s.files = s.disk.Cut(s.random)
				}
				return s.server.Kill()
			},
		})
	}()
	s.stop(func() error { return <-under })
	s.tolerated, s.unsure = 0, false
	s.start()
	s.verify()
}

// TestSoak runs a server for a long time, with faults of its disk and of its
// life, and looks at what it loses and at what it uses.
func TestSoak(t *testing.T) {
	mountable(t)
	length, every := duration(t, "MILLRACE_SOAK", soakDefault), duration(t, "MILLRACE_SOAK_FAULT_EVERY", soakFaultDefault)
	s := &soak{
		t: t, binary: buildServer(t), dir: t.TempDir(), random: rand.New(rand.NewPCG(1, 5)),
		files: crashfs.New(crashfs.Options{}), ledger: killtest.NewLedger(), faults: map[string]int{},
	}
	s.start()
	if _, err := s.client.CreateStream(t.Context(), client.StreamConfig{
		Name: soakStream, Shards: soakShards, Durability: record.Group, RetentionTime: -1, RetentionBytes: soakRetention,
	}); err != nil {
		t.Fatal(err)
	}
	faults := []struct {
		name string
		do   func()
	}{
		{"full disk", s.fillUp},
		{"slow syncs", s.slowDown},
		{"failed sync of one log", s.sicken},
		{"kill", func() { s.killServer(false) }},
		{"full disk", s.fillUp},
		{"slow syncs", s.slowDown},
		{"failed sync of one log", s.sicken},
		{"power cut", func() { s.killServer(true) }},
	}
	began := time.Now()
	for n := 0; time.Since(began) < length && !t.Failed(); n++ {
		s.work(every)
		fault := faults[n%len(faults)]
		fault.do()
		s.faults[fault.name]++
	}
	if s.unsure {
		s.killServer(false)
	}
	s.verify()
	s.stop(s.server.Stop)
	t.Logf("%v, %v: %d records sent, %d acknowledged, 0 lost, 0 duplicated, 0 phantom",
		time.Since(began).Round(time.Second), s.faults, s.ledger.Sent(), s.ledger.Acknowledged())
	s.usage.judge(t)
}

// usage is what the server used, sample by sample.
type usage struct {
	at     []float64 // hours since the first sample
	first  time.Time
	series map[string][]float64
}

// sample looks at the process. Of its segments only those count that no log has
// any more: how many there are is a matter of retention.
func (u *usage) sample(t *testing.T, server *killtest.Process) {
	t.Helper()
	now, err := processUsage(server.Pid())
	if err != nil {
		t.Fatal(err)
	}
	line, segments := metric(t, server, "millrace_wal_segments"), 0.0
	if _, err := fmt.Sscan(line[strings.LastIndex(line, " ")+1:], &segments); err != nil {
		t.Fatalf("metric %q: %v", line, err)
	}
	now["descriptors of dropped segments"] = now["descriptors of segments"] - segments
	now["mappings of dropped segments"] = now["mappings of segments"] - segments
	delete(now, "descriptors of segments")
	delete(now, "mappings of segments")
	if u.first.IsZero() {
		u.first, u.series = time.Now(), map[string][]float64{}
	}
	u.at = append(u.at, time.Since(u.first).Hours())
	for name, value := range now {
		u.series[name] = append(u.series[name], value)
	}
}

// usageSamplesMin is when a trend may be looked for.
const usageSamplesMin = 40

// judge prints how each number went, and fails if the end is far above the
// beginning.
func (u *usage) judge(t *testing.T) {
	t.Helper()
	if len(u.at) < usageSamplesMin {
		t.Logf("%d samples of the server's usage are too few for a trend", len(u.at))
		return
	}
	quarter := len(u.at) / 4
	for _, name := range slices.Sorted(maps.Keys(u.series)) {
		values := u.series[name]
		begin, end := median(values[quarter:2*quarter]), median(values[len(values)-quarter:])
		t.Logf("%s: median %.1f in the second quarter, %.1f in the last, slope %+.2f an hour over %d samples", name, begin, end, slope(u.at[quarter:], values[quarter:]), len(values))
		if end > 1.5*begin+10 {
			t.Errorf("%s grows", name)
		}
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// slope is that of the least squares.
func slope(x, y []float64) float64 {
	var sumX, sumY, sumXX, sumXY float64
	for i := range x {
		sumX, sumY, sumXX, sumXY = sumX+x[i], sumY+y[i], sumXX+x[i]*x[i], sumXY+x[i]*y[i]
	}
	n := float64(len(x))
	return (n*sumXY - sumX*sumY) / (n*sumXX - sumX*sumX)
}

// TestUsageIsJudged shows that growth is seen.
func TestUsageIsJudged(t *testing.T) {
	x, y := []float64{0, 1, 2, 3}, []float64{5, 7, 9, 11}
	if got := slope(x, y); got != 2 {
		t.Errorf("slope %v, want 2", got)
	}
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("median %v, want 2", got)
	}
	now, err := processUsage(os.Getpid())
	if err != nil || now["other descriptors"] < 3 || now["other mappings"] < 3 || now["anonymous MB"] <= 0 {
		t.Errorf("of this process: %v, %v", now, err)
	}
}
