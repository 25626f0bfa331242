package history

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/millrace-io/millrace/bench/change"
)

// Line is one figure of one machine over time.
type Line struct {
	Name   string
	Unit   string
	Better change.Direction
	// Points are in the order of the file, the oldest first. Entries without
	// the figure have none.
	Points []Point
}

// Point is one value of a line.
type Point struct {
	Commit string
	Time   time.Time
	Value  float64
}

// Change is a place where the mean of a line changed.
type Change struct {
	Machine string
	Line    Line
	// At is the index in Line.Points of the first value after the change.
	At int
	// Before and After are the means up to the change and from it on, as far as
	// the changes before and after it.
	Before, After float64
	// P is the p-value of change.Point.
	P float64
	// Worse is set if it is one for the worse.
	Worse bool
}

// smallest is the least change that is reported, as a fraction: what the gate
// calls slower by default. Smaller ones come and go with compilers and kernels.
const smallest = 0.05

// Machines returns the machines of entries in alphabetical order.
func Machines(entries []Entry) []string {
	var machines []string
	for _, e := range entries {
		machines = append(machines, e.Machine)
	}
	slices.Sort(machines)
	return slices.Compact(machines)
}

// Series returns the lines of one machine, by name. Where a name has changed its
// unit or direction there are two of that name.
func Series(entries []Entry, machine string) []Line {
	lines := map[figureKey]*Line{}
	for _, e := range entries {
		if e.Machine != machine {
			continue
		}
		for name, f := range e.Figures {
			key := figureKey{name, f.Unit, f.Better}
			if lines[key] == nil {
				lines[key] = &Line{Name: name, Unit: f.Unit, Better: f.Better}
			}
			lines[key].Points = append(lines[key].Points, Point{Commit: e.Commit, Time: e.Time, Value: f.Value})
		}
	}
	sorted := make([]Line, 0, len(lines))
	for _, line := range lines {
		sorted = append(sorted, *line)
	}
	slices.SortFunc(sorted, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Better, b.Better))
	})
	return sorted
}

// Changes returns the changes of at least five percent in all lines of all
// machines: by machine, name and place. There must be three values on each side.
// With thousands of lines a few changes are noise. An error, that of
// change.EDivisive, comes only of entries that Read would have refused.
func Changes(entries []Entry) ([]Change, error) {
	var changes []Change
	for _, machine := range Machines(entries) {
		for _, line := range Series(entries, machine) {
			values := make([]float64, len(line.Points))
			for i, point := range line.Points {
				values[i] = point.Value
			}
			points, err := change.EDivisive(values, change.DivisiveOptions{Smallest: smallest})
			if err != nil {
				return nil, fmt.Errorf("history: changes of %q: %w", line.Name, err)
			}
			for _, point := range points {
				changes = append(changes, Change{
					Machine: machine, Line: line, At: point.Index,
					Before: point.Before, After: point.After, P: point.P,
					Worse: (point.After > point.Before) == (line.Better == change.Lower),
				})
			}
		}
	}
	return changes, nil
}
