package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/internal/units"
)

// fact is one line about the machine.
type fact struct{ name, value string }

// known renders what may not be known.
func known(value string) string {
	if value == "" {
		return "unknown"
	}
	return value
}

// commitText is what was measured.
func commitText(m result.Machine) string {
	if m.Modified {
		return known(m.Commit) + ", modified"
	}
	return known(m.Commit)
}

// facts are all that the document says about the machine.
func facts(d *result.Document) []fact {
	m := d.Machine
	dirty := make([]string, 0, len(m.Dirty))
	for _, name := range slices.Sorted(maps.Keys(m.Dirty)) {
		dirty = append(dirty, name+"="+m.Dirty[name])
	}
	return []fact{
		{"Date", d.Started.UTC().Format("2006-01-02 15:04 UTC")},
		{"Commit", commitText(m)},
		{"Processor", fmt.Sprintf("%s, %s", known(m.CPU), units.Plural(m.Cores, "core"))},
		{"Memory", units.Bytes(m.Memory).Human()},
		{"Kernel", known(m.Kernel)},
		{"Frequency governor", known(m.Governor)},
		{"File system", strings.TrimSpace(known(m.FileSystem) + " " + m.Mount)},
		{"Device", fmt.Sprintf("%s, %s free", known(m.Device), units.Bytes(m.FreeBytes).Human())},
		{"4 KiB write with fdatasync", fmt.Sprintf("p50 %s, p99 %s", nanoseconds(m.SyncP50), nanoseconds(m.SyncP99))},
		{"Writeback", known(strings.Join(dirty, " "))},
		{"Go", fmt.Sprintf("%s, GOMAXPROCS=%d GOGC=%s GOMEMLIMIT=%s", known(m.Go), m.GOMAXPROCS, known(m.GOGC), known(m.GOMEMLIMIT))},
		{"Load before the run", fmt.Sprintf("%.2f", m.Load1)},
	}
}

// machineLine is the machine in one line.
func machineLine(m result.Machine) string {
	return fmt.Sprintf("%s, %s, %s, %s, %s on %s, fdatasync p50 %s p99 %s, load %.2f",
		known(m.CPU), units.Plural(m.Cores, "core"), units.Bytes(m.Memory).Human(), known(m.Kernel),
		known(m.FileSystem), known(m.Device), nanoseconds(m.SyncP50), nanoseconds(m.SyncP99), m.Load1)
}

// buildLine is what was measured and when, in one line.
func buildLine(d *result.Document) string {
	return fmt.Sprintf("%s, commit %s, %s", d.Started.UTC().Format(time.RFC3339), commitText(d.Machine), known(d.Machine.Go))
}

// limitText renders a limit.
func limitText(l result.Limit) string {
	text := quantity(l.Value, l.Unit)
	if l.P99 > 0 {
		text += ", p99 " + quantity(l.P99, l.Unit)
	}
	return text
}

// durabilityMeanings explain the classes.
var durabilityMeanings = map[string]string{
	"group":    "the device has the record before it is acknowledged (fdatasync or the like has returned)",
	"interval": "the device gets the record within a bounded time after the acknowledgement",
	"none":     "the record is with the kernel when it is acknowledged, or where the peer's fastest setting leaves it",
}

// durabilities are the classes that a document has, in the order of their
// strength.
func durabilities(d *result.Document) []string {
	found := map[string]bool{}
	for _, r := range d.Runs {
		found[r.Durability] = true
	}
	for _, r := range d.Rows {
		found[r.Durability] = true
	}
	var list []string
	for _, class := range []string{"group", "interval", "none"} {
		if found[class] {
			list = append(list, class)
		}
		delete(found, class)
	}
	return append(list, slices.Sorted(maps.Keys(found))...)
}

// meaning of a durability class; empty for one of a later release.
func meaning(class string) string { return durabilityMeanings[class] }
