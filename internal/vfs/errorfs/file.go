package errorfs

import (
	"errors"

	"github.com/millrace-io/millrace/internal/vfs"
)

// file is a file with faults. Fd is that of the wrapped file.
type file struct {
	vfs.File
	fs   *FS
	name string
}

// memoryFile is a file that also has an image. It is a type of its own because
// code asks for the image with a type assertion.
type memoryFile struct {
	*file
	image vfs.Memory
}

// Memory implements vfs.Memory.
func (f *memoryFile) Memory() []byte { return f.image.Memory() }

func (f *file) call(operation vfs.Operation, off, n int64) vfs.Call {
	return vfs.Call{Operation: operation, Name: f.name, Offset: off, Length: n}
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.fail(f.call(vfs.OperationRead, off, int64(len(p)))); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

// WriteAt implements vfs.File.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	call := f.call(vfs.OperationWrite, off, int64(len(p)))
	rule := f.fs.check(call)
	if rule == nil {
		return f.File.WriteAt(p, off)
	}
	if !rule.Partial {
		return 0, rule.error(call)
	}
	n, err := f.File.WriteAt(p[:len(p)/2], off)
	return n, errors.Join(rule.error(call), err)
}

// Size implements vfs.File.
func (f *file) Size() (int64, error) {
	if err := f.fs.fail(f.call(vfs.OperationSize, 0, 0)); err != nil {
		return 0, err
	}
	return f.File.Size()
}

// Allocate implements vfs.File.
func (f *file) Allocate(size int64) error {
	if err := f.fs.fail(f.call(vfs.OperationAllocate, 0, size)); err != nil {
		return err
	}
	return f.File.Allocate(size)
}

// PunchHole implements vfs.File.
func (f *file) PunchHole(off, n int64) error {
	if err := f.fs.fail(f.call(vfs.OperationPunchHole, off, n)); err != nil {
		return err
	}
	return f.File.PunchHole(off, n)
}

// Sync implements vfs.File.
func (f *file) Sync() error {
	if err := f.fs.fail(f.call(vfs.OperationSync, 0, 0)); err != nil {
		return err
	}
	return f.File.Sync()
}

// StartWriteback implements vfs.File.
func (f *file) StartWriteback(off, n int64) error {
	if err := f.fs.fail(f.call(vfs.OperationStartWriteback, off, n)); err != nil {
		return err
	}
	return f.File.StartWriteback(off, n)
}

// DropCache implements vfs.File.
func (f *file) DropCache() error {
	if err := f.fs.fail(f.call(vfs.OperationDropCache, 0, 0)); err != nil {
		return err
	}
	return f.File.DropCache()
}

// Close implements vfs.File. A failing close closes the wrapped file all the
// same, as the kernel does.
func (f *file) Close() error {
	return errors.Join(f.fs.fail(f.call(vfs.OperationClose, 0, 0)), f.File.Close())
}
