package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/internal/killtest"
	"github.com/millrace-io/millrace/record"
)

const (
	killRoundsDefault = 500
	killRoundsShort   = 10
	killStream        = "killed"
	// fullEvery is how often everything is read again, not only what is new.
	fullEvery = 50
	// killAfterMax is the most acknowledgements before a kill.
	killAfterMax = 1500
	// killEpoch is how many rounds share a directory and a ledger, whose memory
	// grows with every record sent.
	killEpoch = 100
	// killOnDisk is one in how many epochs is on the ordinary file system. The
	// others are on a tmpfs: the kernel loses nothing of a killed process on
	// either, and what waits for a device is not more rounds.
	killOnDisk = 5
	// killMemory is where Linux keeps a tmpfs for everybody.
	killMemory = "/dev/shm"
)

// killRounds is how many rounds to run: MILLRACE_KILL_ROUNDS, or the default.
func killRounds(t *testing.T) int {
	text, found := os.LookupEnv("MILLRACE_KILL_ROUNDS")
	if !found {
		if testing.Short() {
			return killRoundsShort
		}
		return killRoundsDefault
	}
	rounds, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("MILLRACE_KILL_ROUNDS: %v", err)
	}
	return rounds
}

// buildBinary builds the command once.
func buildBinary(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "millrace")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// TestKill kills a server under load, restarts it on the same directory, and
// checks that it kept its promises, many times over. The random choices follow
// from a seed that is printed, but the moment of a kill does not repeat exactly.
func TestKill(t *testing.T) {
	binary := buildBinary(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	rounds := killRounds(t)
	for _, c := range []struct {
		durability record.Durability
		rounds     int
	}{
		{record.Group, rounds},
		// A process that dies loses nothing in the weaker modes either: the
		// kernel has every acknowledged record.
		{record.Interval, rounds / 10},
		{record.None, rounds / 10},
	} {
		t.Run(c.durability.String(), func(t *testing.T) {
			for epoch := 0; epoch*killEpoch < c.rounds; epoch++ {
				rounds := min(c.rounds-epoch*killEpoch, killEpoch)
				killRepeatedly(t, binary, killDirectory(t, epoch), random, c.durability, rounds)
			}
		})
	}
}

// killDirectory returns where the data of an epoch goes.
func killDirectory(t *testing.T, epoch int) string {
	t.Helper()
	if epoch%killOnDisk != 0 {
		if dir, err := os.MkdirTemp(killMemory, "millrace-kill-"); err == nil {
			t.Cleanup(func() { os.RemoveAll(dir) })
			return dir
		}
	}
	return t.TempDir()
}

// killRepeatedly runs rounds on one data directory.
func killRepeatedly(t *testing.T, binary, dir string, random *rand.Rand, durability record.Durability, rounds int) {
	t.Helper()
	data := filepath.Join(dir, "data")
	start := func() *killtest.Process {
		// Small segments, so that kills meet rolls and seals as well.
		p, err := killtest.Start(t.Context(), binary, "serve", "--data", data, "--native-address", "127.0.0.1:0",
			"--admin-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--segment-bytes-min", "64KiB", "--segment-bytes-max", "1MiB", "--output", "jsonl")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	ledger := killtest.NewLedger()
	began := time.Now()
	process := start()
	createKilled(t, process.Address, durability)
	for round := 1; round <= rounds; round++ {
		w := killtest.Workload{
			Stream:     killStream,
			RecordSize: 16 + random.IntN(500),
			Keys:       1 + random.IntN(64),
			KillAfter:  random.IntN(killAfterMax),
			Kill:       process.Kill,
		}
		if random.IntN(10) == 0 {
			w.KillAfter = 0
		}
		if err := killtest.Write(t.Context(), process.Address, ledger, w); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if random.IntN(10) == 0 { // a second kill, of a server that has just recovered
			if err := start().Kill(); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		process = start()
		full := round%fullEvery == 0 || round == rounds
		if err := killtest.Verify(t.Context(), process.Address, killStream, ledger, full); err != nil {
			t.Fatalf("round %d, killed after %d acknowledgements: %v", round, w.KillAfter, err)
		}
	}
	if err := process.Stop(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(data, "log-*", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rounds, %d records sent, %d acknowledged, 0 lost, 0 duplicated, 0 phantom, %d segments, %v",
		rounds, ledger.Sent(), ledger.Acknowledged(), len(segments), time.Since(began).Round(time.Millisecond))
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
}

// createKilled makes the stream of the test.
func createKilled(t *testing.T, address string, durability record.Durability) {
	t.Helper()
	cl, err := client.New(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := cl.CreateStream(t.Context(), client.StreamConfig{Name: killStream, Shards: 4, Durability: durability, RetentionTime: -1}); err != nil {
		t.Fatal(err)
	}
}
