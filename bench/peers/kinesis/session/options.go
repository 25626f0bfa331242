package session

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	inFlightDefault = 2
	inFlightMax     = 64
	pollDefault     = 2 * time.Millisecond
	pollMax         = 10 * time.Second
)

// OptionError is an option of target.Config that is not known or cannot be.
type OptionError struct {
	Name, Value string
	// Wanted says what it may be.
	Wanted string
}

// Error implements error.
func (e *OptionError) Error() string {
	return fmt.Sprintf("session: option %s is %q: it must be %s", e.Name, e.Value, e.Wanted)
}

// options are those of target.Config, read.
type options struct {
	// inFlight is how many requests of Send may be under way.
	inFlight int
	// ordered says that those of one shard follow one another.
	ordered bool
	// poll is from the beginning of one look for new records to the next.
	poll time.Duration
}

// readOptions reads options; what is left out has its default.
func readOptions(given map[string]string) (options, error) {
	o := options{inFlight: inFlightDefault, ordered: true, poll: pollDefault}
	readers := map[string]struct {
		wanted string
		read   func(string) bool
	}{
		"in_flight": {fmt.Sprintf("a number from 1 to %d", inFlightMax), func(value string) (ok bool) {
			n, err := strconv.Atoi(value)
			o.inFlight = n
			return err == nil && n >= 1 && n <= inFlightMax
		}},
		"ordered": {"true or false", func(value string) bool {
			ordered, err := strconv.ParseBool(value)
			o.ordered = ordered
			return err == nil
		}},
		"poll": {fmt.Sprintf("a duration of up to %s", pollMax), func(value string) bool {
			poll, err := time.ParseDuration(value)
			o.poll = poll
			return err == nil && poll > 0 && poll <= pollMax
		}},
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		reader, known := readers[name]
		if !known {
			names := strings.Join(slices.Sorted(maps.Keys(readers)), ", ")
			return o, &OptionError{Name: name, Value: given[name], Wanted: "left out, only " + names + " are known"}
		}
		if !reader.read(given[name]) {
			return o, &OptionError{Name: name, Value: given[name], Wanted: reader.wanted}
		}
	}
	return o, nil
}
