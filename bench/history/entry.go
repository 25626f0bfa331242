package history

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/millrace-io/millrace/bench/change"
	"github.com/millrace-io/millrace/bench/result"
)

var (
	// ErrEntry is returned for entries that lack something or have something
	// impossible.
	ErrEntry = errors.New("history: bad entry")
	// ErrDuplicate is returned for a second entry of a commit on a machine.
	ErrDuplicate = errors.New("history: the commit is there already")
	// ErrLine is returned for files with a line that is not an entry; the text
	// says which.
	ErrLine = errors.New("history: bad line")
	// ErrTooLong is returned for lines and files beyond the bounds.
	ErrTooLong = errors.New("history: too long")
	// ErrModified is returned for documents of a checkout with changes that were
	// not committed: they are of no commit.
	ErrModified = errors.New("history: the document is of a modified checkout: commit first and measure that")
)

// Entry is what was measured of one revision on one machine.
type Entry struct {
	// Commit is the revision, abbreviated or not.
	Commit string    `json:"commit"`
	Time   time.Time `json:"time"`
	// Machine is that of MachineID.
	Machine string `json:"machine"`
	// Figures by name; the package documentation lists the names.
	Figures map[string]Figure `json:"figures"`
}

// Figure is one number.
type Figure struct {
	Value float64 `json:"value"`
	// Unit is "x" for ratios, and otherwise "1/s", "B/s", "ns" or "B".
	Unit   string           `json:"unit"`
	Better change.Direction `json:"better"`
}

// MachineID is a short name of what results depend on most: CPU, cores, version
// of the kernel without its patch level, file system. Series with different ones
// are not compared.
func MachineID(m result.Machine) string {
	return fmt.Sprintf("%s, %d cores, %s, %s", strings.TrimSpace(m.CPU), m.Cores, minor(m.Kernel), m.FileSystem)
}

// minor cuts a version after its second number: "Linux 6.1.0-13-amd64" becomes
// "Linux 6.1".
func minor(kernel string) string {
	parts := strings.SplitN(kernel, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// check returns what is wrong with the entry, all of it.
func (e *Entry) check() error {
	var wrong []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf("%w: "+format, append([]any{ErrEntry}, args...)...))
		}
	}
	refuse(e.Commit == "", "it has no commit")
	refuse(e.Time.IsZero(), "it has no time")
	refuse(e.Machine == "", "it has no machine")
	refuse(len(e.Figures) == 0, "it has no figures")
	for _, name := range slices.Sorted(maps.Keys(e.Figures)) {
		f := e.Figures[name]
		refuse(name == "", "a figure has no name")
		refuse(f.Unit == "", "figure %q has no unit", name)
		refuse(f.Better != change.Higher && f.Better != change.Lower, "figure %q: better %q is neither %q nor %q", name, f.Better, change.Higher, change.Lower)
		// Beyond valueMax, sums of squares overflow.
		refuse(!(math.Abs(f.Value) <= valueMax), "figure %q is %g", name, f.Value)
	}
	return errors.Join(wrong...)
}

// valueMax bounds figures.
const valueMax = 1e100
