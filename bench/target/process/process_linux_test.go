package process

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the thread that starts processes live: see starts.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/millrace-io/millrace/bench/target/process.init.func1.1"))
}

func alive(id int) bool { return !errors.Is(syscall.Kill(id, 0), syscall.ESRCH) }

func TestStopEndsTheWholeFamily(t *testing.T) {
	p, err := Start(t.Context(), Command{Path: "/bin/sh", Args: []string{"-c", `trap "" TERM; sleep 1000 & echo child $!; wait; exec sleep 1000`}})
	if err != nil {
		t.Fatal(err)
	}
	var child int
	if err := p.Ready(t.Context(), time.Minute, func(context.Context) error {
		_, number, found := strings.Cut(p.Output(), "child ")
		if !found {
			return errors.New("no child yet")
		}
		child, _ = strconv.Atoi(strings.TrimSpace(number))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if memory, err := p.Memory(); err != nil || memory <= 0 {
		t.Errorf("memory %d, %v", memory, err)
	}
	if _, err := p.CPU(); err != nil {
		t.Error(err)
	}
	if err := p.Kill(); err != nil || alive(p.ID()) {
		t.Errorf("still there, %v", err)
	}
	for alive(child) {
		// The child is killed; who reaps it is init's business.
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(child) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z") {
			break
		}
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := p.CPU(); err == nil {
		t.Error("a process that ended has a time")
	}
}

func TestReadySaysWhyNot(t *testing.T) {
	p, err := Start(t.Context(), Command{Path: "/bin/sh", Args: []string{"-c", "echo no licence; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	err = p.Ready(t.Context(), time.Minute, func(context.Context) error { return errors.New("refused") })
	if err == nil || !strings.Contains(err.Error(), "no licence") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	if _, err := Start(t.Context(), Command{Path: "/does/not/exist"}); err == nil {
		t.Error("what does not exist was started")
	}
}

func TestFreePort(t *testing.T) {
	port, err := FreePort()
	if err != nil || port == 0 {
		t.Errorf("got %d, %v", port, err)
	}
	if err := Listening("127.0.0.1:" + strconv.Itoa(port))(t.Context()); err == nil {
		t.Error("somebody listens to a free port")
	}
}
