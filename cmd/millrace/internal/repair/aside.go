package repair

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/wal"
)

const (
	createFlags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	copyStep    = 1 << 20
	// foldersMax bounds the search for a name within one second.
	foldersMax = 100
)

// aside is the folder that keeps what a repair gives up.
type aside struct {
	files    vfs.FS
	data     string // the data directory
	path     string
	made     []string // folders that hold something, to be synced
	salvaged uint64
}

// newAside makes the folder, which must be new: an earlier repair may have left
// the only copy of something there.
func newAside(o Options, dir string) (*aside, error) {
	files := o.WAL.FS
	if files == nil {
		files = vfs.OS()
	}
	a := &aside{files: files, data: dir, path: o.Aside}
	if a.path == "" {
		stem := filepath.Join(dir, "repair-"+o.Now.UTC().Format("20060102T150405Z"))
		a.path = stem
		for n := 2; a.exists() && n < foldersMax; n++ {
			a.path = stem + "-" + strconv.Itoa(n)
		}
	}
	if a.exists() {
		return nil, failure.New(failure.AlreadyExists, "repair", "the folder %s exists: name one that does not", a.path)
	}
	return a, a.folder(a.path)
}

func (a *aside) exists() bool {
	_, err := a.files.ReadDir(a.path)
	return err == nil
}

// folder makes a folder whose name will be synced with the rest.
func (a *aside) folder(path string) error {
	if err := a.files.MkdirAll(path, 0o750); err != nil {
		return err
	}
	for _, each := range []string{path, filepath.Dir(path)} {
		if !slices.Contains(a.made, each) {
			a.made = append(a.made, each)
		}
	}
	return nil
}

// keep copies the manifest and all files that the damage is about, exports what
// is good in them, and makes it durable.
func (a *aside) keep(ctx context.Context, r *wal.Repair, all []wal.Damage, emit func(any) error) error {
	files := []string{r.Manifest()}
	for _, d := range all {
		files = append(files, d.File)
		files = append(files, d.Behind...)
	}
	for _, file := range files {
		n, err := a.copy(ctx, file)
		if errors.Is(err, os.ErrNotExist) {
			continue // that it is missing is the damage
		}
		if err != nil {
			return fmt.Errorf("copy %s: %w", file, err)
		}
		if err := emit(Copy{Kind: "copy", File: file, To: filepath.Join(a.path, file), Bytes: n}); err != nil {
			return err
		}
	}
	for i := range all {
		if err := a.export(ctx, r, all[i]); err != nil {
			return err
		}
	}
	for _, folder := range a.made {
		if err := a.files.SyncDir(folder); err != nil {
			return err
		}
	}
	return nil
}

// copy copies one file of the data directory, by reference where the file system
// can, and syncs the copy. Blocks of zeros become holes.
func (a *aside) copy(ctx context.Context, name string) (int64, error) {
	from, err := a.files.OpenFile(filepath.Join(a.data, name), os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	size, err := from.Size()
	if err != nil {
		return 0, err
	}
	path := filepath.Join(a.path, name)
	if err := a.folder(filepath.Dir(path)); err != nil {
		return 0, err
	}
	to, err := a.files.OpenFile(path, createFlags, 0o640)
	if err != nil {
		return 0, err
	}
	defer to.Close()
	if vfs.Clone(to, from) != nil {
		if err := copyBytes(ctx, to, from, size); err != nil {
			return 0, err
		}
	}
	return size, to.Sync()
}

func copyBytes(ctx context.Context, to io.WriterAt, from io.ReaderAt, size int64) error {
	b, zeros := make([]byte, copyStep), make([]byte, copyStep)
	for off := int64(0); off < size; off += copyStep {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := b[:min(copyStep, size-off)]
		if _, err := from.ReadAt(part, off); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		// The last part is written in any case: it gives the copy its length.
		if off+copyStep < size && bytes.Equal(part, zeros[:len(part)]) {
			continue
		}
		if _, err := to.WriteAt(part, off); err != nil {
			return err
		}
	}
	return nil
}

// export writes the records that can still be read behind a damage.
func (a *aside) export(ctx context.Context, r *wal.Repair, d wal.Damage) error {
	if d.Complete {
		return nil
	}
	name := filepath.Join(a.path, fmt.Sprintf("salvage-log-%d-%016x.jsonl", d.Log, d.Segment))
	file, err := a.files.OpenFile(name, createFlags, 0o640)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriterSize(&appender{file: file}, copyStep)
	n, err := salvage(ctx, r, d, json.NewEncoder(out))
	a.salvaged += n
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	return err
}

// appender writes at the end of a file.
type appender struct {
	file io.WriterAt
	end  int64
}

// Write implements io.Writer.
func (a *appender) Write(b []byte) (int, error) {
	n, err := a.file.WriteAt(b, a.end)
	a.end += int64(n)
	return n, err
}

// salvagedRecord is one line: what `millrace put --format json` takes, and where
// it was.
type salvagedRecord struct {
	Log      uint64    `json:"log"`
	File     string    `json:"file"`
	Offset   int64     `json:"offset"`
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Key      string    `json:"key"`
	Hash     string    `json:"hash"`
	Encoding string    `json:"encoding,omitempty"`
	Data     string    `json:"data"`
}

// salvage counts the records behind a damage that can still be read, and writes
// them if there is an encoder.
func salvage(ctx context.Context, r *wal.Repair, d wal.Damage, to *json.Encoder) (records uint64, err error) {
	if d.Complete {
		return 0, nil
	}
	offset, next := d.Offset, d.Next
	for _, file := range append([]string{d.File}, d.Behind...) {
		_, err := r.Salvage(file, offset, next, func(at int64, h protocol.FrameHeader, frame []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			records += uint64(h.Count)
			next = h.Sequence + uint64(h.Count)
			if to == nil {
				return nil
			}
			return encode(to, d.Log, file, at, h, frame)
		})
		if err != nil {
			return records, err
		}
		offset = 0
	}
	return records, nil
}

func encode(to *json.Encoder, log uint64, file string, at int64, h protocol.FrameHeader, frame []byte) error {
	batch := protocol.OpenBatch(h.Payload(frame))
	for i := range batch.Len() {
		view := batch.Record(i)
		line := salvagedRecord{
			Log: log, File: file, Offset: at, Sequence: h.Sequence + uint64(i), Time: time.Unix(0, h.Time).UTC(),
			Key: string(view.Key), Hash: view.Hash().String(), Data: string(view.Data),
		}
		if !utf8.Valid(view.Data) {
			line.Encoding, line.Data = "base64", base64.StdEncoding.EncodeToString(view.Data)
		}
		if err := to.Encode(line); err != nil {
			return err
		}
	}
	return nil
}
