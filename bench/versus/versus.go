package versus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/worker"
)

// Contender is a target and the program that has it.
type Contender struct {
	target.About
	Program worker.Program
}

// Contest is us against the peers.
type Contest struct {
	// Log, Engine and Broker are ours: the log by itself, with streams in front of
	// it, a server, and that server by the API of Kinesis.
	Log, Engine, Broker, Kinesis Contender
	Peers                        []Contender
	Measures                     []Measure
	// Dir is where the data of the runs goes.
	Dir string
	// Seed orders the peers.
	Seed uint64
	// Progress is told what is about to run and what came out, if it is set.
	Progress func(text string)

	slow map[string]string // why a peer is asked for nothing else
}

// Run runs everything and puts runs, rows and what was skipped into d, whose
// machine and limits must be there. A run that fails is a skip with its reason,
// and the contest goes on, also a run of ours that stands beside no peer; the
// error is that of ctx, or that ours failed beside a peer.
func (c *Contest) Run(ctx context.Context, d *result.Document) error {
	limits := map[string]result.Limit{}
	for _, l := range d.Limits {
		limits[l.Name] = l
	}
	random := rand.New(rand.NewPCG(c.Seed, 1))
	for _, m := range c.Measures {
		for _, class := range c.classes(m) {
			table, err := c.measure(ctx, m, class, random, d)
			if err != nil && ctx.Err() == nil && m.own() {
				// Nobody is treated unfairly if the others go on without it.
				d.Skipped = append(d.Skipped, skip(m.Scenario.Name, c.us(m).Name, err))
				continue
			}
			if err != nil {
				return err
			}
			d.Rows = append(d.Rows, table.rows(m, class, d.Machine, limits)...)
		}
	}
	return nil
}

// other is who runs beside us: a peer, or a variant of our own.
type other struct {
	Contender
	// label stands in the table.
	label    string
	scenario scenario.Scenario
	own      bool
}

// class is those who run beside us in a measure with the same durability.
type class struct {
	durability target.Durability
	others     []other
}

// classes sorts the peers of the measure's kind by the first of its
// durabilities that they have. Without peers there is one class.
func (c *Contest) classes(m Measure) []class {
	if m.own() {
		only := class{durability: m.Durabilities[0]}
		for _, v := range m.Variants {
			only.others = append(only.others, other{c.us(m), v.Name, v.Scenario, true})
		}
		return []class{only}
	}
	var classes []class
	for _, durability := range m.Durabilities {
		found := class{durability: durability}
		for _, peer := range c.Peers {
			if m.takes(peer) && firstOf(m.Durabilities, peer.Durabilities) == durability {
				found.others = append(found.others, other{peer, peer.Name, m.Scenario, false})
			}
		}
		if len(found.others) > 0 {
			classes = append(classes, found)
		}
	}
	return classes
}

// takes says whether a peer takes part, if it has a durability for it.
func (m *Measure) takes(peer Contender) bool {
	kind := m.Kind
	if kind == kindKinesis {
		kind = "broker"
	}
	return peer.Kind == kind && (len(m.Peers) == 0 || slices.Contains(m.Peers, peer.Name))
}

// us is which of ours runs a measure.
func (c *Contest) us(m Measure) Contender {
	switch m.Kind {
	case "broker":
		return c.Broker
	case "engine":
		return c.Engine
	case kindKinesis:
		return c.Kinesis
	}
	return c.Log
}

// firstOf returns the first wanted durability that is offered, or "".
func firstOf(wanted, offered []target.Durability) target.Durability {
	for _, durability := range wanted {
		if slices.Contains(offered, durability) {
			return durability
		}
	}
	return ""
}

// table is the runs of one measure.
type table struct {
	others []other
	// out is who was skipped and is not tried again.
	out []bool
	// pairs are those of each of the others, and alone is all runs of ours.
	pairs [][]pair
	alone []*result.Run
}

// goesOn says that there is somebody to be compared with, or that there never
// was.
func (t *table) goesOn() bool { return len(t.others) == 0 || slices.Contains(t.out, false) }

// measure runs the rounds of one measure in one class.
func (c *Contest) measure(ctx context.Context, m Measure, in class, random *rand.Rand, d *result.Document) (*table, error) {
	t := &table{others: in.others, out: make([]bool, len(in.others)), pairs: make([][]pair, len(in.others))}
	for i, o := range in.others {
		if reason := c.slow[o.Name]; reason != "" && !o.own {
			t.out[i] = true
			d.Skipped = append(d.Skipped, result.Skip{What: o.Name + ": " + m.Scenario.Name, Reason: reason})
		}
	}
	for round := 1; round <= m.Rounds && t.goesOn(); round++ {
		if err := c.round(ctx, m, in.durability, round, t, random, d); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// round runs everybody once, and us as often as they need somebody beside them.
func (c *Contest) round(ctx context.Context, m Measure, durability target.Durability, round int, t *table, random *rand.Rand, d *result.Document) error {
	var ourRuns []*result.Run
	theirRuns := make([]*result.Run, len(t.others))
	partner := make([]int, len(t.others))
	for _, next := range order(len(t.others), random) {
		who, s := c.us(m), m.Scenario
		if next.peer != ours {
			if t.out[next.peer] {
				continue
			}
			who, s = t.others[next.peer].Contender, t.others[next.peer].scenario
		}
		if s.Durability = durability; next.peer == ours && m.Ours != "" {
			s.Durability = m.Ours
		}
		run, err := c.one(ctx, s, m.Patience, who, round, d)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case next.peer == ours && err != nil:
			return fmt.Errorf("versus: our own run: %w", err)
		case next.peer == ours:
			ourRuns = append(ourRuns, run)
		case err != nil:
			t.out[next.peer] = true
			d.Skipped = append(d.Skipped, skip(s.Name, who.Name, err))
		default:
			theirRuns[next.peer], partner[next.peer] = run, next.pair
		}
	}
	t.alone = append(t.alone, ourRuns...)
	for i, run := range theirRuns {
		if run != nil {
			t.pairs[i] = append(t.pairs[i], pair{ours: ourRuns[partner[i]], theirs: run})
		}
	}
	return nil
}

// one makes one run and notes it in the document.
func (c *Contest) one(ctx context.Context, s scenario.Scenario, patience time.Duration, who Contender, round int, d *result.Document) (*result.Run, error) {
	c.say("round %d: %s, %s, %s", round, s.Name, s.Durability, who.Name)
	patient, cancel := ctx, func() {}
	if patience > 0 {
		patient, cancel = context.WithTimeout(ctx, patience)
	}
	defer cancel()
	run, err := who.Program.Run(patient, runner.Job{Scenario: s, Target: who.Name, Dir: c.Dir, Round: round})
	if patient.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%q took more than %s", s.Name, patience)
		if c.slow == nil {
			c.slow = map[string]string{}
		}
		c.slow[who.Name] = err.Error()
	}
	if err != nil {
		c.say("%s did not run: %v", who.Name, err)
		return nil, err
	}
	d.Runs = append(d.Runs, *run)
	return run, nil
}

func (c *Contest) say(format string, args ...any) {
	if c.Progress != nil {
		c.Progress(fmt.Sprintf(format, args...))
	}
}

// skip says why a contender is not in a measure.
func skip(measure, who string, err error) result.Skip {
	reason := err.Error()
	var unavailable *target.UnavailableError
	if errors.As(err, &unavailable) {
		reason = unavailable.Reason
	}
	return result.Skip{What: who + ": " + measure, Reason: reason}
}
