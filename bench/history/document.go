package history

import (
	"fmt"
	"strings"

	"github.com/millrace-io/millrace/bench/change"
	"github.com/millrace-io/millrace/bench/result"
)

// FromDocument makes an entry of a document. Runs with errors give no figures,
// nor do latencies of runs that did not keep up with their planned rate, which
// say only how long the run was. A document of a modified checkout is
// ErrModified; one without commit, time or figures is ErrEntry.
func FromDocument(d *result.Document) (Entry, error) {
	if d.Machine.Modified {
		return Entry{}, fmt.Errorf("%w (at %s)", ErrModified, d.Machine.Commit)
	}
	c := collection{}
	for i := range d.Runs {
		c.run(&d.Runs[i])
	}
	for i := range d.Rows {
		c.row(&d.Rows[i])
	}
	e := Entry{
		Commit: d.Machine.Commit, Time: d.Started.UTC(), Machine: MachineID(d.Machine),
		Figures: make(map[string]Figure, len(c)),
	}
	for key, values := range c {
		e.Figures[key.name] = Figure{Value: change.Median(values), Unit: key.unit, Better: key.better}
	}
	return e, e.check()
}

// collection is all values of each figure.
type collection map[figureKey][]float64

type figureKey struct {
	name, unit string
	better     change.Direction
}

// add adds a value of a figure. One that is not above zero is none: nothing
// that is measured here takes no time or comes at no rate.
func (c collection) add(name, unit string, better change.Direction, value float64) {
	if value > 0 {
		key := figureKey{name, unit, better}
		c[key] = append(c[key], value)
	}
}

// run adds the figures of one run.
func (c collection) run(r *result.Run) {
	if r.Errors > 0 {
		return
	}
	prefix := fmt.Sprintf("%s %s %s: ", r.Scenario, r.Target, r.Durability)
	if r.Loop == "closed" {
		c.add(prefix+"records", "1/s", change.Higher, r.RecordRate())
	}
	if r.KeptUp() {
		c.latency(prefix, r.Latency)
		c.latency(prefix+"end to end ", r.EndToEnd)
	}
	for name, value := range r.Values {
		if unit, better, ok := meaning(name); ok {
			c.add(prefix+name, unit, better, value)
		}
	}
}

func (c collection) latency(prefix string, l *result.Latency) {
	if l == nil || l.Count == 0 {
		return
	}
	c.add(prefix+"p50", "ns", change.Lower, float64(l.P50))
	c.add(prefix+"p99", "ns", change.Lower, float64(l.P99))
	c.add(prefix+"p99.9", "ns", change.Lower, float64(l.P999))
}

// meaning tells from the name of a value what it is; ok is false of those that
// are neither better when higher nor when lower, such as counts.
func meaning(name string) (unit string, better change.Direction, ok bool) {
	for _, suffix := range []struct {
		text, unit string
		better     change.Direction
	}{
		{"_bytes_per_second", "B/s", change.Higher},
		{"_per_second", "1/s", change.Higher},
		{"_ns_per_record", "ns", change.Lower},
		{"_ns", "ns", change.Lower},
		{"_memory_bytes", "B", change.Lower},
	} {
		if strings.HasSuffix(name, suffix.text) {
			return suffix.unit, suffix.better, true
		}
	}
	return "", "", false
}

// row adds the ratios of one row. Those to the limit are the same for all peers,
// but for the pairs.
func (c collection) row(r *result.Row) {
	c.add(fmt.Sprintf("ratio: %s vs %s, %s", r.Measure, r.Peer, r.Durability), "x", change.Higher, r.Median)
	if r.Limit <= 0 || r.Ours <= 0 {
		return
	}
	share := r.Ours / r.Limit
	if change.Direction(r.Better) == change.Lower {
		share = r.Limit / r.Ours
	}
	c.add(fmt.Sprintf("limit: %s, %s", r.Measure, r.Durability), "x", change.Higher, share)
}
