package worker_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/targettest"
	"github.com/millrace-io/millrace/bench/worker"
)

// part is the variable that has this binary play a part instead of testing, and
// watch is the address that one of them reports to.
const (
	part  = "WORKER_TEST_PART"
	watch = "WORKER_TEST_WATCH"
)

func TestMain(m *testing.M) {
	play, found := parts[os.Getenv(part)]
	if found {
		play()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var parts = map[string]func(){
	"worker": func() {
		worker.Main(append(fakes(), watched{&targettest.Log{Name: "watched"}}, closes{&targettest.Log{Name: "closes"}}))
	},
	"crash": func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		fmt.Fprintf(os.Stderr, "panic: planted\n%s\nthe last line\n", strings.Repeat("many stacks ", 10_000))
		os.Exit(7)
	},
	"deaf":    func() { os.Exit(8) },
	"garbage": func() { fmt.Println("hello") },
	"empty":   func() { fmt.Println("{}") },
	"flood": func() {
		for block := strings.Repeat("x", 1<<20); ; {
			if _, err := fmt.Print(block); err != nil {
				os.Exit(9)
			}
		}
	},
	"parent": func() {
		var job runner.Job
		if err := json.NewDecoder(os.Stdin).Decode(&job); err != nil {
			panic(err)
		}
		_, err := as("worker").Run(context.Background(), job)
		panic(err) // it is killed before
	},
}

// as returns this binary in a part.
func as(name string) worker.Program {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return worker.Program{Path: path, Env: []string{part + "=" + name}}
}

// watched is a target that connects to the test when it is opened: the
// connection ends with the process, however that ends.
type watched struct{ *targettest.Log }

// connection is kept open: what nobody refers to is closed by and by.
var connection net.Conn

func (w watched) Open(ctx context.Context, c target.Config) (target.Session, error) {
	var err error
	// A cancelled call would close it while the process goes on.
	if connection, err = new(net.Dialer).DialContext(context.WithoutCancel(ctx), "tcp", os.Getenv(watch)); err != nil {
		return nil, err
	}
	return w.Log.Open(ctx, c)
}

// watcher waits for a watched target; ended returns when its process has.
func watcher(t *testing.T) (opened, ended func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	t.Setenv(watch, listener.Addr().String())
	var connection net.Conn
	opened = func() {
		if connection, err = listener.Accept(); err != nil {
			t.Error(err)
		}
	}
	ended = func() {
		_, _ = io.Copy(io.Discard, connection)
		connection.Close()
	}
	return opened, ended
}

func TestTargets(t *testing.T) {
	got, err := as("worker").Targets(t.Context())
	if err != nil || len(got) != 5 {
		t.Fatalf("got %v, %v", got, err)
	}
	if diff := cmp.Diff(fakes()[1].About(), got[1]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRun(t *testing.T) {
	job := short(t, "plain")
	got, err := as("worker").Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if got.Target != "plain" || got.Latency.Count != 100 || got.EndToEnd.Count != got.Records || len(got.Latency.Curve) == 0 || got.Values["server_memory_bytes"] <= 0 {
		t.Errorf("got %+v", got)
	}
	emptied(t, job)
}

// TestRunKillsAWorker to open what that has left.
func TestRunKillsAWorker(t *testing.T) {
	job := short(t, "plain")
	job.Scenario.Kind, job.Scenario.Crash, job.Scenario.CatchUpPasses = scenario.Restart, true, 1
	job.Scenario.Backlog, job.Scenario.MessageSize = 100<<10, 1<<10
	got, err := as("worker").Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if got.Values["open_crash_records"] != 100 || got.Values["open_crash_ns"] <= 0 {
		t.Errorf("got %v", got.Values)
	}
	emptied(t, job)
	job.Target = "closes"
	if got, err = as("worker").Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if got.Values["open_crash_ns"] <= 0 {
		t.Errorf("what was killed had been closed: %s", got.Notes)
	}
	job.Target = "failing"
	if _, err := as("worker").Run(t.Context(), job); err == nil || !strings.Contains(err.Error(), "planted") {
		t.Errorf("failing: %v", err)
	}
	emptied(t, job)
}

// closes leaves a mark where it was closed, and opens what should have crashed
// only without one.
type closes struct{ *targettest.Log }

// Open implements target.Target.
func (c closes) Open(ctx context.Context, config target.Config) (target.Session, error) {
	mark := filepath.Join(config.Dir, "closed")
	if _, err := os.Stat(mark); err == nil && filepath.Base(config.Dir) == "crashed" {
		return nil, errors.New("it was closed")
	}
	session, err := c.Log.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	return closing{session, mark}, nil
}

type closing struct {
	target.Session
	mark string
}

// Close implements target.Session.
func (c closing) Close() error {
	return errors.Join(c.Session.Close(), os.WriteFile(c.mark, nil, 0o644))
}

func TestRunSaysWhatWentWrong(t *testing.T) {
	_, err := as("worker").Run(t.Context(), short(t, "missing"))
	var unavailable *target.UnavailableError
	if !errors.As(err, &unavailable) || unavailable.Target != "missing" || unavailable.Reason != "no licence" {
		t.Errorf("missing: %v", err)
	}
	failing := endless(t, "failing")
	failing.Scenario.ProducerRate = 0
	if _, err := as("worker").Run(t.Context(), failing); err == nil || !strings.Contains(err.Error(), "planted") {
		t.Errorf("failing: %v", err)
	}
	emptied(t, failing)
	// It does not fit into a pipe, so that the worker ends while it is written.
	large := short(t, "plain")
	large.Scenario.Options["large"] = strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		program worker.Program
		job     runner.Job
		want    []string
		not     string
	}{
		{as("crash"), short(t, "plain"), []string{"short on plain", "exit status 7", "panic: planted", "the last line"}, strings.Repeat("many stacks ", 400)},
		{as("deaf"), large, []string{"exit status 8"}, "pipe"},
		{as("garbage"), short(t, "plain"), []string{"answer"}, "status"},
		{as("empty"), short(t, "plain"), []string{"the answer is empty"}, "status"},
		{as("flood"), short(t, "plain"), []string{"longer than"}, "xxx"},
		{worker.Program{Path: "/does/not/exist"}, short(t, "plain"), []string{"start /does/not/exist"}, "status"},
	} {
		_, err := c.program.Run(t.Context(), c.job)
		if err == nil || errors.As(err, &unavailable) {
			t.Errorf("%v: got %v", c.program, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: got %.300v, want %q", c.program, err, want)
			}
		}
		if strings.Contains(err.Error(), c.not) {
			t.Errorf("%v: %q is in %.300v", c.program, c.not, err)
		}
	}
	if _, err := as("garbage").Targets(t.Context()); err == nil || !strings.Contains(err.Error(), "about") {
		t.Errorf("got %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	opened, ended := watcher(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		// Joined by Run, which cannot end before it.
		opened()
		cancel()
	}()
	job := endless(t, "watched")
	if _, err := as("worker").Run(ctx, job); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	ended()
	emptied(t, job)
	if _, err := as("worker").Run(ctx, job); !errors.Is(err, context.Canceled) {
		t.Errorf("before it began: got %v", err)
	}
}

// TestAWorkerEndsWithItsParent kills the process between this one and a worker.
func TestAWorkerEndsWithItsParent(t *testing.T) {
	opened, ended := watcher(t)
	job := endless(t, "watched")
	encoded, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	path := as("parent")
	parent := exec.CommandContext(t.Context(), path.Path)
	parent.Env = append(os.Environ(), path.Env...)
	parent.Stdin = strings.NewReader(string(encoded))
	parent.Stderr = os.Stderr
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	opened()
	if err := parent.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = parent.Wait()
	ended()
	emptied(t, job)
}
