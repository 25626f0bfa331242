package versus

import "github.com/millrace-io/millrace/bench/result"

// Figure is one number that a run gives, and how to judge it.
type Figure struct {
	Name   string
	Better string // "higher" or "lower"
	Unit   string
	// Of returns the number; ok is false when the run does not have it.
	Of func(*result.Run) (value float64, ok bool)
	// Limit computes the physical limit in the figure's unit; 0 when there is
	// none. LimitName says what it is.
	Limit     limitFunc
	LimitName string
	// LimitOf is a limit that a run of ours has measured itself, in place of
	// Limit.
	LimitOf func(*result.Run) float64
	// Reads says that the figure is one of reading: rows say whether the peer
	// checks what it reads.
	Reads bool
	// Alone is a figure of ours that nobody is compared by.
	Alone bool
}

// limitFunc computes a limit for records of that size.
type limitFunc func(limits map[string]result.Limit, m result.Machine, recordBytes int) float64

// throughput is records a second.
func throughput(name, limitName string, limit limitFunc) Figure {
	return Figure{
		Name: name, Better: "higher", Unit: "1/s", LimitName: limitName, Limit: limit,
		Of: func(r *result.Run) (float64, bool) { return r.RecordRate(), r.Records > 0 },
	}
}

// value is one of the named values of a run.
func value(name, better, unit, key, limitName string, limit limitFunc) Figure {
	return Figure{
		Name: name, Better: better, Unit: unit, LimitName: limitName, Limit: limit,
		Of: func(r *result.Run) (float64, bool) { v, ok := r.Values[key]; return v, ok && v > 0 },
	}
}

// byteThroughput is bytes a second, of large records.
func byteThroughput(name, limitName, limit string) Figure {
	return Figure{
		Name: name, Better: "higher", Unit: "B/s", LimitName: limitName, Limit: plain(limit),
		Of: func(r *result.Run) (float64, bool) { return r.ByteRate(), r.Bytes > 0 },
	}
}

// closedLoop is a quantile of the latency of appends in a closed loop, and says
// so.
func closedLoop(name string, quantile float64) Figure {
	pick, label := quantileOf(quantile)
	return Figure{
		Name: name + ", closed loop" + label, Better: "lower", Unit: "ns",
		Of: func(r *result.Run) (float64, bool) { return keptUp(r, r.Latency, pick) },
	}
}

// alone is a value that only ours is asked for.
func alone(name, better, unit, key string) Figure {
	f := value(name, better, unit, key, "", nil)
	f.Alone = true
	return f
}

// reading marks a figure as one of reading.
func reading(f Figure) Figure {
	f.Reads = true
	return f
}

// within puts a limit beside a figure that has none.
func within(f Figure, name string, limit limitFunc) Figure {
	f.LimitName, f.Limit = name, limit
	return f
}

// latencies are the figures of appends at a planned rate.
func latencies(name string) []Figure {
	of := func(pick func(*result.Latency) int64) func(*result.Run) (float64, bool) {
		return func(r *result.Run) (float64, bool) { return keptUp(r, r.Latency, pick) }
	}
	return []Figure{
		{Name: name + ", p50", Better: "lower", Unit: "ns", Of: of(p50), LimitName: "fdatasync p50", Limit: syncP50},
		{Name: name + ", p99", Better: "lower", Unit: "ns", Of: of(p99), LimitName: "fdatasync p99", Limit: syncP99},
		{Name: name + ", p99.9", Better: "lower", Unit: "ns", Of: of(p999)},
	}
}

// endToEnd is a quantile from the planned time of sending to delivery.
func endToEnd(name string, quantile float64) Figure {
	pick, label := quantileOf(quantile)
	return Figure{
		Name: name + "," + label, Better: "lower", Unit: "ns",
		Of: func(r *result.Run) (float64, bool) { return keptUp(r, r.EndToEnd, pick) },
	}
}

// quantileOf returns what reads a quantile, and its name.
func quantileOf(quantile float64) (pick func(*result.Latency) int64, label string) {
	switch quantile {
	case 0.99:
		return p99, " p99"
	case 0.999:
		return p999, " p99.9"
	}
	return p50, " p50"
}

// brokerLatencies are end to end figures with the loopback beside them.
func brokerLatencies(name string) []Figure {
	var figures []Figure
	for _, quantile := range []float64{0.5, 0.99, 0.999} {
		figures = append(figures, endToEnd(name, quantile))
	}
	figures[0] = within(figures[0], "loopback round trip", plain("loopback-round-trip"))
	return figures
}

// TooSlow is the value of a latency of a target that did not keep up.
const TooSlow = -1

// keptUp returns a quantile of l, or TooSlow.
func keptUp(r *result.Run, l *result.Latency, pick func(*result.Latency) int64) (float64, bool) {
	switch {
	case l == nil || l.Count == 0:
		return 0, false
	case !r.KeptUp():
		return TooSlow, true
	}
	return float64(pick(l)), true
}

func p50(l *result.Latency) int64  { return l.P50 }
func p99(l *result.Latency) int64  { return l.P99 }
func p999(l *result.Latency) int64 { return l.P999 }

func syncP50(_ map[string]result.Limit, m result.Machine, _ int) float64 { return float64(m.SyncP50) }

func syncP99(_ map[string]result.Limit, m result.Machine, _ int) float64 { return float64(m.SyncP99) }

// perRecord turns a bandwidth into records a second.
func perRecord(name string) limitFunc {
	return func(limits map[string]result.Limit, _ result.Machine, recordBytes int) float64 {
		return limits[name].Value / float64(recordBytes)
	}
}

// plain is a limit as it was measured.
func plain(name string) limitFunc { return times(1, name) }

// times is so many times a limit.
func times(factor float64, name string) limitFunc {
	return func(limits map[string]result.Limit, _ result.Machine, _ int) float64 {
		return factor * limits[name].Value
	}
}
