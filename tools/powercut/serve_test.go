package powercut

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/internal/killtest"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
)

const (
	// serveBudget is how long TestServerPowerCuts goes on when it is not told a
	// number; told one, it makes a tenth as many cuts as TestPowerCuts.
	serveBudget = 15 * time.Second
	// serveCutsPerDisk is how many power cuts one disk and its ledger go through.
	serveCutsPerDisk = 10
	// serveRequestsMax bounds the requests to the disk before a cut.
	serveRequestsMax = 600
	serveStream      = "cut"
)

// buildServer builds the command from the module that this one tests.
func buildServer(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "millrace")
	if out, err := exec.CommandContext(t.Context(), "go", "-C", "../..", "build", "-o", binary, "./cmd/millrace").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// startServer starts the command on a directory.
func startServer(t *testing.T, binary, dir string) (*killtest.Process, error) {
	return killtest.Start(t.Context(), binary, "serve", "--data", filepath.Join(dir, "data"), "--native-address", "127.0.0.1:0",
		"--admin-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--segment-bytes-min", "64KiB", "--segment-bytes-max", "1MiB", "--output", "jsonl")
}

// createStream makes a stream whose acknowledgements mean that it is on the
// disk.
func createStream(t *testing.T, address, name string, shards int) {
	t.Helper()
	cl, err := client.New(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := cl.CreateStream(t.Context(), client.StreamConfig{Name: name, Shards: shards, Durability: record.Group, RetentionTime: -1}); err != nil {
		t.Fatal(err)
	}
}

// servedDisk is a disk that goes from one server to the next.
type servedDisk struct {
	t      *testing.T
	binary string
	dir    string
	random *rand.Rand
	files  *crashfs.FS
	ledger *killtest.Ledger
	fault  func(vfs.Call) Fault
	early  int // power cuts before the server was ready and verified
}

// prepare creates the stream, with power.
func (s *servedDisk) prepare() {
	disk, err := Mount(s.dir, s.files, Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	process, err := startServer(s.t, s.binary, s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	createStream(s.t, process.Address, serveStream, 4)
	if err := process.Stop(); err != nil {
		s.t.Fatal(err)
	}
	if err := disk.Unmount(); err != nil {
		s.t.Fatal(err)
	}
}

// live runs one server until the power is cut, or with cutAfter 0 only verifies
// what it holds.
func (s *servedDisk) live(cutAfter int64) error {
	disk, err := Mount(s.dir, s.files, Options{
		WriteBack: s.random.IntN(3) == 0, CutAfter: cutAfter, Random: rand.New(rand.NewPCG(s.random.Uint64(), 2)),
	})
	if err != nil {
		return err
	}
	disk.SetFault(s.fault)
	defer func() {
		if err := disk.Unmount(); err != nil {
			s.t.Error(err)
		}
	}()
	// Nobody waits for a server whose disk is gone, as a client would.
	powered, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	watched := make(chan struct{})
	defer func() { cancel(); <-watched }()
	go func() {
		defer close(watched)
		select {
		case <-disk.Gone():
			cancel()
		case <-powered.Done():
		}
	}()
	process, err := startServer(s.t, s.binary, s.dir)
	if err == nil {
		if err = killtest.Verify(powered, process.Address, serveStream, s.ledger, true); err == nil && cutAfter == 0 {
			return process.Stop()
		}
	}
	if err != nil {
		if process != nil {
			_ = process.Kill() // it may have ended by itself
		}
		if !disk.dead.Load() || s.ledger.Err() != nil {
			return fmt.Errorf("verify (power: %v, %d requests): %w", !disk.dead.Load(), disk.Requests(), err)
		}
		s.early++
		s.files = disk.Cut(s.random)
		return nil
	}
	return killtest.Write(s.t.Context(), process.Address, s.ledger, killtest.Workload{
		Stream: serveStream, RecordSize: 16 + s.random.IntN(500), Keys: 1 + s.random.IntN(64), KillAfter: math.MaxInt,
		// It is called when the cut has made the server refuse a record.
		Kill: func() error {
			s.files = disk.Cut(s.random)
			return process.Kill()
		},
	})
}

// newServedDisk makes a disk that holds an empty stream.
func newServedDisk(t *testing.T, binary string, seed uint64) *servedDisk {
	s := &servedDisk{
		t: t, binary: binary, dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 3)),
		files: crashfs.New(crashfs.Options{}), ledger: killtest.NewLedger(),
	}
	s.prepare()
	return s
}

// TestServerPowerCuts does with the whole server what TestPowerCuts does with
// its logs: a client sends records while the power of the server's disk is cut.
func TestServerPowerCuts(t *testing.T) {
	mountable(t)
	seed, wanted, binary := rand.Uint64(), cutsWanted(t)/10, buildServer(t)
	t.Logf("seed %d", seed)
	cuts, early, sent, acknowledged, began := 0, 0, 0, 0, time.Now()
	more := func() bool {
		return wanted > 0 && cuts < wanted || wanted == 0 && time.Since(began) < serveBudget
	}
	for disks := uint64(0); more(); disks++ {
		s := newServedDisk(t, binary, seed+disks)
		for n := 0; n < serveCutsPerDisk && more(); n++ {
			if err := s.live(int64(math.Exp(s.random.Float64() * math.Log(serveRequestsMax)))); err != nil {
				t.Fatalf("disk %d, cut %d: %v", disks, n+1, err)
			}
			cuts++
		}
		if err := s.live(0); err != nil {
			t.Fatalf("disk %d, after its cuts: %v", disks, err)
		}
		early, sent, acknowledged = early+s.early, sent+s.ledger.Sent(), acknowledged+s.ledger.Acknowledged()
	}
	t.Logf("%d power cuts in %v, %d before the server had shown all records: %d records sent, %d acknowledged, 0 lost, 0 duplicated, 0 phantom",
		cuts, time.Since(began).Round(time.Second), early, sent, acknowledged)
}

// TestServerPowerCutsFindALie plants the bug that the test above is there for:
// an fdatasync that does nothing.
func TestServerPowerCutsFindALie(t *testing.T) {
	mountable(t)
	s := newServedDisk(t, buildServer(t), 1)
	s.fault = func(c vfs.Call) Fault { return Fault{Lie: c.Operation == vfs.OperationSync} }
	for cut := range 20 {
		if err := s.live(300); err != nil {
			t.Logf("found by cut %d: %.300v", cut+1, err)
			return
		}
	}
	t.Error("not noticed in 20 cuts")
}
