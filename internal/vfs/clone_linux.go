package vfs

import "golang.org/x/sys/unix"

// Clone makes the empty file to share the blocks of from, where the file system
// can do that (Btrfs, XFS): nothing is copied, and later writes to either stay
// its own. An error means that nothing was done: copy instead.
func Clone(to, from File) error {
	if to.Fd() == NoFd || from.Fd() == NoFd {
		return unix.EOPNOTSUPP
	}
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
}
