package versus

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace-io/millrace/bench/result"
)

// Goal is what a set of measures must show, and whether it did.
type Goal struct {
	// Text says what is wanted, Found what came out.
	Text, Found string
	Met         bool
}

// KinesisGoals judges the rows of the set of that name. What was not measured is
// not judged.
func KinesisGoals(d *result.Document) []Goal {
	const ferro = "ferrokinesis"
	var goals []Goal
	for _, figure := range []string{putRecordsFigure, getRecordsFigure} {
		for _, peer := range emulators {
			wanted := 10.0
			if peer == ferro {
				wanted = 1.5
			}
			if row := rowFor(d, figure, peer); row != nil {
				goals = append(goals, Goal{
					Text:  fmt.Sprintf("%s: at least %g times %s", figure, wanted, peer),
					Found: fmt.Sprintf("%.1f times, %.1f to %.1f in %d pairs", row.Median, row.Low, row.High, len(row.Ratios)),
					Met:   row.Median >= wanted,
				})
			}
		}
	}
	if goal, ok := latencyGoal(d); ok {
		goals = append(goals, goal)
	}
	if row := rowFor(d, subscribeFigure+", p50", ""); row != nil {
		const most = 2 * time.Millisecond
		goals = append(goals, Goal{
			Text: fmt.Sprintf("%s, p50: at most %s", subscribeFigure, most), Found: found(row.Ours), Met: row.Ours > 0 && row.Ours <= float64(most),
		})
	}
	return goals
}

// latencyGoal is that of single records: the best p99 of the others, which do not
// sync, and one sync of the device on top. That is its median, though the slowest
// of a hundred requests has a slow one.
func latencyGoal(d *result.Document) (Goal, bool) {
	const figure = putRecordFigure + ", p99"
	var best *result.Row
	for _, peer := range emulators {
		row := rowFor(d, figure, peer)
		if row != nil && row.Theirs > 0 && (best == nil || row.Theirs < best.Theirs) {
			best = row
		}
	}
	if best == nil {
		return Goal{}, false
	}
	most := best.Theirs + float64(d.Machine.SyncP50)
	return Goal{
		Text:  fmt.Sprintf("%s: at most the best of theirs and one sync, %s + %s", figure, found(best.Theirs), found(float64(d.Machine.SyncP50))),
		Found: fmt.Sprintf("%s; the p99 of a sync is %s", found(best.Ours), found(float64(d.Machine.SyncP99))), Met: best.Ours > 0 && best.Ours <= most,
	}, true
}

// found is a time in words.
func found(nanoseconds float64) string {
	if nanoseconds <= 0 {
		return "too slow"
	}
	return time.Duration(nanoseconds).Round(10 * time.Microsecond).String()
}

// rowFor returns the row of a figure and a peer, or of us alone, or nil.
func rowFor(d *result.Document, figure, peer string) *result.Row {
	for i := range d.Rows {
		if d.Rows[i].Measure == figure && d.Rows[i].Peer == peer {
			return &d.Rows[i]
		}
	}
	return nil
}

// GoalsText renders goals, a line for each.
func GoalsText(goals []Goal) string {
	var b strings.Builder
	for _, g := range goals {
		verdict := "MISSED"
		if g.Met {
			verdict = "met"
		}
		fmt.Fprintf(&b, "%-6s  %s: %s\n", verdict, g.Text, g.Found)
	}
	return b.String()
}
