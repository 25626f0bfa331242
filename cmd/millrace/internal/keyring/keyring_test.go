package keyring_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/cmd/millrace/internal/keyring"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const account = "000000000000"

// A directory that somebody has open who cannot be asked is a conflict, and the message says why he
// cannot: there is no socket, or its path would be too long.
func TestOpenElsewhere(t *testing.T) {
	deep := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	for dir, why := range map[string]string{t.TempDir(): "control.sock: connect: ", deep: "a socket's may have 100"} {
		store, err := stream.Open(dir, stream.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = keyring.Open(t.Context(), keyring.Options{Directory: dir, Account: account})
		if !errors.Is(err, failure.Conflict) || !strings.Contains(err.Error(), why) {
			t.Errorf("%v does not say %q", err, why)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		// Now nobody has it.
		keys, err := keyring.Open(t.Context(), keyring.Options{Directory: dir, Account: account})
		if err != nil {
			t.Fatal(err)
		}
		made, _, err := keys.Create(t.Context(), "ada")
		if err != nil {
			t.Error(err)
		}
		if all, err := keys.List(t.Context()); err != nil || len(all) != 1 || all[0] != made {
			t.Errorf("listed %v, %v", all, err)
		}
		if err := keys.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestNoDataDirectory(t *testing.T) {
	empty, other := t.TempDir(), t.TempDir()
	file := filepath.Join(other, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    keyring.Options
		want failure.Kind
	}{
		{keyring.Options{Directory: filepath.Join(empty, "gone"), Account: account, Begin: true}, failure.NotFound},
		{keyring.Options{Directory: empty, Account: account}, failure.NotFound},
		{keyring.Options{Directory: other, Account: account, Begin: true}, failure.NotFound},
		{keyring.Options{Directory: file, Account: account, Begin: true}, failure.InvalidArgument},
	} {
		if _, err := keyring.Open(t.Context(), c.o); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.o, err, c.want)
		}
		if left, err := os.ReadDir(empty); err != nil || len(left) != 0 {
			t.Errorf("%+v made %v, %v", c.o, left, err)
		}
	}
}
