package versus

import (
	"fmt"
	"strings"
	"time"
)

// Set is a number of measures that belong together.
type Set struct {
	Name            string
	Quick, Thorough Effort
	// Measures returns what a contest of that effort measures.
	Measures func(Effort) []Measure
}

// Sets returns all: the first one is the one that is meant when nobody says.
func Sets() []Set {
	return []Set{
		{Name: "peers", Quick: Quick(), Thorough: Thorough(), Measures: Measures},
		{Name: "engine", Quick: quickEngine(), Thorough: thoroughEngine(), Measures: EngineMeasures},
		{Name: KinesisSet, Quick: quickKinesis(), Thorough: thoroughKinesis(), Measures: KinesisMeasures},
	}
}

// SetOf returns the set of that name.
func SetOf(name string) (Set, error) {
	var names []string
	for _, s := range Sets() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Set{}, fmt.Errorf("versus: there is no set %q, only %s", name, strings.Join(names, ", "))
}

// quickEngine is the effort of --quick for the engine's set, which has three times
// as many measures as the peers': all in twelve minutes on two cores.
func quickEngine() Effort {
	e := Quick()
	e.Warmup, e.Test = 200*time.Millisecond, 700*time.Millisecond
	e.Backlog, e.SmallBacklog, e.Idle = fullSegments, 128<<20, 5*time.Second
	return e
}

// thoroughEngine is the effort without --quick.
func thoroughEngine() Effort {
	e := Thorough()
	e.Backlog, e.SmallBacklog, e.Idle = fullSegments, 1<<30, 5*time.Second
	return e
}
