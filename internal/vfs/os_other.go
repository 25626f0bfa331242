//go:build !linux

package vfs

import (
	"os"
	"runtime"
)

// allocate writes zeros: portable, and as good a reservation as the file
// system can give without a call of its own.
func allocate(f *os.File, size int64) error { return extendWithZeros(f, size) }

// written does not know: systems differ in what they call a hole.
func written(_ *os.File, off, size int64) (from, to int64, err error) { return off, size, nil }

// punchHole clears the range but cannot give the blocks back.
func punchHole(f *os.File, off, n int64) error { return writeZeros(f, off, n) }

// dataSync is the strongest sync the standard library has (F_FULLFSYNC on
// Apple systems).
func dataSync(f *os.File) error { return f.Sync() }

func startWriteback(*os.File, int64, int64) error { return nil }

func dropCache(*os.File) error { return nil }

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a directory has no handle to flush; NTFS journals its changes
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return closeAfter(f, err)
	}
	return f.Close()
}
