package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace-io/millrace/backup/store"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/segment"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

// attemptsMax bounds how often a backup begins again because files went away.
const attemptsMax = 10

// Options configure a backup.
type Options struct {
	// Clock names the backup. Default: clock.System().
	Clock clock.Clock
	// Progress is told after each file how many bytes are done of how many
	// that are known of. Default: nobody.
	Progress func(done, total int64)
}

// Result is what a backup did.
type Result struct {
	Backup
	// Sent and SentBytes are the objects that the store did not have.
	Sent      int
	SentBytes int64
}

// Create takes a backup of the data directory dir, which a server may be using.
// A segment that is damaged is stored as it is and noted: see [Backup.Damaged].
// An interrupted backup leaves objects that the next one makes use of.
func Create(ctx context.Context, dir string, to store.Store, o Options) (Result, error) {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	c := creation{dir: dir, to: to, options: o, stored: make(map[string]int64), known: make(map[string]File)}
	if err := c.prepare(ctx); err != nil {
		return Result{}, err
	}
	var missing missingError
	var edits []byte
	for range attemptsMax {
		result, err := c.attempt(ctx)
		if !errors.As(err, &missing) {
			return result, err
		}
		// Retention or a deletion took a file away: what is left is another
		// snapshot, and most of it is stored already.
		if bytes.Equal(edits, c.edits) {
			return Result{}, failure.Wrap(failure.Corrupt, "backup: the MANIFEST names a segment that is not there", missing)
		}
		edits = c.edits
	}
	return Result{}, failure.New(failure.Conflict, "backup "+dir, "files go away faster than they can be copied; try again")
}

// missingError is a file of the snapshot that is not there.
type missingError struct{ error }

// ifMissing marks an error of opening a segment.
func ifMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return missingError{err}
	}
	return err
}

// creation is one call of Create.
type creation struct {
	dir     string
	to      store.Store
	options Options
	stored  map[string]int64 // bytes of the objects that the store has, by name
	known   map[string]File  // closed segments that the last backup has, by identity

	// Of the last attempt.
	edits  []byte // of the manifest
	log    int    // place in result.Logs
	result Result
}

// prepare looks at what the store has.
func (c *creation) prepare(ctx context.Context) error {
	for entry, err := range c.to.List(ctx, objectFolder) {
		if err != nil {
			return err
		}
		c.stored[entry.Name] = entry.Bytes
	}
	last, err := Open(ctx, c.to, "latest")
	if failure.KindOf(err) == failure.NotFound || failure.KindOf(err) == failure.Corrupt {
		return nil // then everything is read again
	}
	if err != nil {
		return err
	}
	for _, f := range last.Files {
		if f.Segment != "" && f.Damage == "" {
			c.known[f.Segment] = f
		}
	}
	return nil
}

// attempt takes a snapshot and stores what it consists of. The error is a
// missingError if a file went away meanwhile.
func (c *creation) attempt(ctx context.Context) (Result, error) {
	sent, sentBytes := c.result.Sent, c.result.SentBytes
	c.result = Result{Backup: Backup{Version: listVersion, Created: c.options.Clock.Now().UTC()}, Sent: sent, SentBytes: sentBytes}
	snapshot, catalogue, err := capture(c.dir)
	if err != nil {
		return Result{}, err
	}
	c.edits, c.log = snapshot.Edits, 0
	for _, l := range snapshot.Logs {
		c.result.Logs = append(c.result.Logs, Log{Log: l.Log, First: l.First, Next: l.First})
	}
	total, done := estimate(c.dir, snapshot), int64(0)
	for _, s := range snapshot.Segments {
		f, err := c.segment(ctx, s)
		if err != nil {
			return Result{}, err
		}
		c.add(f)
		c.count(s, f)
		done += f.Bytes
		if c.options.Progress != nil {
			c.options.Progress(done, max(total, done))
		}
	}
	if catalogue != nil {
		if err := c.bytes(ctx, catalogueFile, catalogue); err != nil {
			return Result{}, err
		}
	}
	if err := c.bytes(ctx, snapshot.Manifest, snapshot.Edits); err != nil {
		return Result{}, err
	}
	return c.finish(ctx)
}

