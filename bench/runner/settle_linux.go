package runner

import (
	"os"

	"golang.org/x/sys/unix"
)

// settle writes everything that is dirty in dir's file system to the device.
// It is a courtesy to the measurement, not a promise, so errors are ignored.
func settle(dir string) {
	file, err := os.Open(dir)
	if err != nil {
		return
	}
	defer file.Close()
	_ = unix.Syncfs(int(file.Fd()))
}
