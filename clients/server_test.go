package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace-io/millrace/bench/target/process"
	"github.com/millrace-io/millrace/server/access"
	"github.com/millrace-io/millrace/stream"
)

const (
	// startMax is how long a server may take to start.
	startMax = time.Minute
	// readyMark is in the line that the server prints when it is ready.
	readyMark = "127.0.0.1:"

	region = "eu-central-1"

	// statusDelay is how long streams show that they are CREATING or UPDATING: long enough for
	// clients to see it and wait.
	statusDelay = "100ms"
)

// root is the top of the repository.
const root = ".."

// built is the path of the program, built once for all tests.
var built = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs(filepath.Join(root, ".cache", "clients", "millrace"))
	if err != nil {
		return "", err
	}
	command := exec.Command("go", "-C", root, "build", "-o", path, "./cmd/millrace")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(output)))
	}
	return path, nil
})

// millrace is a server that runs, as a process.
type millrace struct {
	binary      string
	address     string // of the API of AWS
	native      string
	certificate string // its file
	key         access.Key
	secret      string
	log         string // the file that it writes its log to
	stop        func() // may be called again
}

// start starts a server that verifies signatures by one access key. It is stopped at the end of
// the test, and must then stop without an error.
func start(t *testing.T) *millrace {
	t.Helper()
	return startWith(t, "--signatures", "--status-delay", statusDelay)
}

// slow starts a server whose streams stay CREATING, for what such streams refuse, and returns the
// variable that tells a program where it is. It believes any signature.
func slow(t *testing.T) string {
	t.Helper()
	return "MILLRACE_SLOW_ENDPOINT=http://" + startWith(t, "--status-delay", "1h").address
}

// startWith starts a server with more flags.
func startWith(t *testing.T, flags ...string) *millrace {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	m := &millrace{binary: binary, certificate: filepath.Join(data, "tls", "certificate.pem")}
	m.key, m.secret = createKey(t, data)
	m.log = filepath.Join(t.TempDir(), "log")
	server, err := process.Start(t.Context(), process.Command{Path: "sh", Args: append([]string{
		"-c", `exec "$0" "$@" 2>` + m.log, binary,
		"serve", "--data", data, "--http-address", "127.0.0.1:0", "--native-address", "127.0.0.1:0",
		"--admin-address", "127.0.0.1:0", "--log-level", "debug", "--log-format", "json", "--output", "jsonl",
	}, flags...)})
	if err != nil {
		t.Fatal(err)
	}
	m.stop = func() {
		if err := server.Stop(); err != nil {
			t.Errorf("the server: %v", err)
		}
	}
	t.Cleanup(func() {
		m.stop()
		if log, err := os.ReadFile(m.log); t.Failed() {
			t.Logf("the server said (%v):\n%s", err, last(log))
		}
	})
	err = server.Ready(t.Context(), startMax, func(context.Context) error { return m.findAddresses(server.Output()) })
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// findAddresses reads where the server listens, from what it prints when it is ready.
func (m *millrace) findAddresses(output string) error {
	for line := range strings.Lines(output) {
		if strings.Contains(line, readyMark) && strings.HasPrefix(line, "{") && strings.HasSuffix(strings.TrimSpace(line), "}") {
			return m.decode(line)
		}
	}
	return errors.New("the server has not printed its addresses yet")
}

// observe stops the server and adds to a report what the log of requests shows: programs that use a
// library which sends requests by itself do not know of them.
func (m *millrace) observe(t *testing.T, r *Report) {
	t.Helper()
	m.stop()
	content, err := os.ReadFile(m.log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(content) {
		var l struct {
			Message   string `json:"msg"`
			Operation string `json:"operation"`
			Code      string `json:"code"`
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if l.Message != "request" || l.Operation == "" {
			continue
		}
		r.add(l.Operation, l.Code)
	}
}

// createKey makes an access key in a data directory that no server has open yet.
func createKey(t *testing.T, data string) (access.Key, string) {
	t.Helper()
	store, err := stream.Open(data, stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := access.Open(store, account, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, secret, err := keys.Create("clients")
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	return key, secret
}
