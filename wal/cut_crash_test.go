package wal

import (
	"context"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/millrace-io/millrace/internal/vfs"
)

// crashEnd is the end of a batch, and what its producer sends next in its epoch.
type crashEnd struct {
	last  uint64
	epoch uint16 // 0: it had no producer
	next  uint32
}

// cutEnd cuts after one of the last batches, or continues elsewhere.
func (r *crashRun) cutEnd(l *Log) error {
	first, next := l.Stats().First, l.Next()
	sequence := first - 1
	if n := len(r.ends); n > 0 && r.rng.IntN(8) > 0 {
		sequence = max(sequence, r.ends[n-1-r.rng.IntN(min(n, 40))].last)
	}
	restart := r.rng.IntN(6) == 0
	if restart {
		sequence = max(next, 3) - 3 + uint64(r.rng.IntN(9))
	}
	r.mu.Lock()
	r.acked = min(r.acked, sequence)
	if restart {
		r.trimmed = max(r.trimmed, sequence+1)
	}
	r.mu.Unlock()
	if restart {
		if err := l.Restart(context.Background(), sequence+1); err != nil {
			return err
		}
	} else if err := r.cutBy(l, sequence); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if restart {
		r.dropFromLocked(0)
		r.trimmed, r.acked = sequence+1, max(r.acked, sequence)
	} else {
		r.dropFromLocked(sequence + 1)
	}
	if r.lastGot.Last > sequence || restart {
		r.lastSent = nil
	}
	// The producer goes on with what was cut, and must be taken at its word.
	r.producer.Sequence = 0
	for _, e := range r.ends {
		if e.epoch == r.producer.Epoch {
			r.producer.Sequence = e.next
		}
	}
	if restart {
		r.producer.Epoch++
	}
	return nil
}

// TestCrashImagesOfCuts does the same to machines that also cut the end of the
// log and restart it: a removed record is never seen again.
func TestCrashImagesOfCuts(t *testing.T) { runCrashes(t, int64(crashImages(t)/4), true) }

func cutAfter(l *Log, sequence uint64) error { return l.CutAfter(context.Background(), sequence) }

// TestCrashImagesOfCutsFindALie shows that the check above can fail.
func TestCrashImagesOfCutsFindALie(t *testing.T) {
	for seed := range uint64(50) {
		var lies atomic.Bool
		var r *crashRun
		r = newCrashRun(seed, func(f vfs.FS) vfs.FS {
			if f != vfs.FS(r.disk) {
				return f // an image that is judged
			}
			return lyingWhile{f, &lies}
		})
		r.cuts, r.cutBy = true, func(l *Log, sequence uint64) error {
			lies.Store(true)
			defer lies.Store(false)
			return cutAfter(l, sequence)
		}
		if err := r.live(25); err != nil {
			t.Logf("found with seed %d after %d images: %v", seed, r.images, err)
			return
		}
	}
	t.Error("not noticed in 50 machines")
}

// lyingWhile does not sync manifests while it lies.
type lyingWhile struct {
	vfs.FS
	lies *atomic.Bool
}

func (l lyingWhile) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	file, err := l.FS.OpenFile(name, flag, perm)
	if err != nil || !strings.Contains(name, "MANIFEST") {
		return file, err
	}
	return lyingWhileFile{lyingFile{file}, l.lies}, nil
}

type lyingWhileFile struct {
	lyingFile
	lies *atomic.Bool
}

func (l lyingWhileFile) Sync() error {
	if l.lies.Load() {
		return nil
	}
	return l.File.Sync()
}
