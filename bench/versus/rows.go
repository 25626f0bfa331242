package versus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace-io/millrace/bench/change"
	"github.com/millrace-io/millrace/bench/result"
)

// pair is a run of a peer and the run of ours beside it.
type pair struct{ ours, theirs *result.Run }

// rowOf makes the row of one figure and one peer; ok is false when no run of the
// peer has the figure. A side that did not keep up, even once, or that lacks the
// figure has 0, and there are no ratios then. Notes say so, and what else a
// reader must know.
func rowOf(f Figure, peer, durability string, pairs []pair) (row result.Row, ok bool) {
	row = result.Row{Measure: f.Name, Better: f.Better, Unit: f.Unit, Peer: peer, Durability: durability, LimitName: f.LimitName}
	var own, their side
	for _, p := range pairs {
		if _, ok := f.Of(p.theirs); !ok {
			continue
		}
		ours, isOurs := own.add(f, p.ours)
		theirs, isTheirs := their.add(f, p.theirs)
		if isOurs && isTheirs {
			row.Ratios = append(row.Ratios, ratioOf(f, ours, theirs))
		}
	}
	if their.runs == 0 {
		return row, false
	}
	row.Ours, row.Theirs = own.median(), their.median()
	row.Notes = strings.Join(append(their.notes("", "their"), own.notes("we ", "our")...), "; ")
	if own.out() || their.out() {
		row.Ratios = nil
		return row, true
	}
	row.Median, row.Low, row.High = change.Median(row.Ratios), slices.Min(row.Ratios), slices.Max(row.Ratios)
	return row, true
}

// ratioOf is above 1 when we are better.
func ratioOf(f Figure, ours, theirs float64) float64 {
	if f.Better == "lower" {
		return theirs / ours
	}
	return ours / theirs
}

// side is the runs of one contender in a row.
type side struct {
	runs          int
	values        []float64
	slow, missing bool
	failed        int64
	undelivered   float64
}

// add takes a run and returns its figure, if there is one that counts.
func (s *side) add(f Figure, run *result.Run) (value float64, ok bool) {
	s.runs++
	s.failed += run.Errors
	s.undelivered += run.Values["records_not_delivered"]
	value, ok = f.Of(run)
	switch {
	case !ok:
		s.missing = true
	case value == TooSlow:
		s.slow = true
	default:
		s.values = append(s.values, value)
		return value, true
	}
	return 0, false
}

// out says that the side has no figure: the runs in which it did keep up would
// be those of luck.
func (s *side) out() bool { return s.slow || s.missing }

// median is that of all runs, 0 when the side is out.
func (s *side) median() float64 {
	if s.out() {
		return 0
	}
	return change.Median(s.values)
}

// notes say what is wrong with the runs of the side: it is the subject of
// sentences, and has things.
func (s *side) notes(subject, possessive string) []string {
	var notes []string
	if s.slow {
		notes = append(notes, subject+"did not keep up with the planned rate")
	}
	if s.missing {
		notes = append(notes, subject+"have no figure")
	}
	if s.failed > 0 {
		notes = append(notes, fmt.Sprintf("%d of %s operations failed", s.failed, possessive))
	}
	if s.undelivered > 0 {
		notes = append(notes, fmt.Sprintf("%g of %s records were not delivered", s.undelivered, possessive))
	}
	return notes
}
