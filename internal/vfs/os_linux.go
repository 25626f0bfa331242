package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate reserves blocks with fallocate and lets it move the end of file,
// which makes later fdatasync calls cheaper than keeping the size would.
func allocate(f *os.File, size int64) error {
	if size <= 0 {
		return nil
	}
	err := retryInterrupted(func() error { return unix.Fallocate(int(f.Fd()), 0, 0, size) })
	if unsupported(err) {
		return extendWithZeros(f, size)
	}
	return err
}

func punchHole(f *os.File, off, n int64) error {
	const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	err := retryInterrupted(func() error { return unix.Fallocate(int(f.Fd()), mode, off, n) })
	if unsupported(err) {
		return writeZeros(f, off, n)
	}
	return err
}

// written asks for what is neither a hole nor allocated and never written. Pages
// of the cache that are not on the device yet count as written, and so do those
// that were only read. It moves the file's position, which nothing here reads or
// writes at.
func written(f *os.File, off, size int64) (from, to int64, err error) {
	from, err = unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	if err == nil {
		to, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE)
	}
	switch {
	case err == nil:
		return from, to, nil
	case errors.Is(err, unix.ENXIO): // nothing behind off
		return size, size, nil
	case unsupported(err) || errors.Is(err, unix.EINVAL):
		return off, size, nil
	}
	return off, size, err
}

// dataSync is fdatasync. Only an interruption is repeated: it is reported
// before the kernel looks at the write-back error, so no failure gets lost.
func dataSync(f *os.File) error {
	return retryInterrupted(func() error { return unix.Fdatasync(int(f.Fd())) })
}

func startWriteback(f *os.File, off, n int64) error {
	err := retryInterrupted(func() error {
		return unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
	})
	if unsupported(err) {
		return nil // a hint, and nothing depends on it
	}
	return err
}

func dropCache(f *os.File) error {
	return retryInterrupted(func() error {
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return closeAfter(f, err)
	}
	return f.Close()
}

func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS)
}

// retryInterrupted repeats a call that a signal cut short. The runtime's own
// preemption signals make that an ordinary event.
func retryInterrupted(call func() error) error {
	for {
		err := call()
		if err != unix.EINTR { //nolint:errorlint // a bare errno straight from the system call
			return err
		}
	}
}
