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
	// Log and Broker are ours.
	Log, Broker Contender
	Peers       []Contender
	Measures    []Measure
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
// and the contest goes on; the error is that of ctx, or that ours failed.
func (c *Contest) Run(ctx context.Context, d *result.Document) error {
	limits := map[string]result.Limit{}
	for _, l := range d.Limits {
		limits[l.Name] = l
	}
	random := rand.New(rand.NewPCG(c.Seed, 1))
	for _, m := range c.Measures {
		for _, class := range c.classes(m) {
			table, err := c.measure(ctx, m, class, random, d)
			if err != nil {
				return err
			}
			d.Rows = append(d.Rows, table.rows(m, class, d.Machine, limits)...)
		}
	}
	return nil
}

// class is the peers that take part in a measure with the same durability.
type class struct {
	durability target.Durability
	peers      []Contender
}

// classes sorts the peers of the measure's kind by the first of its
// durabilities that they have.
func (c *Contest) classes(m Measure) []class {
	var classes []class
	for _, durability := range m.Durabilities {
		found := class{durability: durability}
		for _, peer := range c.Peers {
			if peer.Kind == m.Kind && firstOf(m.Durabilities, peer.Durabilities) == durability {
				found.peers = append(found.peers, peer)
			}
		}
		if len(found.peers) > 0 {
			classes = append(classes, found)
		}
	}
	return classes
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

// table is the pairs of one measure, peer by peer.
type table struct {
	peers []Contender
	pairs [][]pair
}

// measure runs the rounds of one measure in one class.
func (c *Contest) measure(ctx context.Context, m Measure, in class, random *rand.Rand, d *result.Document) (*table, error) {
	us := c.Log
	if m.Kind == "broker" {
		us = c.Broker
	}
	s := m.Scenario
	s.Durability = in.durability
	t := &table{peers: in.peers, pairs: make([][]pair, len(in.peers))}
	out := make([]bool, len(in.peers)) // who was skipped and is not tried again
	for i, peer := range in.peers {
		if reason := c.slow[peer.Name]; reason != "" {
			out[i] = true
			d.Skipped = append(d.Skipped, result.Skip{What: peer.Name + ": " + s.Name, Reason: reason})
		}
	}
	for round := 1; round <= m.Rounds && slices.Contains(out, false); round++ {
		var ourRuns []*result.Run
		theirRuns := make([]*result.Run, len(in.peers))
		partner := make([]int, len(in.peers))
		for _, next := range order(len(in.peers), random) {
			if next.peer != ours && out[next.peer] {
				continue
			}
			who := us
			if next.peer != ours {
				who = in.peers[next.peer]
			}
			run, err := c.one(ctx, s, m.Patience, who, round, d)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case next.peer == ours && err != nil:
				return nil, fmt.Errorf("versus: our own run: %w", err)
			case next.peer == ours:
				ourRuns = append(ourRuns, run)
			case err != nil:
				out[next.peer] = true
				d.Skipped = append(d.Skipped, skip(s.Name, who.Name, err))
			default:
				theirRuns[next.peer], partner[next.peer] = run, next.pair
			}
		}
		for i, run := range theirRuns {
			if run != nil {
				t.pairs[i] = append(t.pairs[i], pair{ours: ourRuns[partner[i]], theirs: run})
			}
		}
	}
	return t, nil
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

// rows makes the rows of the measure, figure by figure.
func (t *table) rows(m Measure, in class, machine result.Machine, limits map[string]result.Limit) []result.Row {
	var rows []result.Row
	for _, f := range m.Figures {
		for i, peer := range t.peers {
			row, ok := rowOf(f, peer.Name, string(in.durability), t.pairs[i])
			if !ok {
				continue
			}
			if f.Limit != nil {
				row.Limit = f.Limit(limits, machine, int(m.Scenario.MessageSize))
			}
			if row.Limit == 0 {
				row.LimitName = "" // this machine was not asked, or does not say
			}
			rows = append(rows, row)
		}
	}
	return rows
}
