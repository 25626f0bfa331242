// Package directory keeps backups in a directory, which should be on another
// device than the data.
package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace-io/millrace/backup/store"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
)

// Store is a directory of objects. It is a store.Store.
type Store struct{ path string }

// temporary marks files that are not objects yet.
const temporary = ".tmp-"

// Open returns the store in path, which the first Put makes.
func Open(path string) *Store { return &Store{path} }

// file returns the path of an object.
func (s *Store) file(name string) (string, error) {
	local := filepath.FromSlash(name)
	if !filepath.IsLocal(local) || strings.Contains(name, temporary) {
		return "", failure.New(failure.InvalidArgument, "backup store", "%q is not the name of an object", name)
	}
	return filepath.Join(s.path, local), nil
}

// Put implements store.Store: the object appears under its name when it is
// synced, and its name is synced too.
func (s *Store) Put(ctx context.Context, name string, content io.ReadSeeker, size int64, digest store.Digest) (err error) {
	path, err := s.file(name)
	if err != nil {
		return err
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, temporary+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close(), os.Remove(file.Name()))
		}
	}()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, hash), reading{ctx, content})
	if err != nil {
		return fmt.Errorf("backup store: write %s: %w", name, err)
	}
	if n != size || store.Digest(hash.Sum(nil)) != digest {
		return failure.New(failure.Corrupt, "backup store", "%s is not what was announced: it changed while it was read", name)
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	// Objects are in folders one deep: both names may be new.
	for _, each := range []string{folder, s.path, filepath.Dir(s.path)} {
		if err := vfs.OS().SyncDir(each); err != nil && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("backup store: sync %s: %w", each, err)
		}
	}
	_ = file.Close() // it is synced
	return nil
}

// reading is a reader that ends with a context.
type reading struct {
	ctx  context.Context
	from io.Reader
}

// Read implements io.Reader.
func (r reading) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(b)
}

// Get implements store.Store.
func (s *Store) Get(_ context.Context, name string) (io.ReadCloser, error) {
	path, err := s.file(name)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.NotFound(name)
	}
	return file, err
}

// List implements store.Store. A directory that does not exist holds nothing.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		entries, err := s.list(ctx, prefix)
		if err != nil {
			yield(store.Entry{}, fmt.Errorf("backup store: list %s: %w", s.path, err))
			return
		}
		for _, entry := range entries {
			if !yield(entry, nil) {
				return
			}
		}
	}
}

func (s *Store) list(ctx context.Context, prefix string) ([]store.Entry, error) {
	var entries []store.Entry
	err := filepath.WalkDir(s.path, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(s.path, path)
		name := filepath.ToSlash(relative)
		if err != nil || !strings.HasPrefix(name, prefix) || strings.Contains(name, temporary) {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			entries = append(entries, store.Entry{Name: name, Bytes: info.Size()})
		}
		return err
	})
	slices.SortFunc(entries, func(a, b store.Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, err
}
