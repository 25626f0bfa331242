package main

import (
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/internal/terminal"
)

// command runs one command line as a function.
func command(t *testing.T, input io.Reader, signals <-chan os.Signal, args ...string) (code int, out, errOut string) {
	t.Helper()
	streams, outBuffer, errBuffer := terminal.Test("")
	streams.In = input
	noEnvironment := func(string) (string, bool) { return "", false }
	code = execute(context.Background(), args, streams, noEnvironment, signals)
	return code, outBuffer.String(), errBuffer.String()
}

// served starts a server with a stream and returns its address.
func served(t *testing.T, stream string) string {
	t.Helper()
	addr, stop, err := startTestServer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	if code, _, errOut := command(t, nil, nil, "stream", "create", stream, "--addr", addr); code != 0 {
		t.Fatalf("create: exit code %d\n%s", code, errOut)
	}
	return addr
}

// TestInterruptedPutDrains sends Ctrl-C to a put that waits for more input: what
// it had read is acknowledged, and said so.
func TestInterruptedPutDrains(t *testing.T) {
	addr := served(t, "demo")
	in, typist := io.Pipe()
	signals := make(chan os.Signal, 1)
	go func() {
		// The pipe has no buffer: the second write returns when the first line
		// has been read for sure.
		_, _ = io.WriteString(typist, "first\n")
		_, _ = io.WriteString(typist, "sec")
		signals <- os.Interrupt
	}()
	code, out, errOut := command(t, in, signals, "put", "demo", "--key", "k", "--addr", addr)
	typist.Close()
	if code != exitInterrupted || out != "" || !strings.Contains(errOut, "put demo: 1 record,") {
		t.Errorf("exit code %d, output %q\n%s", code, out, errOut)
	}
	if code, out, errOut = command(t, nil, nil, "get", "demo", "--addr", addr); code != 0 || out != "first\n" {
		t.Errorf("exit code %d, the stream holds %q\n%s", code, out, errOut)
	}
}

// TestInterruptedTail sends Ctrl-C to a tail once it has printed what there is.
func TestInterruptedTail(t *testing.T) {
	addr := served(t, "demo")
	if code, _, errOut := command(t, strings.NewReader("hello\n"), nil, "put", "demo", "--addr", addr); code != 0 {
		t.Fatalf("put: exit code %d\n%s", code, errOut)
	}
	streams, _, errOut := terminal.Test("")
	signals := make(chan os.Signal, 1)
	printed := &onWrite{then: func() { signals <- syscall.SIGTERM }}
	streams.Out = printed
	code := execute(context.Background(), []string{"tail", "demo", "--addr", addr}, streams, os.LookupEnv, signals)
	if code != exitInterrupted || printed.text != "hello\n" {
		t.Errorf("exit code %d, printed %q\n%s", code, printed.text, errOut)
	}
}

// onWrite keeps what is written and acts on the first write.
type onWrite struct {
	text string
	then func()
}

func (w *onWrite) Write(b []byte) (int, error) {
	if w.text == "" {
		w.then()
	}
	w.text += string(b)
	return len(b), nil
}

// TestTailFollows starts a tail on an empty stream and puts records meanwhile.
func TestTailFollows(t *testing.T) {
	addr := served(t, "demo")
	streams, _, errOut := terminal.Test("")
	signals := make(chan os.Signal, 1)
	printed := &onWrite{then: func() { signals <- syscall.SIGTERM }}
	streams.Out = printed
	ended := make(chan int)
	go func() {
		ended <- execute(context.Background(), []string{"tail", "demo", "--last", "-1", "--format", "%k=%v", "--addr", addr}, streams, os.LookupEnv, signals)
	}()
	if code, _, errOut := command(t, strings.NewReader("hello\n"), nil, "put", "demo", "--key", "k", "--addr", addr); code != 0 {
		t.Fatalf("put: exit code %d\n%s", code, errOut)
	}
	if code := <-ended; code != exitInterrupted || printed.text != "k=hello\n" {
		t.Errorf("exit code %d, printed %q\n%s", code, printed.text, errOut)
	}
}

func TestDeleteAsksOnATerminal(t *testing.T) {
	addr := served(t, "demo")
	for _, c := range []struct {
		answer string
		want   int
	}{{"no\n", exitUsage}, {"", exitUsage}, {"demo\n", exitOK}} {
		streams, _, errOut := terminal.Test(c.answer)
		streams.InTTY, streams.ErrTTY = true, true
		code := execute(context.Background(), []string{"stream", "delete", "demo", "--addr", addr}, streams, os.LookupEnv, nil)
		if code != c.want || !strings.Contains(errOut.String(), "Type the name") {
			t.Errorf("answer %q: exit code %d\n%s", c.answer, code, errOut)
		}
	}
}
