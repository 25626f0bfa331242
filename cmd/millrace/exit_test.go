package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/terminal"
)

func TestExitCodes(t *testing.T) {
	cases := []struct {
		err  error
		want int
	}{
		{nil, 0},
		{io.ErrUnexpectedEOF, 1},
		{usageErrorf("no"), 2},
		{failure.New(failure.InvalidArgument, "create", "0 shards"), 2},
		{fmt.Errorf("get: %w", failure.NotFound), 3},
		{failure.Trimmed, 3},
		{&os.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, 3},
		{failure.AlreadyExists, 4},
		{failure.Fenced, 4},
		{failure.Wrap(failure.Unavailable, "listen", syscall.EADDRINUSE), 4},
		{failure.Throttled, 5},
		{failure.Unavailable, 5},
		{failure.Disconnected, 5},
		{failure.NoSpace, 5},
		{context.DeadlineExceeded, 5},
		{failure.Corrupt, 1},
		{fmt.Errorf("put: %w", terminal.ErrInterrupted), 130},
	}
	for _, c := range cases {
		if got := judge(c.err).code; got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

func TestCancelledByCtrlCIsInterrupted(t *testing.T) {
	streams, _, errOut := terminal.Test("")
	drain, cancel := context.WithCancelCause(t.Context())
	a := &app{Streams: streams, drain: drain}
	if code := a.exit(fmt.Errorf("get: %w", context.Canceled)); code != exitFailed {
		t.Errorf("without a signal: exit code %d", code)
	}
	cancel(terminal.ErrInterrupted)
	if code := a.exit(fmt.Errorf("get: %w", context.Canceled)); code != exitInterrupted {
		t.Errorf("after a signal: exit code %d: %s", code, errOut)
	}
}

func TestMessageSaysCauseAndNext(t *testing.T) {
	streams, out, errOut := terminal.Test("")
	a := &app{Streams: streams, drain: t.Context(), addr: "10.0.0.1:4568"}
	attempt := errors.New("dial: refused")
	a.exit(errors.Join(failure.Wrap(failure.Unavailable, "connect", attempt), attempt, errors.New("b"), errors.New("c"), errors.New("d"), attempt))
	want := `millrace: connect: unavailable: dial: refused
  b
  c
  and 1 more
  likely cause: no server listens at 10.0.0.1:4568, or it is starting or stopping
  next: millrace dev
`
	if errOut.String() != want || out.String() != "" {
		t.Errorf("got:\n%s\nwant:\n%s", errOut, want)
	}
	if got := replaceAddr("millrace stream ls --addr %s", addrDefault); got != "millrace stream ls" {
		t.Errorf("the default address is spelt out: %q", got)
	}
}
