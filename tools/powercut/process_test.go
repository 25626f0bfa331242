package powercut

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// processUsage reads what a process uses from /proc. Segments come and go with
// retention, so that they are counted apart from the rest.
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
	open := 0
	for _, d := range descriptors {
		// A descriptor that was closed meanwhile is not one of a segment.
		if target, err := os.Readlink(proc + "/fd/" + d.Name()); err == nil && strings.Contains(target, ".seg") {
			open++
		}
	}
	mapped := bytes.Count(maps, []byte(".seg"))
	used := map[string]float64{
		"descriptors of segments": float64(open),
		"other descriptors":       float64(len(descriptors) - open),
		"mappings of segments":    float64(mapped),
		"other mappings":          float64(bytes.Count(maps, []byte("\n")) - mapped),
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
