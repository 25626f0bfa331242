package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/internal/device"
)

// syncCount is how many syncs are timed.
const syncCount = 300

// Describe returns the environment of a run whose files are in dir. What is not
// known stays empty; the error is that of timing the device.
func Describe(ctx context.Context, dir string) (result.Machine, error) {
	m := result.Machine{
		Cores: runtime.NumCPU(), Go: runtime.Version(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		GOGC: setting("GOGC", "100"), GOMEMLIMIT: setting("GOMEMLIMIT", "off"),
		Dirty: map[string]string{},
	}
	system(&m, dir)
	m.Commit, m.Modified = commit(ctx)
	times, err := device.MeasureSync(dir, syncCount)
	if err != nil {
		return m, fmt.Errorf("machine: %w", err)
	}
	m.SyncP50, m.SyncP99 = int64(times.Median), int64(times.P99)
	return m, nil
}

// setting is a variable of the Go runtime.
func setting(name, standard string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return standard
}

// commit returns what was built: what the linker noted, or else what is checked
// out where the process runs.
func commit(ctx context.Context) (revision string, modified bool) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				revision = s.Value
			case "vcs.modified":
				modified = s.Value == "true"
			}
		}
	}
	if revision != "" {
		return revision[:min(len(revision), 12)], modified
	}
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "", false
	}
	status, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output()
	return strings.TrimSpace(string(out)), err == nil && len(status) > 0
}

// first returns the first line of a file that begins with prefix, without it.
func first(path, prefix string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if rest, found := strings.CutPrefix(line, prefix); found {
			return strings.TrimSpace(strings.TrimLeft(rest, " \t:"))
		}
	}
	return ""
}

// mountOf returns the line of /proc/mounts whose mount point is the longest that
// dir is below.
func mountOf(mounts, dir string) (source, kind, options string) {
	longest := -1
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		const needed = 4
		if len(fields) < needed {
			continue
		}
		point := strings.ReplaceAll(fields[1], `\040`, " ")
		relative, err := filepath.Rel(point, dir)
		if err != nil || relative == ".." || strings.HasPrefix(relative, "../") || len(point) < longest {
			continue
		}
		longest = len(point)
		source, kind, options = fields[0], fields[2], fields[3]
	}
	return source, kind, options
}

// kibibytes reads a number such as "24576 kB".
func kibibytes(text string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	return n << 10
}
