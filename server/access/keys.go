package access

import (
	"crypto/rand"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace-io/millrace/auth"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/stream"
)

const (
	keyPrefix  = "auth/key/"
	keyVersion = 1
	// keysMax bounds how many keys there are.
	keysMax = 10_000
	page    = 1000
)

// Key is an access key without its secret.
type Key struct {
	ID       string    `json:"access_key_id"`
	User     string    `json:"user"`
	Account  string    `json:"account"`
	Created  time.Time `json:"created"`
	Disabled bool      `json:"disabled,omitempty"`
}

// Principal is the ARN of the key's user.
func (k Key) Principal() string { return "arn:aws:iam::" + k.Account + ":user/" + k.User }

// row is a key as the store has it.
type row struct {
	Version int `json:"version"`
	Key
	Secret string `json:"secret"`
}

// Keys are the access keys of a store. Its methods may be called concurrently.
type Keys struct {
	documents *stream.Documents
	clock     clock.Clock
	account   string

	mutex sync.RWMutex
	rows  map[string]row // by id; as in the store
}

var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

// Open reads the keys of a store. New ones are of this account, twelve digits, and get their time from
// this clock, or the system's if it is nil.
func Open(store *stream.Store, account string, c clock.Clock) (*Keys, error) {
	if !accountPattern.MatchString(account) {
		return nil, failure.New(failure.InvalidArgument, "access: open", "account %.32q is not twelve digits", account)
	}
	if c == nil {
		c = clock.System()
	}
	k := &Keys{documents: store.Documents(), clock: c, account: account, rows: make(map[string]row)}
	after := ""
	for {
		found, more, err := k.documents.List(keyPrefix, after, page)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			var r row
			if err := json.Unmarshal(d.Value, &r); err != nil {
				return nil, failure.Wrap(failure.Corrupt, "access: key "+strings.TrimPrefix(d.Key, keyPrefix), err)
			}
			if r.Version > keyVersion {
				return nil, failure.New(failure.NewerVersion, "access: key "+r.ID, "version %d is newer than %d; use a newer release", r.Version, keyVersion)
			}
			k.rows[r.ID], after = r, d.Key
		}
		if !more {
			return k, nil
		}
	}
}

var userPattern = regexp.MustCompile(`^[a-zA-Z0-9_+=,.@-]{1,64}$`)

// Create makes a key for a user and returns it with its secret, which nobody can ask for again.
func (k *Keys) Create(user string) (Key, string, error) {
	if !userPattern.MatchString(user) {
		return Key{}, "", failure.New(failure.InvalidArgument, "access: create key", "user %.64q does not match %s", user, userPattern)
	}
	id, secret, err := auth.NewAccessKey(rand.Reader)
	if err != nil {
		return Key{}, "", err
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if len(k.rows) >= keysMax {
		return Key{}, "", failure.New(failure.InvalidArgument, "access: create key", "there are %d keys, the limit", keysMax)
	}
	r := row{Version: keyVersion, Key: Key{ID: id, User: user, Account: k.account, Created: k.clock.Now().UTC().Truncate(time.Second)}, Secret: secret}
	return r.Key, secret, k.storeLocked(r)
}

// SetDisabled takes a key out of use, or back into it: failure.NotFound if there is none of that id.
func (k *Keys) SetDisabled(id string, disabled bool) (Key, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	r, found := k.rows[id]
	if !found {
		return Key{}, failure.New(failure.NotFound, "access: key", "there is no key %.64q", id)
	}
	r.Disabled = disabled
	return r.Key, k.storeLocked(r)
}

func (k *Keys) storeLocked(r row) error {
	value, err := json.Marshal(r)
	if err == nil {
		err = k.documents.Put(keyPrefix+r.ID, value)
	}
	if err == nil {
		k.rows[r.ID] = r
	}
	return err
}

// List returns all keys, sorted by user and id.
func (k *Keys) List() []Key {
	k.mutex.RLock()
	defer k.mutex.RUnlock()
	keys := make([]Key, 0, len(k.rows))
	for _, r := range k.rows {
		keys = append(keys, r.Key)
	}
	slices.SortFunc(keys, func(a, b Key) int {
		return strings.Compare(a.User+"\x00"+a.ID, b.User+"\x00"+b.ID)
	})
	return keys
}

// Lookup serves as [auth.Lookup].
func (k *Keys) Lookup(id string) (auth.Credential, bool) {
	k.mutex.RLock()
	defer k.mutex.RUnlock()
	r, found := k.rows[id]
	return auth.Credential{AccessKeyID: r.ID, Secret: r.Secret, Account: r.Account, Principal: r.Principal(), Disabled: r.Disabled}, found
}
