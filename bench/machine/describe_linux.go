package machine

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/millrace-io/millrace/bench/result"
)

// system fills in what the kernel says.
func system(m *result.Machine, dir string) {
	m.CPU = first("/proc/cpuinfo", "model name")
	m.Memory = kibibytes(first("/proc/meminfo", "MemTotal:"))
	m.Kernel = "Linux " + first("/proc/sys/kernel/osrelease", "")
	m.Governor = first("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "")
	for _, name := range []string{"dirty_ratio", "dirty_background_ratio", "dirty_expire_centisecs", "dirty_writeback_centisecs"} {
		if value := first("/proc/sys/vm/"+name, ""); value != "" {
			m.Dirty[name] = value
		}
	}
	if fields := strings.Fields(first("/proc/loadavg", "")); len(fields) > 0 {
		m.Load1, _ = strconv.ParseFloat(fields[0], 64)
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		if mounts, err := os.ReadFile("/proc/mounts"); err == nil {
			m.Device, m.FileSystem, m.Mount = mountOf(string(mounts), absolute)
		}
	}
	var space unix.Statfs_t
	if unix.Statfs(dir, &space) == nil {
		m.FreeBytes = int64(space.Bavail) * int64(space.Bsize)
	}
}
