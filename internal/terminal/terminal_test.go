package terminal

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFirstSignalDrainsSecondStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal)
		drain, stop, release := Interrupts(t.Context(), signals)
		defer release()
		if drain.Err() != nil || stop.Err() != nil {
			t.Fatal("cancelled before any signal")
		}
		signals <- os.Interrupt
		<-drain.Done()
		if !Interrupted(drain) || stop.Err() != nil {
			t.Fatalf("after one signal: drain %v, stop %v", context.Cause(drain), stop.Err())
		}
		signals <- os.Interrupt
		<-stop.Done()
		if !Interrupted(stop) {
			t.Fatalf("after two signals: stop %v", context.Cause(stop))
		}
	})
}

func TestReleaseEndsTheWatch(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	drain, stop, release := Interrupts(parent, make(chan os.Signal))
	cancel()
	<-drain.Done()
	<-stop.Done()
	release()
	if Interrupted(drain) || Interrupted(stop) {
		t.Error("a cancelled parent is not an interrupt")
	}
}

func TestProgressWithoutTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		streams, out, errOut := Test("")
		progress := NewProgress(streams, "put", 100<<20)
		progress.Add(1, 1<<20)
		if errOut.String() != "" {
			t.Errorf("a line before ten seconds: %q", errOut)
		}
		time.Sleep(10 * time.Second) // virtual
		progress.Add(1, 49<<20)
		progress.Add(1, 1)
		progress.Done()
		want := "put: 2 records, 50.0 MiB of 100.0 MiB (50 %), 5.2 MB/s\n"
		if errOut.String() != want || out.String() != "" {
			t.Errorf("got %q and %q on standard output, want %q", errOut, out, want)
		}
	})
}

func TestProgressOnTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		streams, out, errOut := Test("")
		streams.ErrTTY = true
		progress := NewProgress(streams, "put", -1)
		time.Sleep(time.Second) // virtual
		progress.Add(1, 1<<20)
		progress.Done()
		if !strings.Contains(errOut.String(), "put") || out.String() != "" {
			t.Errorf("got %q and %q on standard output", errOut, out)
		}
	})
}

func TestSystemHasAWidth(t *testing.T) {
	if streams := System(); streams.Width <= 0 || streams.In == nil || streams.Out == nil || streams.Err == nil {
		t.Errorf("got %+v", streams)
	}
}
