//go:build !linux

package runner

import (
	"context"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/target"
)

// full needs a small file system, and only Linux lets us make one in memory.
func full(_ context.Context, _ Job, on target.Target, _ string, _ *result.Run) error {
	return lacks(on.About(), "be given a small file system on this system")
}
