package repair

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/segment"
	"github.com/millrace-io/millrace/wal"
)

// Every call that changes something fails once, and then with all later ones of
// its kind on a full disk: the repair is refused or done, never half done, and can be repeated.
func TestEveryFaultLeavesARepairThatCanBeRepeated(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	o := smallSegments()
	o.FS, o.Backend = disk, wal.BackendHeap
	populate(t, data, o)
	flip(t, disk, path.Join(data, segmentsOf(t, disk, data, 1)[1]), segment.HeaderSize+9000)
	disk.SyncAll()
	rng := rand.New(rand.NewPCG(3, 4))
	step := 1
	if testing.Short() {
		step = 5 // under the race detector
	}
	for _, operation := range errorfs.Changing() {
		for _, rule := range []errorfs.Rule{{Err: syscall.EIO}, {Err: syscall.ENOSPC, Sticky: true}} {
			rule.Operations = []vfs.Operation{operation}
			for rule.Nth = 1; rule.Nth < 1000; rule.Nth += step {
				reached, err := repairWithFault(disk.Crash(rng), o, rule)
				if err != nil {
					t.Errorf("%v %d, %v: %v", operation, rule.Nth, rule.Err, err)
				}
				if !reached {
					break
				}
			}
			t.Logf("%v, %v: %d sites", operation, rule.Err, rule.Nth-1)
		}
	}
}

// repairWithFault repairs an image with a fault, and then without.
func repairWithFault(image *crashfs.FS, o wal.Options, rule errorfs.Rule) (reached bool, err error) {
	faulty := errorfs.New(image)
	fault := faulty.Fail(rule)
	o.FS = faulty
	var found collected
	first, err := Run(neverEnds, data, Options{WAL: o, Now: now}, found.emit)
	if err != nil && !errors.Is(err, rule.Err) {
		return true, fmt.Errorf("another error: %w", err)
	}
	if err == nil && !first.Repaired {
		return true, errors.New("no error, and nothing was done")
	}
	reached = fault.Fired()
	o.FS = image
	second, err := Run(neverEnds, data, Options{WAL: o, Now: now}, found.emit)
	if err != nil {
		return reached, fmt.Errorf("again: %w", err)
	}
	if first.Repaired && second.Repaired {
		return reached, errors.New("it was repaired twice")
	}
	return reached, judge(data, o, found.damage[0].Next)
}
