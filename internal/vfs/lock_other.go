//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package vfs

import (
	"errors"
	"os"
)

// lockFile refuses: two writers on one log would destroy it, and this system
// offers no lock that the package knows.
func lockFile(*os.File) error { return errors.ErrUnsupported }
