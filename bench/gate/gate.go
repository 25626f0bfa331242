package gate

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace-io/millrace/bench/change"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/runner"
)

// Side makes the measurements of one revision: a worker.Program.
type Side interface {
	Run(ctx context.Context, job runner.Job) (*result.Run, error)
}

// Gate is two revisions and what to compare.
type Gate struct {
	Base, Head Side
	Checks     []Check
	// Dir is where the data of the runs goes.
	Dir string
	// Options of the statistics; Better is taken from each figure.
	Options change.GateOptions
	// Progress is told what was found so far, if it is set.
	Progress func(text string)
}

// Verdict is what became of one figure.
type Verdict struct {
	Scenario, Figure string
	Decision         change.Decision
	// Repeats are what the series of pairs said, in order.
	Repeats []change.Repeat
	// Base and Head are the medians over all pairs, for people.
	Base, Head float64
}

// ErrNoFigure is returned when a run lacks what is to be compared.
var ErrNoFigure = errors.New("gate: the run does not have the figure")

// Run runs every check to its end, one after the other. The error is that of a
// run that failed or of ctx; that something became slower is in the verdicts.
// Runs are added to d.
func (g Gate) Run(ctx context.Context, d *result.Document) ([]Verdict, error) {
	var verdicts []Verdict
	for _, check := range g.Checks {
		found, err := g.check(ctx, check, d)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, found...)
	}
	return verdicts, nil
}

// Slower returns the verdicts that are a reason to fail.
func Slower(verdicts []Verdict) []Verdict {
	var slower []Verdict
	for _, v := range verdicts {
		if v.Decision == change.Slower {
			slower = append(slower, v)
		}
	}
	return slower
}

// judged is one figure on its way to a verdict.
type judged struct {
	figure     Figure
	gate       *change.Gate
	base, head []float64
}

// check runs pairs of one scenario until no figure wants more.
func (g Gate) check(ctx context.Context, c Check, d *result.Document) ([]Verdict, error) {
	figures := make([]*judged, len(c.Figures))
	for i, f := range c.Figures {
		options := g.Options
		options.Better = f.Better
		gate, err := change.NewGate(options)
		if err != nil {
			return nil, fmt.Errorf("gate: %s: %w", f.Name, err)
		}
		figures[i] = &judged{figure: f, gate: gate}
	}
	for round := 1; ; round++ {
		next := undecided(figures)
		if next == nil {
			break
		}
		base, head, err := g.pair(ctx, c, round, next.gate.HeadFirst())
		if err != nil {
			return nil, err
		}
		d.Runs = append(d.Runs, *base, *head)
		for _, f := range figures {
			if err := f.add(base, head); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", c.Scenario.Name, f.figure.Name, err)
			}
		}
	}
	verdicts := make([]Verdict, len(figures))
	for i, f := range figures {
		verdicts[i] = f.verdict(c.Scenario.Name)
		g.say("%s", verdicts[i])
	}
	return verdicts, nil
}

// undecided returns a figure that wants more pairs, or nil.
func undecided(figures []*judged) *judged {
	for _, f := range figures {
		if f.gate.Decision() == change.More {
			return f
		}
	}
	return nil
}

// pair runs both programs.
func (g Gate) pair(ctx context.Context, c Check, round int, headFirst bool) (base, head *result.Run, err error) {
	job := runner.Job{Scenario: c.Scenario, Target: c.Scenario.Target, Dir: g.Dir, Round: round}
	run := func(who string, side Side) *result.Run {
		if err != nil {
			return nil
		}
		var r *result.Run
		if r, err = side.Run(ctx, job); err != nil {
			err = fmt.Errorf("gate: %s: %w", who, err)
			return nil
		}
		r.Notes = who
		return r
	}
	if headFirst {
		head = run("head", g.Head)
		base = run("base", g.Base)
	} else {
		base = run("base", g.Base)
		head = run("head", g.Head)
	}
	return base, head, err
}

// add gives the figure of a pair to its gate, unless that is done.
func (j *judged) add(base, head *result.Run) error {
	b, hasBase := j.figure.Of(base)
	h, hasHead := j.figure.Of(head)
	if !hasBase || !hasHead {
		return ErrNoFigure
	}
	j.base, j.head = append(j.base, b), append(j.head, h)
	if j.gate.Decision() != change.More {
		return nil
	}
	return j.gate.Add(change.Pair{Base: b, Head: h})
}

// verdict sums up.
func (j *judged) verdict(scenario string) Verdict {
	return Verdict{
		Scenario: scenario, Figure: j.figure.Name, Decision: j.gate.Decision(), Repeats: j.gate.Repeats(),
		Base: change.Median(j.base), Head: change.Median(j.head),
	}
}

// String renders the verdict in one line.
func (v Verdict) String() string {
	text := fmt.Sprintf("%-12s %s, %s: base %.4g, head %.4g", v.Decision, v.Scenario, v.Figure, v.Base, v.Head)
	for i, r := range v.Repeats {
		text += fmt.Sprintf("; repeat %d: %.3f times as slow after %d pairs, %s", i+1, r.Slowdown, r.Pairs, r.Decision)
	}
	return text
}

func (g Gate) say(format string, args ...any) {
	if g.Progress != nil {
		g.Progress(fmt.Sprintf(format, args...))
	}
}
