//go:build !linux

package runner

// ownUsage is known on Linux only.
func ownUsage() usage { return usage{} }
