package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace-io/millrace/backup/store"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/segment"
)

// partial marks a restore that has not got to its end.
const partial = ".partial"

// RestoreOptions configure a restore.
type RestoreOptions struct {
	// Progress is told after each file how many bytes are done of how many.
	// Default: nobody.
	Progress func(done, total int64)
}

// Restore makes dir, which must not exist or be empty, the data directory that
// the backup of that name holds; "latest" is the newest one. Every file is
// checked against its digest: one that does not match is failure.Corrupt and
// named. The files are gathered in dir.partial and get their place when all of
// them are good and synced, so that dir is never half a data directory.
func Restore(ctx context.Context, from store.Store, name, dir string, o RestoreOptions) (*Backup, error) {
	if err := checkEmpty(dir); err != nil {
		return nil, err
	}
	b, err := Open(ctx, from, name)
	if err != nil {
		return nil, err
	}
	temporary := filepath.Clean(dir) + partial
	if err := os.RemoveAll(temporary); err != nil {
		return nil, fmt.Errorf("restore: remove what an earlier one left: %w", err)
	}
	if err := os.MkdirAll(temporary, 0o750); err != nil {
		return nil, err
	}
	err = each(ctx, from, b, o, func(f File) (io.WriteCloser, error) {
		path := filepath.Join(temporary, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return nil, err
		}
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
		return synced{file, strings.HasSuffix(path, ".seg")}, err
	})
	if err == nil {
		err = place(b, temporary, dir)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(temporary))
	}
	return b, nil
}

// Verify reads everything that a backup consists of and checks it against its
// digests, as [Restore] does, without writing anything.
func Verify(ctx context.Context, from store.Store, name string, o RestoreOptions) (*Backup, error) {
	b, err := Open(ctx, from, name)
	if err != nil {
		return nil, err
	}
	return b, each(ctx, from, b, o, func(File) (io.WriteCloser, error) { return nowhere{}, nil })
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		return failure.New(failure.AlreadyExists, "restore", "%s is not empty: restore to a new directory, and move it when it is complete", dir)
	}
	return err
}

// each hands the content of every file to the writer that open returns for it.
func each(ctx context.Context, from store.Store, b *Backup, o RestoreOptions, open func(File) (io.WriteCloser, error)) error {
	done := int64(0)
	for _, f := range b.Files {
		to, err := open(f)
		if err != nil {
			return fmt.Errorf("restore: %s: %w", f.Path, err)
		}
		if err := errors.Join(fetch(ctx, from, f, to), to.Close()); err != nil {
			return fmt.Errorf("restore: %s: %w", f.Path, err)
		}
		done += f.Bytes
		if o.Progress != nil {
			o.Progress(done, b.Bytes)
		}
	}
	return nil
}

// fetch copies the object of a file and checks it.
func fetch(ctx context.Context, from store.Store, f File, to io.Writer) error {
	want, err := f.digest()
	if err != nil {
		return err
	}
	object, err := from.Get(ctx, f.object())
	if err != nil {
		return err
	}
	defer func() { _ = object.Close() }() // it was only read
	hash := sha256.New()
	// One byte more than there should be shows an object that is too long.
	n, err := io.Copy(io.MultiWriter(to, hash), io.LimitReader(object, f.Bytes+1))
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if n != f.Bytes || store.Digest(hash.Sum(nil)) != want {
		return failure.New(failure.Corrupt, "restore", "the object %s of the store does not match its digest", f.object())
	}
	return nil
}

// place syncs the names of what was restored and moves it to where it belongs.
func place(b *Backup, temporary, dir string) error {
	folders := []string{temporary}
	for _, f := range b.Files {
		if folder := filepath.Join(temporary, filepath.Dir(filepath.FromSlash(f.Path))); !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	for _, l := range b.Logs { // one without a segment has a folder all the same
		if err := os.MkdirAll(filepath.Join(temporary, logFolder(l.Log)), 0o750); err != nil {
			return err
		}
	}
	for _, folder := range folders {
		if err := vfs.OS().SyncDir(folder); err != nil {
			return err
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // it was empty a moment ago
	}
	if err := os.Rename(temporary, dir); err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := vfs.OS().SyncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("restore: sync %s: %w", parent, err)
	}
	return nil
}

// synced is a file that is synced before it is closed. A segment gets the length
// that it had: of one that was being written the backup holds what was written,
// and a log takes a file that is shorter than its header says for damaged.
type synced struct {
	*os.File
	segment bool
}

// Close implements io.Closer.
func (s synced) Close() error {
	var err error
	if s.segment {
		err = s.lengthen()
	}
	return errors.Join(err, s.Sync(), s.File.Close())
}

// lengthen makes a hole of what lacks. A header that cannot be read is left to
// whoever opens the directory, as it was in the backup.
func (s synced) lengthen() error {
	page := make([]byte, segment.HeaderSize)
	if _, err := s.ReadAt(page, 0); err != nil {
		return ignoreEnd(err)
	}
	info, err := s.Stat()
	if err != nil {
		return err
	}
	if h, err := segment.ParseHeader(page); err == nil && h.FileSize() > info.Size() {
		return s.Truncate(h.FileSize())
	}
	return nil
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// nowhere takes everything.
type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// Close implements io.Closer.
func (nowhere) Close() error { return nil }