// capture reads the bookkeeping of one moment.
func capture(dir string) (snapshot wal.Snapshot, catalogue []byte, err error) {
	scratch, err := os.MkdirTemp("", "millrace-backup-*")
	if err != nil {
		return snapshot, nil, err
	}
	defer func() { _ = os.RemoveAll(scratch) }() // a copy that nobody needs
	catalogue, err = stream.SnapshotCatalogue(dir, scratch, func() (err error) {
		snapshot, err = wal.ReadSnapshot(vfs.OS(), dir)
		return err
	})
	return snapshot, catalogue, err
}

// estimate adds up the lengths of the files, for whoever watches.
func estimate(dir string, snapshot wal.Snapshot) (total int64) {
	for _, s := range snapshot.Segments {
		if info, err := os.Stat(filepath.Join(dir, s.File)); err == nil {
			total += info.Size()
		}
	}
	return total
}

// segment stores one segment file, unless the store has it.
func (c *creation) segment(ctx context.Context, s wal.SegmentFile) (File, error) {
	name := filepath.ToSlash(s.File)
	if s.Closed {
		header, end, err := s.Bounds(vfs.OS(), c.dir)
		if err == nil {
			f, known := c.known[identity(header, end)]
			if size, there := c.stored[f.object()]; known && there && size == f.Bytes && f.Path == name {
				return f, nil
			}
		}
	}
	m, err := s.Measure(ctx, vfs.OS(), c.dir)
	if err != nil {
		return File{}, ifMissing(err)
	}
	defer m.Content.Close()
	f := File{Path: name, Next: m.Next}
	if m.Damage != nil {
		f.Damage = m.Damage.Error()
	} else if s.Closed {
		f.Segment = identity(m.Header, m.End)
	}
	return f, c.put(ctx, &f, io.NewSectionReader(m.Content, 0, m.End), m.End)
}

// identity tells a closed segment from all others: its salt is random, and a log
// does not use the id of a segment twice. Compressed or not it is the same one, so
// that what the store has is not sent again.
func identity(h segment.Header, end int64) string {
	if h.Packing.Codec != segment.CodecNone {
		end = h.Packing.Length
	}
	return fmt.Sprintf("%d-%016x-%08x-%d-%d", h.Log, h.Segment, h.Salt, h.Created, end)
}

// bytes stores a file that is in memory.
func (c *creation) bytes(ctx context.Context, name string, b []byte) error {
	f := File{Path: name}
	if err := c.put(ctx, &f, bytes.NewReader(b), int64(len(b))); err != nil {
		return err
	}
	c.add(f)
	return nil
}

// put completes f and stores content unless there is an object of its digest.
func (c *creation) put(ctx context.Context, f *File, content io.ReadSeeker, size int64) error {
	hash := sha256.New()
	if _, err := io.Copy(hash, content); err != nil {
		return fmt.Errorf("backup: read %s: %w", f.Path, err)
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	digest := store.Digest(hash.Sum(nil))
	f.Bytes, f.Digest = size, hex.EncodeToString(digest[:])
	if stored, there := c.stored[f.object()]; there && stored == size {
		return nil
	}
	if err := c.to.Put(ctx, f.object(), content, size, digest); err != nil {
		return fmt.Errorf("backup: store %s: %w", f.Path, err)
	}
	c.stored[f.object()] = size
	c.result.Sent++
	c.result.SentBytes += size
	return nil
}

func (c *creation) add(f File) {
	c.result.Files = append(c.result.Files, f)
	c.result.Bytes += f.Bytes
}

// count adds a segment to what its log holds.
func (c *creation) count(s wal.SegmentFile, f File) {
	i := slices.IndexFunc(c.result.Logs[c.log:], func(l Log) bool { return l.Log == s.Log })
	if i < 0 {
		return // a snapshot knows the logs of its segments
	}
	c.log += i // segments come in the order of logs
	l := &c.result.Logs[c.log]
	if l.First == l.Next {
		l.First, l.Next = s.Base, s.Base
	}
	c.result.Records += max(f.Next, l.Next) - l.Next
	l.Next = max(f.Next, l.Next)
}

// finish stores the list, which makes it a backup.
func (c *creation) finish(ctx context.Context) (Result, error) {
	name, list, err := c.result.encode()
	if err != nil {
		return Result{}, err
	}
	if err := c.to.Put(ctx, backupFolder+name+backupSuffix, bytes.NewReader(list), int64(len(list)), sha256.Sum256(list)); err != nil {
		return Result{}, fmt.Errorf("backup: store the list: %w", err)
	}
	c.result.Name = name
	return c.result, nil
}
