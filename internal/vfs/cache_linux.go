package vfs

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// CacheID names what the cached pages below dir belong to: this start of the
// machine, and this mount of the file system. It is empty where the kernel does not tell.
func (osFS) CacheID(dir string) string {
	boot := bootID()
	if boot == "" {
		return ""
	}
	var s unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_MNT_ID_UNIQUE, &s); err != nil || s.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		return "" // a kernel before 6.8 uses the numbers of mounts again
	}
	return fmt.Sprintf("%s %x", boot, s.Mnt_id)
}

// bootID is asked once: thousands of logs are opened one after the other.
var bootID = sync.OnceValue(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
})
