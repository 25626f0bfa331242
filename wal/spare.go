package wal

import (
	"errors"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// spare is a file that is allocated and waits to become a segment.
type spare struct {
	file     vfs.File
	path     string
	capacity int64
}

// discard deletes the spare.
func (s *spare) discard(files vfs.FS) {
	// A leftover is removed by the next open of the log.
	_ = s.file.Close()
	_ = files.Remove(s.path)
}

// newSpare allocates a file of the wanted capacity, or of less, but at least
// least, when the disk is nearly full. It also makes it likely that there is
// room for the edits that the segment will cause. For a log that does not sync it
// marks the file: see [Log.markBehind].
func (l *Log) newSpare(number uint64, capacity, least, tableSize int64) (*spare, error) {
	if err := l.dir.manifest.reserve(tableSize + 4096); err != nil {
		return nil, spaceOr(failure.Poisoned, "append", err)
	}
	s, err := l.allocateSpare(number, capacity, least)
	if err == nil && l.options.Durability != record.Group {
		if err = l.markBehind(s.file); err != nil {
			_ = s.file.Close()
			_ = l.dir.options.FS.Remove(s.path)
		}
	}
	if err != nil {
		return nil, spaceOr(failure.Unavailable, "append: prepare segment", err)
	}
	return s, nil
}

// markBehind gives the file a header that is none yet but for the mark, so that
// whatever a power cut leaves of the one that follows shows that nobody waited
// for it.
func (l *Log) markBehind(file vfs.File) error {
	if _, err := file.WriteAt(segment.Header{Log: l.id, Capacity: segment.HeaderSize, Behind: true}.Encode(), 0); err != nil {
		return err
	}
	return file.Sync()
}

func (l *Log) allocateSpare(number uint64, capacity, least int64) (*spare, error) {
	files := l.dir.options.FS
	capacity = (capacity + 4095) &^ 4095
	path := filepath.Join(l.dir.logPath(l.id), sparePrefix+strconv.FormatUint(number, 10)+spareSuffix)
	file, err := files.OpenFile(path, createFlags, 0o640)
	if err != nil {
		return nil, err
	}
	for {
		err = file.Allocate(capacity)
		if err == nil {
			return &spare{file: file, path: path, capacity: capacity}, nil
		}
		if !errors.Is(err, syscall.ENOSPC) || capacity/2 < least {
			break
		}
		capacity = (capacity/2 + 4095) &^ 4095
	}
	_ = file.Close()
	_ = files.Remove(path)
	return nil, err
}
