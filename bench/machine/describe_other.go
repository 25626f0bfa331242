//go:build !linux

package machine

import (
	"runtime"

	"github.com/millrace-io/millrace/bench/result"
)

// system knows only names here.
func system(m *result.Machine, _ string) {
	m.CPU, m.Kernel = runtime.GOARCH, runtime.GOOS
}
