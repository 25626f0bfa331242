package wal

import (
	"errors"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
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
// room for the edits that the segment will cause. It waits for no sync: while the
// device is busy with what a log without syncs has written, one takes 100 ms, and
// appends would wait for the file.
func (l *Log) newSpare(number uint64, capacity, least, tableSize int64) (*spare, error) {
	if err := l.dir.manifest.reserve(tableSize + 4096); err != nil {
		return nil, spaceOr(failure.Poisoned, "append", err)
	}
	s, err := l.allocateSpare(number, capacity, least)
	if err != nil {
		return nil, spaceOr(failure.Unavailable, "append: prepare segment", err)
	}
	return s, nil
}

// sparePath names a file that the next open of the log removes.
func (l *Log) sparePath(number uint64) string {
	return filepath.Join(l.dir.logPath(l.id), sparePrefix+strconv.FormatUint(number, 10)+spareSuffix)
}

func (l *Log) allocateSpare(number uint64, capacity, least int64) (*spare, error) {
	files := l.dir.options.FS
	capacity = (capacity + 4095) &^ 4095
	path := l.sparePath(number)
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
