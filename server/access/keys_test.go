package access_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/auth"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/server/access"
	"github.com/millrace-io/millrace/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const account = "123456789012"

// open opens the keys of a directory until close.
func open(t *testing.T, dir string) (keys *access.Keys, store *stream.Store) {
	t.Helper()
	store, err := stream.Open(dir, stream.Options{RetentionInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	keys, err = access.Open(store, account, fixed{clock.System()})
	if err != nil {
		t.Fatal(err)
	}
	return keys, store
}

var created = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// fixed is a clock that stands still.
type fixed struct{ clock.Clock }

func (fixed) Now() time.Time { return created.Add(time.Millisecond) }

func TestKeysAreKept(t *testing.T) {
	dir := t.TempDir()
	keys, store := open(t, dir)
	bob, _, err := keys.Create("bob")
	if err != nil {
		t.Fatal(err)
	}
	ada, secret, err := keys.Create("ada")
	if err != nil {
		t.Fatal(err)
	}
	if ada.Created != created || ada.Account != account || ada.Principal() != "arn:aws:iam::123456789012:user/ada" {
		t.Errorf("%+v", ada)
	}
	if bob, err = keys.SetDisabled(bob.ID, true); err != nil || !bob.Disabled {
		t.Errorf("%+v, %v", bob, err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	keys, store = open(t, dir)
	defer store.Close()
	if diff := cmp.Diff([]access.Key{ada, bob}, keys.List()); diff != "" {
		t.Error(diff)
	}
	want := auth.Credential{AccessKeyID: ada.ID, Secret: secret, Account: account, Principal: ada.Principal()}
	if got, found := keys.Lookup(ada.ID); !found || got != want {
		t.Errorf("looked up %+v, %v", got, found)
	}
	if got, found := keys.Lookup(bob.ID); !found || !got.Disabled {
		t.Errorf("looked up %+v, %v", got, found)
	}
	if _, found := keys.Lookup("AKIANOBODY"); found {
		t.Error("nobody's key was found")
	}
}

func TestWhatIsRefused(t *testing.T) {
	keys, store := open(t, t.TempDir())
	for _, user := range []string{"", "a b", "a/b", "ä", "a\n", strings.Repeat("a", 65)} {
		if _, _, err := keys.Create(user); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("user %q: %v", user, err)
		}
	}
	if _, err := keys.SetDisabled("AKIANOBODY", true); !errors.Is(err, failure.NotFound) {
		t.Errorf("nobody's key: %v", err)
	}
	if _, err := access.Open(store, "1", nil); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("a short account: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := keys.Create("ada"); !errors.Is(err, failure.Closed) || len(keys.List()) != 0 {
		t.Errorf("what was not kept is listed: %v, %v", keys.List(), err)
	}
}

// A key that a newer release has written, and one that is no document, are errors by name: a server
// that left them out would refuse clients without a word.
func TestStrangeRows(t *testing.T) {
	for value, want := range map[string]failure.Kind{`{"version":2}`: failure.NewerVersion, `{`: failure.Corrupt} {
		_, store := open(t, t.TempDir())
		if err := store.Documents().Put("auth/key/AKIAX", []byte(value)); err != nil {
			t.Fatal(err)
		}
		if _, err := access.Open(store, account, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", value, err, want)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A printed credential does not show its secret.
func TestSecretsAreNotPrinted(t *testing.T) {
	keys, store := open(t, t.TempDir())
	defer store.Close()
	key, secret, err := keys.Create("ada")
	if err != nil {
		t.Fatal(err)
	}
	credential, _ := keys.Lookup(key.ID)
	if text := fmt.Sprintf("%v %+v %v %+v", key, key, credential, credential); strings.Contains(text, secret) {
		t.Error(text)
	}
}
