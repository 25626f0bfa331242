//go:build !linux

package vfs

import "errors"

// Clone makes the empty file to share the blocks of from, where the file system
// can do that. An error means that nothing was done: copy instead.
func Clone(_, _ File) error { return errors.ErrUnsupported }
