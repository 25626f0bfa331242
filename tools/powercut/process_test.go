package powercut

import (
	"bytes"
	"fmt"
	"os"
)

// processUsage reads what a process uses from /proc.
func processUsage(pid int) (map[string]float64, error) {
	proc := fmt.Sprintf("/proc/%d", pid)
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		return nil, err
	}
	descriptors, err := os.ReadDir(proc + "/fd")
	if err != nil {
		return nil, err
	}
	maps, err := os.ReadFile(proc + "/maps")
	if err != nil {
		return nil, err
	}
	used := map[string]float64{
		"descriptors": float64(len(descriptors)),
		"mappings":    float64(bytes.Count(maps, []byte("\n"))),
	}
	for name, field := range map[string]string{"anonymous MB": "RssAnon:", "resident MB": "VmRSS:"} {
		_, after, _ := bytes.Cut(status, []byte(field))
		var kilobytes float64
		if _, err := fmt.Sscan(string(after[:min(len(after), 40)]), &kilobytes); err != nil {
			return nil, fmt.Errorf("%s of process %d: %w", field, pid, err)
		}
		used[name] = kilobytes / 1024
	}
	return used, nil
}
