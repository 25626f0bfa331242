package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/worker"
)

func main() { worker.Main(targets()) }

// targets returns all libraries.
func targets() []target.Target {
	return []target.Target{tidwall(), raftWAL(), etcdWAL(), prometheusWlog(), pebbleDatabase(), badgerDatabase(), bboltDatabase()}
}

// library is a Go library as a target.
type library struct {
	name string
	// module is the path whose version is reported.
	module       string
	durabilities []target.Durability
	// checks says that reading checks a checksum of every record.
	checks bool
	notes  string
	open   func(target.Config) (target.Session, error)
}

// About implements target.Target.
func (l library) About() target.About {
	return target.About{Name: l.name, Version: version(l.module), Kind: "log", Durabilities: l.durabilities, Checks: l.checks, Notes: l.notes}
}

// Open implements target.Target.
func (l library) Open(ctx context.Context, c target.Config) (target.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !slices.Contains(l.durabilities, c.Durability) {
		return nil, &target.UnavailableError{Target: l.name, Reason: fmt.Sprintf("it has no durability %q, only %v", c.Durability, l.durabilities)}
	}
	if len(c.Options) > 0 {
		return nil, fmt.Errorf("logs: %s has no options: leave them out", l.name)
	}
	if c.Shards > shardsMax {
		return nil, fmt.Errorf("logs: %s cannot have %d shards: %d at most", l.name, c.Shards, shardsMax)
	}
	s, err := l.open(c)
	if err != nil {
		return nil, fmt.Errorf("logs: open %s: %w", l.name, err)
	}
	return s, nil
}

// version is that of a module in this program.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	return "unknown"
}

// groupAndNone is what libraries promise that can leave the sync out.
var groupAndNone = []target.Durability{target.Group, target.None}
