package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/server/access"
	"github.com/millrace-io/millrace/server/control"
	"github.com/millrace-io/millrace/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keysOf opens a data directory and returns its keys.
func keysOf(t *testing.T, dir string) *access.Keys {
	t.Helper()
	store, err := stream.Open(dir, stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := access.Open(store, "000000000000", nil)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// serve runs a server on the socket of a directory until stop.
func serve(t *testing.T, dir string, keys *access.Keys, log io.Writer) (stop func()) {
	t.Helper()
	listener, err := control.Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	s := control.New(keys, slog.New(slog.NewTextHandler(log, nil)))
	ended := make(chan error)
	go func() { ended <- s.Serve(listener) }()
	return func() {
		t.Helper()
		if err := errors.Join(s.Shutdown(context.Background()), <-ended); err != nil {
			t.Error(err)
		}
	}
}

func TestKeysOverTheSocket(t *testing.T) {
	dir, log := t.TempDir(), new(bytes.Buffer)
	keys := keysOf(t, dir)
	stop := serve(t, dir, keys, log)
	c, err := control.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	key, secret, err := c.Create(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if found, known := keys.Lookup(key.ID); !known || found.Secret != secret || found.Disabled || key.User != "ada" {
		t.Errorf("%+v is not the server's %+v", key, found)
	}
	for _, disabled := range []bool{true, false} {
		changed, err := c.SetDisabled(t.Context(), key.ID, disabled)
		if found, _ := keys.Lookup(key.ID); err != nil || changed.Disabled != disabled || found.Disabled != disabled {
			t.Errorf("disabled %v: got %+v, %v; the server has %+v", disabled, changed, err, found)
		}
	}
	if all, err := c.List(t.Context()); err != nil || len(all) != 1 || all[0] != key {
		t.Errorf("listed %+v, %v", all, err)
	}
	if _, _, err := c.Create(t.Context(), "a/b"); !errors.Is(err, failure.InvalidArgument) || !strings.Contains(err.Error(), "does not match") {
		t.Errorf("a bad name: %v", err)
	}
	for _, id := range []string{"AKIANOBODY", "a/b", "..", "%2f", ""} {
		if _, err := c.SetDisabled(t.Context(), id, true); err == nil {
			t.Errorf("key %q was disabled", id)
		}
	}
	c.Close()
	stop()
	if _, err := control.Dial(t.Context(), dir); !errors.Is(err, failure.Unavailable) {
		t.Errorf("after the end: %v", err)
	}
	if strings.Contains(log.String(), secret) || strings.Count(log.String(), key.ID) != 3 {
		t.Errorf("logged:\n%s", log)
	}
}

// The socket is its owner's only, takes the place of one that a dead server left, and goes with the
// server.
func TestSocketFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, control.Name)
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(stale.Close(), os.Mkdir(filepath.Join(dir, ".control"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Dial(t.Context(), dir); !errors.Is(err, failure.Unavailable) {
		t.Errorf("a dead server answers: %v", err)
	}
	l, err := control.Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	c, err := control.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := control.Listen(t.Context(), filepath.Join(dir, "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no directory: %v", err)
	}
}

func TestPathTooLong(t *testing.T) {
	for length, fine := range map[int]bool{87: true, 88: false} { // with a slash and 12 more
		dir := strings.Repeat("d", length)
		path, err := control.Path(dir)
		if fine && (err != nil || len(path) != 100) || !fine && !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("%d: %q, %v", length, path, err)
		}
		_, err = control.Listen(t.Context(), dir)
		if _, dialled := control.Dial(t.Context(), dir); !fine && (!errors.Is(err, failure.InvalidArgument) || !errors.Is(dialled, failure.InvalidArgument)) {
			t.Errorf("%d: listen %v, dial %v", length, err, dialled)
		}
	}
	// The longest that is called fine can be listened on.
	base := t.TempDir()
	dir := filepath.Join(base, strings.Repeat("d", max(1, 86-len(base))))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Path(dir); err != nil {
		t.Skipf("the temporary directory is too deep: %v", err)
	}
	l, err := control.Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// What is not of its protocol is refused, and changes nothing.
func TestOtherRequests(t *testing.T) {
	keys := keysOf(t, t.TempDir())
	s := control.New(keys, slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/", "", http.StatusNotFound},
		{"DELETE", "/keys", "", http.StatusMethodNotAllowed},
		{"POST", "/keys", "", http.StatusBadRequest},
		{"POST", "/keys", `{"user":7}`, http.StatusBadRequest},
		{"POST", "/keys", `{"user":"ada","account":"1"}`, http.StatusBadRequest},
		{"POST", "/keys", `{"user":"` + strings.Repeat("a", 5000) + `"}`, http.StatusBadRequest},
		{"PUT", "/keys/AKIANOBODY", `{"disabled":true}`, http.StatusNotFound},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.status {
			t.Errorf("%s %s %.40s: %d, want %d", c.method, c.path, c.body, w.Code, c.status)
		}
	}
	if all := keys.List(); len(all) != 0 {
		t.Errorf("keys were made: %v", all)
	}
}
