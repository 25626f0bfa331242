package gate

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/millrace-io/millrace/bench/change"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/targettest"
)

// machine is what both sides share: noise and time.
type machine struct {
	random *rand.Rand
	runs   int
	order  []string
}

// side is a revision whose rate is known. slowed says for which runs of the
// machine it is slower, by its number.
type side struct {
	name    string
	machine *machine
	slowed  func(run int) float64
	err     error
	lacking bool
}

func (s *side) Run(context.Context, runner.Job) (*result.Run, error) {
	if s.err != nil {
		return nil, s.err
	}
	factor := s.slowed(s.machine.runs)
	s.machine.runs++
	s.machine.order = append(s.machine.order, s.name)
	run := &result.Run{Duration: int64(time.Second)}
	if !s.lacking {
		run.Records = int64(1e6 / factor * math.Exp(s.machine.random.NormFloat64()*0.02))
	}
	return run, nil
}

// contest returns a gate over one check, and its machine.
func contest(slowed func(run int) float64) (Gate, *machine) {
	m := &machine{random: rand.New(rand.NewPCG(1, 2))}
	never := func(int) float64 { return 1 }
	return Gate{
		Base: &side{name: "base", machine: m, slowed: never}, Head: &side{name: "head", machine: m, slowed: slowed},
		Checks: []Check{{Figures: []Figure{Rate()}}},
	}, m
}

func TestGateJudges(t *testing.T) {
	for name, c := range map[string]struct {
		slowed  func(run int) float64
		want    change.Decision
		repeats int
	}{
		"the same":                {func(int) float64 { return 1 }, change.NotSlower, 1},
		"faster":                  {func(int) float64 { return 0.8 }, change.NotSlower, 1},
		"a tenth slower":          {func(int) float64 { return 1.1 }, change.Slower, 3},
		"slower for a while only": {func(run int) float64 { return 1 + 0.2*float64(1-min(1, run/25)) }, change.NotSlower, 2},
	} {
		g, m := contest(c.slowed)
		var told []string
		g.Progress = func(text string) { told = append(told, text) }
		d := new(result.Document)
		verdicts, err := g.Run(t.Context(), d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v := verdicts[0]
		if len(verdicts) != 1 || v.Decision != c.want || len(v.Repeats) != c.repeats {
			t.Errorf("%s: %v", name, verdicts)
		}
		if got := len(Slower(verdicts)); got != map[bool]int{true: 1}[c.want == change.Slower] {
			t.Errorf("%s: %d are slower", name, got)
		}
		if len(told) != 1 || !strings.Contains(told[0], string(c.want)) {
			t.Errorf("%s: told %q", name, told)
		}
		if len(d.Runs) != m.runs || m.runs%2 != 0 {
			t.Errorf("%s: %d runs in the document, %d were made", name, len(d.Runs), m.runs)
		}
		first := 0
		for i := 0; i < len(m.order); i += 2 {
			if m.order[i] == m.order[i+1] {
				t.Fatalf("%s: %s ran twice in pair %d", name, m.order[i], i/2)
			}
			if m.order[i] == "head" {
				first++
			}
		}
		if pairs := len(m.order) / 2; first < pairs/3 || first > pairs-pairs/3 {
			t.Errorf("%s: head was first in %d of %d pairs", name, first, pairs)
		}
	}
}

func TestGateFails(t *testing.T) {
	planted := errors.New("planted")
	g, _ := contest(func(int) float64 { return 1 })
	g.Head.(*side).err = planted
	if _, err := g.Run(t.Context(), new(result.Document)); !errors.Is(err, planted) || !strings.Contains(err.Error(), "head") {
		t.Errorf("a run that fails: %v", err)
	}
	g, _ = contest(func(int) float64 { return 1 })
	g.Base.(*side).lacking = true
	if _, err := g.Run(t.Context(), new(result.Document)); !errors.Is(err, ErrNoFigure) {
		t.Errorf("a run without records: %v", err)
	}
	g, _ = contest(func(int) float64 { return 1 })
	g.Options.PairsMin = -1
	if _, err := g.Run(t.Context(), new(result.Document)); !errors.Is(err, change.ErrOptions) {
		t.Errorf("options without sense: %v", err)
	}
}

func TestStandardChecks(t *testing.T) {
	checks, err := Standard()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if err := c.Scenario.Check(); err != nil {
			t.Error(err)
		}
		if len(c.Figures) == 0 || c.Scenario.Name == "" {
			t.Errorf("%+v compares nothing", c)
		}
		for _, f := range c.Figures {
			if value, ok := f.Of(new(result.Run)); ok {
				t.Errorf("%s of an empty run is %g", f.Name, value)
			}
		}
	}
	full := &result.Run{
		Records: 10, Duration: int64(time.Second), Latency: &result.Latency{Count: 1, P50: 7}, EndToEnd: &result.Latency{Count: 1, P50: 8},
		Values: map[string]float64{"scan_records_per_second": 9},
	}
	for want, f := range map[float64]Figure{10: Rate(), 7: Median(), 8: Delivery(), 9: scanRate()} {
		if got, ok := f.Of(full); !ok || got != want {
			t.Errorf("%s is %g, %v, want %g", f.Name, got, ok, want)
		}
	}
}

func TestPlanted(t *testing.T) {
	const service = 3 * time.Millisecond
	slow := Planted([]target.Target{&targettest.Log{Name: "fake", Service: service}}, 2)
	session, err := slow[0].Open(t.Context(), target.Config{Dir: t.TempDir(), Durability: target.None})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := session.Append(t.Context(), 0, [][]byte{make([]byte, 16)}); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < 2*service {
		t.Errorf("an append that takes %s took %s with a planted factor of 2", service, took)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	missing := Planted([]target.Target{&targettest.Log{Name: "fake", Missing: "gone"}}, 2)
	if _, err := missing[0].Open(t.Context(), target.Config{}); err == nil {
		t.Error("a target that is missing opened")
	}
}
