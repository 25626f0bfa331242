package device

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace-io/millrace/internal/vfs"
)

// blockSize is what each write of a measurement stores.
const blockSize = 4096

// SyncTimes is how long a 4 KiB write and its fdatasync took.
type SyncTimes struct {
	Count                   int
	Median, P90, P99, Worst time.Duration
}

// MeasureSync times count times one write of 4 KiB followed by fdatasync, in a
// file of its own in dir that is removed afterwards. Each block is written for
// the first time but its space is allocated, as it is in a log.
func MeasureSync(dir string, count int) (SyncTimes, error) {
	name := filepath.Join(dir, fmt.Sprintf("sync-%d.tmp", os.Getpid()))
	files := vfs.OS()
	file, err := files.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return SyncTimes{}, fmt.Errorf("device: measure sync: %w", err)
	}
	defer func() {
		file.Close()
		_ = files.Remove(name)
	}()
	if err := file.Allocate(int64(count) * blockSize); err != nil {
		return SyncTimes{}, fmt.Errorf("device: measure sync: %w", err)
	}
	if err := file.Sync(); err != nil {
		return SyncTimes{}, fmt.Errorf("device: measure sync: %w", err)
	}
	block := make([]byte, blockSize)
	for i := range block {
		block[i] = byte(i)
	}
	times := make([]time.Duration, count)
	for i := range times {
		start := time.Now()
		if _, err := file.WriteAt(block, int64(i)*blockSize); err != nil {
			return SyncTimes{}, fmt.Errorf("device: measure sync: %w", err)
		}
		if err := file.Sync(); err != nil {
			return SyncTimes{}, fmt.Errorf("device: measure sync: %w", err)
		}
		times[i] = time.Since(start)
	}
	return summarize(times), nil
}

// summarize sorts times and picks the quantiles.
func summarize(times []time.Duration) SyncTimes {
	if len(times) == 0 {
		return SyncTimes{}
	}
	slices.Sort(times)
	last := len(times) - 1
	return SyncTimes{Count: len(times), Median: times[last/2], P90: times[last*9/10], P99: times[last*99/100], Worst: times[last]}
}
