package wal

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
)

const (
	// modelOperationsMax bounds the operations of one input.
	modelOperationsMax = 40
	// crashWithin is the bit of an operation's second byte that cuts the power
	// in the midst of it: at the call to the file system that the bits below
	// count to.
	crashWithin = 0x80
)

// runModel decodes an operation list and runs it beside the slice. The first byte
// is the durability; then come two bytes for each operation: which one, and what
// varies it.
func runModel(list []byte, wrap func(vfs.FS) vfs.FS) (err error) {
	if len(list) == 0 {
		return nil
	}
	m := newModel(record.Durability(list[0]%3), wrap)
	defer func() {
		if m.d != nil {
			m.disk.Kill()
			closeQuietly(m.d)
		}
	}()
	var done []modelOperation
	if err := m.start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	for list = list[1:]; len(list) >= 2 && len(done) < modelOperationsMax; list = list[2:] {
		o, what := modelOperation(list[0]%byte(modelOperations)), list[1]
		done = append(done, o)
		if what&crashWithin != 0 {
			err = m.crashWithin(o, what)
		} else {
			err = m.do(o, uint64(what))
		}
		if err == nil {
			_, err = m.check(m.l, m.bounds, m.bounds.acked)
		}
		if err != nil {
			return fmt.Errorf("%v, %v: %w", m.log.Durability, done, err)
		}
	}
	return nil
}

// crashWithin runs an operation, and goes on from what a power cut in the midst
// of it could have left.
func (m *modelLog) crashWithin(o modelOperation, what byte) error {
	calls := int(what&^crashWithin) % 24
	var image *crashfs.FS
	var bounds modelBounds
	disk := m.disk
	disk.SetHook(func(vfs.Call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if calls--; calls < 0 && image == nil {
			image, bounds = disk.Crash(rand.New(rand.NewPCG(uint64(what), 9))), m.bounds
		}
	})
	err := m.do(o, uint64(what))
	disk.SetHook(nil)
	if err != nil || image == nil || m.disk != disk {
		return err // it has fewer calls, or was a power cut itself
	}
	disk.Kill()
	closeQuietly(m.d)
	m.mu.Lock()
	m.bounds = bounds
	m.bounds.acked = bounds.durable
	m.mu.Unlock()
	if err := m.restart(image); err != nil {
		return fmt.Errorf("after a power cut in %v: %w", o, err)
	}
	return nil
}

// FuzzModel runs operation lists with crash points against the slice model.
func FuzzModel(f *testing.F) {
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, list []byte) {
		if err := runModel(list, func(f vfs.FS) vfs.FS { return f }); err != nil {
			t.Fatal(err)
		}
	})
}

// randomList returns an input of the fuzzer.
func randomList(seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 13))
	list := make([]byte, 1+2*modelOperationsMax)
	for i := range list {
		list[i] = byte(rng.Uint32())
	}
	return list
}

// TestModel runs random operation lists.
func TestModel(t *testing.T) {
	n := int64(1_000)
	if testing.Short() {
		n = 50
	}
	err := inParallel(n, func(i int64) error {
		if err := runModel(randomList(uint64(i)), func(f vfs.FS) vfs.FS { return f }); err != nil {
			return fmt.Errorf("list %d: %w", i, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d lists of %d operations", n, modelOperationsMax)
}

// losingFS forgets every seventh write to a segment.
type losingFS struct{ vfs.FS }

func (l losingFS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	file, err := l.FS.OpenFile(name, flag, perm)
	if err != nil || !strings.Contains(name, sparePrefix) {
		return file, err
	}
	return &losingFile{File: file}, nil
}

type losingFile struct {
	vfs.File
	writes int
}

func (l *losingFile) WriteAt(p []byte, off int64) (int, error) {
	if l.writes++; l.writes%7 == 0 {
		return len(p), nil
	}
	return l.File.WriteAt(p, off)
}

func (l *losingFile) Memory() []byte { return l.File.(vfs.Memory).Memory() }

// TestModelFindsALie plants bugs: random lists must find each.
func TestModelFindsALie(t *testing.T) {
	for name, wrap := range map[string]func(vfs.FS) vfs.FS{
		"segments are not synced":    func(f vfs.FS) vfs.FS { return lyingFS{f, "spare", ""} },
		"the manifest is not synced": func(f vfs.FS) vfs.FS { return lyingFS{f, "MANIFEST", ""} },
		"a write is lost":            func(f vfs.FS) vfs.FS { return losingFS{f} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(100) {
				if err := runModel(randomList(seed), wrap); err != nil {
					t.Logf("found with list %d: %v", seed, err)
					return
				}
			}
			t.Error("not noticed by 100 lists")
		})
	}
}
