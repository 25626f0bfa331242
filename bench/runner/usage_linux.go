package runner

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ownUsage is the processor time of this process so far, and what it has in
// memory, mapped files included.
func ownUsage() usage {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return usage{}
	}
	sizes, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(sizes)
	if err != nil || len(fields) < 2 {
		return usage{}
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return usage{
		cpu:      time.Duration(used.Utime.Nano() + used.Stime.Nano()),
		resident: pages * int64(os.Getpagesize()),
		known:    err == nil,
	}
}
