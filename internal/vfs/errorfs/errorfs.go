// Package errorfs makes chosen calls to a file system fail.
//
// It wraps another file system and counts the calls that match a [Rule]. A test
// of error handling first runs without a fault and asks how many calls there
// were, then runs once per call with that call failing:
//
//	for n := 1; ; n++ {
//		fsys := errorfs.New(inner())
//		fault := fsys.Fail(errorfs.Rule{Operations: []vfs.Operation{vfs.OperationSync}, Nth: n, Err: syscall.EIO})
//		run(fsys)
//		if !fault.Fired() {
//			break // n is beyond the last call
//		}
//	}
//
// A failing call does not reach the wrapped file system, except that a failing
// write may store a part first (Rule.Partial). A sync that fails leaves what was
// written as unsynced as it was.
package errorfs

import (
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/millrace-io/millrace/internal/vfs"
)

// Rule says which calls fail, and how.
type Rule struct {
	// Operations that match; none given: those that change something or make
	// it durable (see [Changing]).
	Operations []vfs.Operation
	// Pattern is matched against the base name of the file or directory as
	// filepath.Match does, so "*.seg" is all segments. Empty: any name.
	Pattern string
	// Nth is which matching call fails, from 1; 0 is never, for counting.
	Nth int
	// Sticky makes all later matching calls fail too.
	Sticky bool
	// Err is what they return, wrapped in an *fs.PathError as the operating
	// system's errors are.
	Err error
	// Partial makes a failing write store the first half of its bytes.
	Partial bool
}

// Changing returns the operations after which something is different or durable.
func Changing() []vfs.Operation {
	return []vfs.Operation{
		vfs.OperationOpen, vfs.OperationRemove, vfs.OperationRename, vfs.OperationMkdir,
		vfs.OperationSyncDir, vfs.OperationLock, vfs.OperationWrite, vfs.OperationAllocate,
		vfs.OperationPunchHole, vfs.OperationSync,
	}
}

// FS is a file system with faults. Its methods may be called concurrently.
type FS struct {
	inner vfs.FS

	mu     sync.Mutex
	faults []*Fault // guarded by mu
}

var _ vfs.FS = (*FS)(nil)

// New wraps inner, without a fault.
func New(inner vfs.FS) *FS { return &FS{inner: inner} }

// Fail adds a fault. Of several that hit one call, the first added wins; all
// count it. It panics when the pattern is malformed, which is a mistake in a
// test.
func (f *FS) Fail(rule Rule) *Fault {
	if _, err := filepath.Match(rule.Pattern, ""); err != nil {
		panic(err)
	}
	if rule.Operations == nil {
		rule.Operations = Changing()
	}
	fault := &Fault{fs: f, rule: rule}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fault)
	return fault
}

// Fault is a rule at work.
type Fault struct {
	fs    *FS
	rule  Rule
	calls int      // guarded by fs.mu
	first vfs.Call // guarded by fs.mu
	fired bool     // guarded by fs.mu
}

// Calls returns how many calls matched so far, failed or not.
func (f *Fault) Calls() int {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.calls
}

// Fired reports whether a call failed because of the rule.
func (f *Fault) Fired() bool {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.fired
}

// First returns the first call that failed, for messages.
func (f *Fault) First() vfs.Call {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.first
}

// Heal removes the fault: the disk works again.
func (f *Fault) Heal() {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.faults = slices.DeleteFunc(f.fs.faults, func(other *Fault) bool { return other == f })
}

// matches is called with fs.mu held.
func (f *Fault) matches(call vfs.Call) bool {
	if !slices.Contains(f.rule.Operations, call.Operation) {
		return false
	}
	matched, err := filepath.Match(f.rule.Pattern, filepath.Base(call.Name))
	return f.rule.Pattern == "" || (err == nil && matched)
}

// check counts a call and returns the rule that makes it fail, or nil.
func (f *FS) check(call vfs.Call) *Rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	var failing *Rule
	for _, fault := range f.faults {
		if !fault.matches(call) {
			continue
		}
		fault.calls++
		hit := fault.calls == fault.rule.Nth || (fault.rule.Sticky && fault.rule.Nth > 0 && fault.calls > fault.rule.Nth)
		if !hit || failing != nil {
			continue
		}
		if !fault.fired {
			fault.fired, fault.first = true, call
		}
		failing = &fault.rule
	}
	return failing
}

func (f *FS) fail(call vfs.Call) error {
	rule := f.check(call)
	if rule == nil {
		return nil
	}
	return rule.error(call)
}

func (r *Rule) error(call vfs.Call) error {
	return &fs.PathError{Op: call.Operation.String(), Path: call.Name, Err: r.Err}
}

// OpenFile implements vfs.FS. The file implements vfs.Memory if the wrapped one
// does.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	if err := f.fail(vfs.Call{Operation: vfs.OperationOpen, Name: name}); err != nil {
		return nil, err
	}
	inner, err := f.inner.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	wrapped := &file{File: inner, fs: f, name: name}
	if memory, ok := inner.(vfs.Memory); ok {
		return &memoryFile{file: wrapped, image: memory}, nil
	}
	return wrapped, nil
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	if err := f.fail(vfs.Call{Operation: vfs.OperationRemove, Name: name}); err != nil {
		return err
	}
	return f.inner.Remove(name)
}

// Rename implements vfs.FS. Rules match the new name.
func (f *FS) Rename(oldName, newName string) error {
	if err := f.fail(vfs.Call{Operation: vfs.OperationRename, Name: newName}); err != nil {
		return err
	}
	return f.inner.Rename(oldName, newName)
}

// MkdirAll implements vfs.FS.
func (f *FS) MkdirAll(dir string, perm fs.FileMode) error {
	if err := f.fail(vfs.Call{Operation: vfs.OperationMkdir, Name: dir}); err != nil {
		return err
	}
	return f.inner.MkdirAll(dir, perm)
}

// ReadDir implements vfs.FS.
func (f *FS) ReadDir(dir string) ([]string, error) {
	if err := f.fail(vfs.Call{Operation: vfs.OperationReadDir, Name: dir}); err != nil {
		return nil, err
	}
	return f.inner.ReadDir(dir)
}

// SyncDir implements vfs.FS.
func (f *FS) SyncDir(dir string) error {
	if err := f.fail(vfs.Call{Operation: vfs.OperationSyncDir, Name: dir}); err != nil {
		return err
	}
	return f.inner.SyncDir(dir)
}

// Lock implements vfs.FS.
func (f *FS) Lock(name string) (io.Closer, error) {
	if err := f.fail(vfs.Call{Operation: vfs.OperationLock, Name: name}); err != nil {
		return nil, err
	}
	return f.inner.Lock(name)
}
