package versus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace-io/millrace/bench/change"
	"github.com/millrace-io/millrace/bench/result"
)

// rows makes the rows of the measure, figure by figure.
func (t *table) rows(m Measure, in class, machine result.Machine, limits map[string]result.Limit) []result.Row {
	var rows []result.Row
	for _, f := range m.Figures {
		var found []result.Row
		if f.Alone || len(t.others) == 0 {
			if row, ok := aloneRow(f, string(in.durability), t.alone); ok {
				found = append(found, row)
			}
		} else {
			found = t.figure(f, in)
		}
		for _, row := range found {
			if m.Ours != "" && row.Durability != string(m.Ours) {
				row.Notes = strings.TrimSuffix("they promise "+row.Durability+"; "+row.Notes, "; ")
				row.Durability = string(m.Ours)
			}
			if f.Limit != nil {
				row.Limit = f.Limit(limits, machine, int(m.Scenario.MessageSize))
			}
			if f.LimitOf != nil {
				row.Limit = limitOf(f, t.alone)
			}
			if row.Limit == 0 {
				row.LimitName = "" // this machine was not asked, or does not say
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// figure makes the rows of one figure, one for each of the others.
func (t *table) figure(f Figure, in class) []result.Row {
	var rows []result.Row
	for i, o := range t.others {
		row, ok := rowOf(f, o.label, string(in.durability), t.pairs[i])
		if !ok {
			continue
		}
		row.Own = o.own
		if f.Reads && !o.own {
			row.Notes = strings.TrimSuffix(checksNote(o.Checks)+"; "+row.Notes, "; ")
		}
		rows = append(rows, row)
	}
	return rows
}

// checksNote says whether a reader does the same work as ours.
func checksNote(checks bool) string {
	if checks {
		return "checks what it reads"
	}
	return "reads unchecked"
}

// aloneRow is a row that nobody stands beside us in; ok is false when no run has
// the figure.
func aloneRow(f Figure, durability string, runs []*result.Run) (row result.Row, ok bool) {
	row = result.Row{Measure: f.Name, Better: f.Better, Unit: f.Unit, Own: true, Durability: durability, LimitName: f.LimitName}
	var own side
	for _, run := range runs {
		own.add(f, run)
	}
	row.Ours, row.Notes = own.median(), strings.Join(own.notes("we ", "our"), "; ")
	return row, len(own.values) > 0 || own.slow
}

// limitOf is the median of what our runs have measured as a limit.
func limitOf(f Figure, runs []*result.Run) float64 {
	var values []float64
	for _, run := range runs {
		if value := f.LimitOf(run); value > 0 {
			values = append(values, value)
		}
	}
	return change.Median(values)
}

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
