// Package keyring reaches the access keys of a data directory: through the server that has it
// open, or, while none does, by opening it.
package keyring

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/server/access"
	"github.com/millrace-io/millrace/server/control"
	"github.com/millrace-io/millrace/stream"
)

// Keyring is the keys of a directory. See [access.Keys] for what its methods do.
type Keyring interface {
	Create(ctx context.Context, user string) (key access.Key, secret string, err error)
	List(ctx context.Context) ([]access.Key, error)
	SetDisabled(ctx context.Context, id string, disabled bool) (access.Key, error)
	// Close must be called once.
	Close() error
}

// Options say which keys.
type Options struct {
	// Directory is the data directory. It must exist.
	Directory string
	// Account is that of new keys, if no server runs: a server knows its own. Default:
	// streams.AccountDefault.
	Account string
	// Begin allows a directory that holds nothing yet.
	Begin bool
}

// catalogue is the file by which a data directory is known.
const catalogue = "catalogue.db"

// Open reaches the keys. A directory that is none is failure.NotFound; one that somebody has open who
// does not answer is failure.Conflict.
func Open(ctx context.Context, o Options) (Keyring, error) {
	if o.Account == "" {
		o.Account = streams.AccountDefault
	}
	if err := check(o); err != nil {
		return nil, err
	}
	client, unreachable := control.Dial(ctx, o.Directory)
	if unreachable == nil {
		return served{client}, nil
	}
	if errors.Is(unreachable, fs.ErrPermission) {
		return nil, unreachable // somebody else's server
	}
	store, err := stream.Open(o.Directory, stream.Options{RetentionInterval: -1})
	if errors.Is(err, failure.Conflict) {
		return nil, failure.New(failure.Conflict, "keys of "+o.Directory, "a server may have it open that cannot be asked: %v", errors.Join(unreachable, err))
	}
	if err != nil {
		return nil, err
	}
	keys, err := access.Open(store, o.Account, nil)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return opened{keys, store}, nil
}

// check refuses what is no data directory, so that none is made where a name was misspelt.
func check(o Options) error {
	entries, err := os.ReadDir(o.Directory)
	if errors.Is(err, fs.ErrNotExist) {
		return failure.New(failure.NotFound, "keys of "+o.Directory, "there is no such directory")
	}
	if err != nil {
		return failure.Wrap(failure.InvalidArgument, "keys of "+o.Directory, err)
	}
	if o.Begin && len(entries) == 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(o.Directory, catalogue)); err != nil {
		return failure.New(failure.NotFound, "keys of "+o.Directory, "it is not a data directory: it has no %s", catalogue)
	}
	return nil
}

// served is the keys of a server.
type served struct{ *control.Client }

func (s served) Close() error {
	s.Client.Close()
	return nil
}

// opened is the keys of a directory that this process has open.
type opened struct {
	keys  *access.Keys
	store *stream.Store
}

func (o opened) Create(_ context.Context, user string) (access.Key, string, error) {
	return o.keys.Create(user)
}

func (o opened) List(context.Context) ([]access.Key, error) { return o.keys.List(), nil }

func (o opened) SetDisabled(_ context.Context, id string, disabled bool) (access.Key, error) {
	return o.keys.SetDisabled(id, disabled)
}

func (o opened) Close() error { return o.store.Close() }
