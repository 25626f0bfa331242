package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/internal/terminal"
)

func TestParseSeeds(t *testing.T) {
	got, err := parseSeeds("orders:4, clicks,views:2:eu-west-1")
	want := []seed{{"orders", 4}, {"clicks", 1}, {"views", 2}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(seed{})); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	for _, text := range []string{"", ":1", "a:x", "a:0", "a:1:b:c", "a,,b"} {
		if got, err := parseSeeds(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestBannerNamesOtherAddressesOnly(t *testing.T) {
	if text := banner("127.0.0.1:4567", addrDefault, "127.0.0.1:4569", "data", "demo"); !strings.Contains(text, "\n  echo hello | millrace put demo\n  millrace tail demo\n") {
		t.Errorf("the words of the quick start are missing:\n%s", text)
	}
	if text := banner("127.0.0.1:4567", "127.0.0.1:9", "127.0.0.1:8", "data", "demo"); !strings.Contains(text, "tail demo --addr 127.0.0.1:9\n") {
		t.Errorf("the address is missing:\n%s", text)
	}
}

func TestBannerSaysWhichKeysAreTaken(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:4567": "any access key is taken", "[::1]:4567": "any access key is taken",
		"0.0.0.0:4567": "millrace auth create-key", "[::]:4567": "millrace auth create-key",
	} {
		if text := banner(address, addrDefault, "127.0.0.1:4569", "data", "demo"); !strings.Contains(text, want) {
			t.Errorf("%s: %q is missing in\n%s", address, want, text)
		}
	}
}

// TestDev runs the quick start: the commands that the banner shows work, and
// nothing is left behind.
func TestDev(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	streams, _, errOut := terminal.Test("")
	signals := make(chan os.Signal, 1)
	ready := make(chan string, 1)
	streams.Out = writerFunc(func(b []byte) { ready <- string(b) })
	environment := func(name string) (string, bool) {
		return map[string]string{initializeVariable: "orders:2"}[name], name == initializeVariable
	}
	ended := make(chan int)
	go func() {
		ended <- execute(context.Background(), []string{"dev", "--addr", "127.0.0.1:0", "--admin-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"}, streams, environment, signals)
	}()
	var text string
	select {
	case text = <-ready:
	case code := <-ended:
		t.Fatalf("exit code %d\n%s", code, errOut)
	}
	found := regexp.MustCompile(`millrace put orders --addr (\S+)`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no address in\n%s", text)
	}
	if code, _, errOut := command(t, strings.NewReader("hello\n"), nil, "put", "orders", "--addr", found[1]); code != 0 {
		t.Errorf("put: exit code %d\n%s", code, errOut)
	}
	if code, out, errOut := command(t, nil, nil, "tail", "orders", "--no-follow", "--addr", found[1]); code != 0 || out != "hello\n" {
		t.Errorf("tail: exit code %d, %q\n%s", code, out, errOut)
	}
	signals <- os.Interrupt
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d\n%s", code, errOut)
	}
	if left, err := filepath.Glob(os.TempDir() + "/*"); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// writerFunc is a function as io.Writer.
type writerFunc func(b []byte)

func (w writerFunc) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

func TestServeRefusesWhatCannotBeMeant(t *testing.T) {
	for _, args := range [][]string{
		{"serve", "--backend", "paper"},
		{"serve", "--log-format", "xml"},
		{"serve", "--log-level", "loud"},
		{"serve", "--segment-bytes-max", "big"},
		{"dev", "extra"},
	} {
		if code, _, errOut := command(t, nil, nil, args...); code != exitUsage {
			t.Errorf("%v: exit code %d\n%s", args, code, errOut)
		}
	}
	addr, stop, err := startTestServer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	code, _, errOut := command(t, nil, nil, "serve", "--data", t.TempDir(), "--native-address", addr, "--admin-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0")
	if code != exitConflict || !strings.Contains(errOut, "another server listens there") {
		t.Errorf("a taken address: exit code %d\n%s", code, errOut)
	}
}
