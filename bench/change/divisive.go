package change

import (
	"cmp"
	"math"
	"slices"
)

// Point is a place in a series where its mean changed.
type Point struct {
	// Index is that of the first value after the change.
	Index int
	// Before and After are the means of the values back to the previous change
	// and on to the next one, or to the ends of the series.
	Before, After float64
	// P is the p-value of Student's t-test that they do not differ, times the
	// number of places among which this one was chosen for its difference; at
	// most 1.
	P float64
}

// DivisiveOptions configure EDivisive. Zero values mean the defaults.
type DivisiveOptions struct {
	// P is the highest Point.P of a change: at most 0.1. Default 0.001.
	P float64
	// Smallest is the least change, as a fraction of the mean before it.
	// Default 0: any.
	Smallest float64
	// Window is how many values are searched at once: 20 to 500. Default 50.
	Window int
}

const (
	// segmentMin is how many values there must be on each side: a change counts
	// when it has persisted for three runs.
	segmentMin = 3
	// splitMin is how many values a split leaves on each side. It is less than
	// segmentMin so that two runs unlike the rest are split off where they are,
	// and not with a third that is no part of them.
	splitMin = 2
	// weaker is how many times the p-value of a result that of a candidate may
	// be, before it is multiplied by the places. Two changes close to each other
	// hide each other until both are candidates.
	weaker = 10
)

// EDivisive finds the places where the mean of a series changed, in order. It
// is the same for the same series. Errors are ErrTooMany above 10,000 values,
// ErrValue and ErrOptions; a series too short for a change has none.
//
// It slides a window over the series and divides it where the two parts differ
// most by their distances; if a t-test with ten times the p-value asked for can
// tell the parts apart, each is divided in turn. Places in the last quarter of
// the window are left to the next one, which knows what comes after them. It
// starts at the last place found, or half a window on. In the end all places are
// tested again, each between its neighbours, and the least significant one is
// removed until all are as significant, and as large, as was asked for.
//
// The t-test is the one of equal variances. With Welch's in its place, every
// tenth series of 100 normal values had a change, as few values on one side lie
// close together by chance, while a step of three values by ten deviations was
// missed half of the time, as three values say little about their own variance.
// Pooled, and times the number of places, it is fewer than one series of 100,
// and the step is found.
func EDivisive(values []float64, o DivisiveOptions) ([]Point, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := check(values, 0); err != nil {
		return nil, err
	}
	var places []int
	for start := 0; ; {
		end := min(start+o.Window, len(values))
		last := end == len(values)
		next := start + o.Window/2
		for _, index := range divide(values[start:end], o.P*weaker) {
			if last || index <= o.Window*3/4 {
				places = append(places, start+index)
				next = max(next, start+index)
			}
		}
		if last {
			return significant(values, places, o), nil
		}
		start = next
	}
}

func (o DivisiveOptions) complete() (DivisiveOptions, error) {
	o.P = cmp.Or(o.P, 0.001)
	o.Window = cmp.Or(o.Window, 50)
	var wrong complaints
	wrong.unless(o.P > 0 && o.P <= 0.1, "P %g is not above 0 and at most 0.1", o.P)
	wrong.unless(o.Smallest >= 0 && !math.IsInf(o.Smallest, 1), "Smallest %g is not a fraction", o.Smallest)
	wrong.unless(o.Window >= 20 && o.Window <= 500, "Window %d is not 20 to 500", o.Window)
	return o, wrong.all()
}

// divide returns where values divide into parts that a t-test tells apart, in
// order. Parts of less than segmentMin values are divided off all the same, but
// not returned. The parts get shorter with each level, so their number bounds
// the depth.
func divide(values []float64, p float64) []int {
	split, _ := bestSplit(values)
	if split == 0 || studentP(values[:split], values[split:]) > p {
		return nil
	}
	places := divide(values[:split], p)
	if split >= segmentMin && len(values)-split >= segmentMin {
		places = append(places, split)
	}
	for _, index := range divide(values[split:], p) {
		places = append(places, split+index)
	}
	return places
}

// bestSplit returns where to split values into x and y, of n and m values, so
// that q is highest, or 0 if they are too few (Matteson and James, with alpha 1
// and y up to the end):
//
//	q = nm/(n+m) (2 mean|x-y| - mean|x-x'| - mean|y-y'|)
//
// means being over all pairs. As one value after the other moves from y to x,
// its distances from all before it join those within x, and its distances from
// all behind it leave those within y; what is left of all distances is between x
// and y.
func bestSplit(values []float64) (split int, q float64) {
	count := len(values)
	if count < 2*splitMin {
		return 0, 0
	}
	before := make([]float64, count) // distance of each value from all before it
	behind := make([]float64, count)
	all := 0.0
	for i, a := range values {
		for j, b := range values[:i] {
			distance := math.Abs(a - b)
			before[i] += distance
			behind[j] += distance
		}
		all += before[i]
	}
	withinX, withinY := 0.0, all
	for i := range count - splitMin {
		withinX += before[i]
		withinY -= behind[i]
		if i+1 < splitMin {
			continue
		}
		n, m := float64(i+1), float64(count-i-1)
		between := all - withinX - withinY
		energy := 2*between/(n*m) - withinX/(n*(n-1)/2) - withinY/(m*(m-1)/2)
		if height := n * m / (n + m) * energy; split == 0 || height > q {
			split, q = i+1, height
		}
	}
	return split, q
}

// significant removes the places that are not as significant or not as large as
// asked for, the worst first, as each removal changes the parts on both sides.
func significant(values []float64, places []int, o DivisiveOptions) []Point {
	for {
		points := test(values, places)
		worst := -1
		for i, point := range points {
			if worst < 0 || point.P > points[worst].P {
				worst = i
			}
		}
		if worst < 0 || points[worst].P <= o.P {
			worst = -1
			for i, point := range points {
				if point.size() < o.Smallest && (worst < 0 || point.size() < points[worst].size()) {
					worst = i
				}
			}
		}
		if worst < 0 {
			return points
		}
		places = slices.Delete(places, worst, worst+1)
	}
}

// test tests each place between its neighbours.
func test(values []float64, places []int) []Point {
	points := make([]Point, len(places))
	for i, place := range places {
		from, to := 0, len(values)
		if i > 0 {
			from = places[i-1]
		}
		if i+1 < len(places) {
			to = places[i+1]
		}
		before, after := values[from:place], values[place:to]
		choices := float64(len(before) + len(after) - 2*segmentMin + 1)
		points[i] = Point{
			Index: place, Before: meanOf(before), After: meanOf(after),
			P: min(1, choices*studentP(before, after)),
		}
	}
	return points
}

// size is the change as a fraction of the mean before.
func (p Point) size() float64 {
	if p.After == p.Before {
		return 0
	}
	return math.Abs((p.After - p.Before) / p.Before)
}
