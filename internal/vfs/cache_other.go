//go:build !linux

package vfs

// CacheID is not known on this system.
func (osFS) CacheID(string) string { return "" }
