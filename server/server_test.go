package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/server"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

func config(t *testing.T) server.Config {
	c := server.Config{DataDirectory: t.TempDir(), NativeAddress: "127.0.0.1:0", AdminAddress: "127.0.0.1:0", HTTPAddress: "127.0.0.1:0"}
	if raceEnabled {
		c.Store.Backend, c.Store.FS = wal.BackendHeap, crashfs.New(crashfs.Options{})
	}
	return c
}

func start(t *testing.T, c server.Config) *server.Server {
	t.Helper()
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shutdown(s); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func shutdown(s *server.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.Shutdown(ctx)
}

// get returns the answer of the admin listener.
func get(t *testing.T, s *server.Server, path string) (code int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.AdminAddress()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read)
}

func TestServesTheNativeProtocol(t *testing.T) {
	s := start(t, config(t))
	socket, err := net.Dial("tcp", s.NativeAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if _, err := socket.Write(protocol.Hello{Version: 1}.AppendTo(nil, 1)); err != nil {
		t.Fatal(err)
	}
	message, err := protocol.NewReader(socket, 0).Next()
	if err != nil || message.Type != protocol.TypeWelcome {
		t.Fatal(message.Type, err)
	}
}

func TestHealth(t *testing.T) {
	s := start(t, config(t))
	if code, body := get(t, s, "/livez"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("livez: %d %q", code, body)
	}
	code, body := get(t, s, "/readyz?verbose")
	if code != http.StatusOK {
		t.Errorf("readyz: %d", code)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"status": "ok",
		"components": map[string]any{
			"store":  map[string]any{"status": "ok"},
			"http":   map[string]any{"status": "ok"},
			"native": map[string]any{"status": "ok"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if code, _ := get(t, s, "/debug/pprof/cmdline"); code != http.StatusOK {
		t.Errorf("pprof: %d", code)
	}
}

func TestMetricsCountWhatHappened(t *testing.T) {
	c := config(t)
	c.ShardMetrics = true
	s := start(t, c)
	made, err := s.Store().Create(t.Context(), stream.Config{Name: "orders", Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := made.Put(t.Context(), record.Record{PartitionKey: "k", ExplicitHash: &record.HashKey{}}); err != nil {
			t.Fatal(err)
		}
	}
	_, body := get(t, s, "/metrics")
	for _, line := range []string{
		`millrace_stream_incoming_records_total{shard="shardId-000000000000",stream="orders"} 3`,
		`millrace_stream_incoming_records_total{shard="shardId-000000000001",stream="orders"} 0`,
		`millrace_store_streams 1`,
		`millrace_native_connections 0`,
		`millrace_native_append_seconds_count 0`,
		`# TYPE millrace_wal_sync_seconds summary`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
}

func TestRefusesToServeStrangersWithoutAuthentication(t *testing.T) {
	for _, change := range []func(c *server.Config){
		func(c *server.Config) { c.NativeAddress = "0.0.0.0:0" },
		func(c *server.Config) { c.NativeAddress = ":0" },
		func(c *server.Config) { c.AdminAddress = ":0" },
	} {
		c := config(t)
		change(&c)
		s, err := server.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(t.Context()); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("err = %v, want InvalidArgument", err)
			_ = shutdown(s)
		}
	}
	c := config(t)
	c.NativeAddress, c.Insecure = "0.0.0.0:0", true
	start(t, c)
}

func TestStartFailsCleanly(t *testing.T) {
	c := config(t)
	first := start(t, c)
	second, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); !errors.Is(err, failure.Conflict) {
		t.Errorf("a second server over one directory: %v", err)
	}
	c = config(t)
	c.NativeAddress = first.NativeAddress()
	taken, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.Start(t.Context()); !errors.Is(err, failure.Unavailable) {
		t.Errorf("an address that is taken: %v", err)
	}
	if err := taken.Start(t.Context()); !errors.Is(err, failure.Conflict) {
		t.Errorf("starting twice: %v", err)
	}
	if _, err := server.New(server.Config{}); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("no directory: %v", err)
	}
}

// lines collects what is logged.
type lines struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

func TestLogsOneLinePerChangeOfState(t *testing.T) {
	c, log := config(t), new(lines)
	c.Logger = slog.New(slog.NewJSONHandler(log, nil))
	s := start(t, c)
	made, err := s.Store().Create(t.Context(), stream.Config{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := made.Put(t.Context(), record.Record{PartitionKey: "k"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Store().Delete(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	if err := shutdown(s); err != nil {
		t.Fatal(err)
	}
	var events []string
	for line := range strings.Lines(log.String()) {
		var event struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		if event.Msg != "sync stalled" { // the machine's business
			events = append(events, event.Msg)
		}
	}
	want := []string{"serving", "data directory open", "serving", "serving", "stream created", "stream deleted", "stopping", "stopped"}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Error(diff)
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	c := config(t)
	first := start(t, c)
	made, err := first.Store().Create(t.Context(), stream.Config{Name: "orders", Durability: record.None})
	if err != nil {
		t.Fatal(err)
	}
	at, err := made.Put(t.Context(), record.Record{PartitionKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if err := shutdown(first); err != nil {
		t.Fatal(err)
	}
	second := start(t, c)
	found, err := second.Store().Stream("orders")
	if err != nil {
		t.Fatal(err)
	}
	if next := found.Describe().Shards[at.Shard].Next; next != at.Sequence+1 {
		t.Errorf("next = %d", next)
	}
}
