package report

import (
	"fmt"

	"github.com/millrace-io/millrace/bench/report/chart"
	"github.com/millrace-io/millrace/bench/result"
)

// secondsLeast is how many seconds are worth a chart.
const secondsLeast = 3

// columnsMax is how many columns a heat map has at most.
const columnsMax = 120

// overTime are the charts of the typical round of each series second by second:
// percentiles, and a heat map.
func (g group) overTime() []Chart {
	var charts []Chart
	for _, s := range g.series {
		r := s.typical()
		l := judged(r)
		if l == nil || len(l.Seconds) < secondsLeast {
			continue
		}
		label := g.label(s)
		note := fmt.Sprintf("Round %d of %d, the one with the median p99", r.Round, len(s.runs))
		if len(s.runs) == 1 {
			note = fmt.Sprintf("Round %d", r.Round)
		}
		if r.Loop != "open" {
			note += ". Closed loop: coordinated waiting is omitted"
		}
		axis := chart.Axis{Label: "seconds since the end of the warm-up"}
		values := chart.Axis{Label: "latency, logarithmic", Scale: chart.Log, Format: tickQuantity("ns")}
		charts = append(charts, Chart{
			Name: slug("seconds", g.scenario, label), Title: fmt.Sprintf("%s, %s: percentiles over time", g.scenario, label),
			Note: note, X: axis, Y: values, Lines: secondLines(l.Seconds),
		}, Chart{
			Name: slug("heat", g.scenario, label), Title: fmt.Sprintf("%s, %s: where latencies were", g.scenario, label),
			Note: note + ". Shade: share of the operations of that time, logarithmic", X: axis, Y: values, Heat: cells(l.Seconds),
		})
	}
	return charts
}

// secondLines are the percentiles second by second, and the maximum.
func secondLines(seconds []result.Second) []chart.Line {
	lines := []chart.Line{
		{Label: "max", Series: chart.Neutral}, {Label: "p99.9", Series: 6}, {Label: "p99", Series: 1}, {Label: "p50", Series: 0},
	}
	for _, s := range seconds {
		for i, value := range []int64{s.Max, s.P999, s.P99, s.P50} {
			lines[i].X = append(lines[i].X, float64(s.At)+0.5)
			lines[i].Y = append(lines[i].Y, float64(max(value, 1)))
		}
	}
	return lines
}

// cells are the heat of the seconds, of several in one column when there are
// too many.
func cells(seconds []result.Second) []chart.Cell {
	// A bucket reaches from its bound down by the square root of two.
	const growth = 1.4142135623730951
	last := seconds[len(seconds)-1].At
	perColumn := max(last, 0)/columnsMax + 1
	var all []chart.Cell
	for from := 0; from < len(seconds); {
		column := seconds[from].At / perColumn
		shares, count := map[int64]float64{}, 0.0
		var bounds []int64
		for ; from < len(seconds) && seconds[from].At/perColumn == column; from++ {
			s := seconds[from]
			count += float64(s.Count)
			for _, bucket := range s.Heat {
				if bucket.Value <= 0 {
					continue // no place on a logarithmic axis
				}
				if _, known := shares[bucket.Value]; !known {
					bounds = append(bounds, bucket.Value)
				}
				shares[bucket.Value] += bucket.Quantile * float64(s.Count)
			}
		}
		for _, bound := range bounds {
			all = append(all, chart.Cell{
				Left: float64(column * perColumn), Right: float64((column + 1) * perColumn),
				Low: float64(bound) / growth, High: float64(bound), Share: shares[bound] / max(count, 1),
			})
		}
	}
	return all
}
