package wal

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/millrace-io/millrace/internal/vfs"
)

// faultSites are the places in the source that call the file system, and whether a
// fault was injected there.
type faultSites struct {
	mu  sync.Mutex
	hit map[string]bool // "wal/roll.go:78 WriteAt"
}

// siteCalls are the methods of vfs.FS and vfs.File, but for Close, which has
// nothing to add to Sync. Lock is told from that of a mutex by its argument.
var siteCalls = []string{
	"OpenFile", "Remove", "Rename", "MkdirAll", "ReadDir", "SyncDir", "Lock",
	"ReadAt", "WriteAt", "Size", "Allocate", "PunchHole", "Sync", "StartWriteback", "DropCache", "Fd",
}

// findSites parses the package in dir.
func (s *faultSites) findSites(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		positions := token.NewFileSet()
		file, err := parser.ParseFile(positions, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if ok && slices.Contains(siteCalls, method.Sel.Name) && (method.Sel.Name != "Lock" || len(call.Args) == 1) {
				s.hit[siteName(path, positions.Position(method.Sel.Pos()).Line, method.Sel.Name)] = false
			}
			return true
		})
	}
	return nil
}

func siteName(path string, line int, method string) string {
	path, _ = filepath.Abs(path)
	return fmt.Sprintf("%s/%s:%d %s", filepath.Base(filepath.Dir(path)), filepath.Base(path), line, method)
}

// note marks the calling site if err was injected, and returns err.
func (s *faultSites) note(method string, err error) error {
	if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) {
		s.mark(method)
	}
	return err
}

func (s *faultSites) mark(method string) {
	var callers [16]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers[:])])
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		name := siteName(frame.File, frame.Line, method)
		s.mu.Lock()
		_, known := s.hit[name]
		if known {
			s.hit[name] = true
		}
		s.mu.Unlock()
		if known {
			return
		}
	}
}

// siteFS notes which call in the source met a fault of the wrapped file system. It
// also makes mappings fail, which are no calls to a file system: a file without
// a descriptor cannot be mapped.
type siteFS struct {
	vfs.FS
	sites *faultSites
	maps  *mapFault
	cache string // what CacheID says
}

// CacheID implements vfs.Cacher.
func (s siteFS) CacheID(string) string { return s.cache }

// mapFault makes the n-th mapping fail, and later ones.
type mapFault struct {
	mu     sync.Mutex
	calls  int
	nth    int // 0 = none
	sticky bool
	fired  bool
}

func (f *mapFault) fails() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	fails := f.calls == f.nth || f.sticky && f.nth > 0 && f.calls > f.nth
	f.fired = f.fired || fails
	return fails
}

func (s siteFS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	file, err := s.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, s.sites.note("OpenFile", err)
	}
	wrapped := siteFile{file, s.sites, s.maps}
	if memory, ok := file.(vfs.Memory); ok {
		return siteMemoryFile{wrapped, memory}, nil
	}
	return wrapped, nil
}

func (s siteFS) Remove(name string) error { return s.sites.note("Remove", s.FS.Remove(name)) }

func (s siteFS) Rename(from, to string) error { return s.sites.note("Rename", s.FS.Rename(from, to)) }

func (s siteFS) MkdirAll(dir string, perm fs.FileMode) error {
	return s.sites.note("MkdirAll", s.FS.MkdirAll(dir, perm))
}

func (s siteFS) ReadDir(dir string) ([]string, error) {
	names, err := s.FS.ReadDir(dir)
	return names, s.sites.note("ReadDir", err)
}

func (s siteFS) SyncDir(dir string) error { return s.sites.note("SyncDir", s.FS.SyncDir(dir)) }

func (s siteFS) Lock(name string) (io.Closer, error) {
	lock, err := s.FS.Lock(name)
	return lock, s.sites.note("Lock", err)
}

type siteFile struct {
	vfs.File
	sites *faultSites
	maps  *mapFault
}

type siteMemoryFile struct {
	siteFile
	image vfs.Memory
}

func (s siteMemoryFile) Memory() []byte { return s.image.Memory() }

func (s siteFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.File.ReadAt(p, off)
	return n, s.sites.note("ReadAt", err)
}

func (s siteFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := s.File.WriteAt(p, off)
	return n, s.sites.note("WriteAt", err)
}

func (s siteFile) Size() (int64, error) {
	n, err := s.File.Size()
	return n, s.sites.note("Size", err)
}

func (s siteFile) Allocate(size int64) error {
	return s.sites.note("Allocate", s.File.Allocate(size))
}

func (s siteFile) PunchHole(off, n int64) error {
	return s.sites.note("PunchHole", s.File.PunchHole(off, n))
}

func (s siteFile) Sync() error { return s.sites.note("Sync", s.File.Sync()) }

func (s siteFile) StartWriteback(off, n int64) error {
	return s.sites.note("StartWriteback", s.File.StartWriteback(off, n))
}

func (s siteFile) DropCache() error { return s.sites.note("DropCache", s.File.DropCache()) }

func (s siteFile) Fd() uintptr {
	if s.maps.fails() {
		s.sites.mark("Fd")
		return vfs.NoFd
	}
	return s.File.Fd()
}
