package ours

import (
	"fmt"
	"runtime/debug"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/record"
)

// everyDurability is what Millrace can promise.
var everyDurability = []target.Durability{target.Group, target.Interval, target.None}

// Targets returns all of ours. The server is started by running program with
// the arguments given: a millrace binary and nothing else.
func Targets(program string) []target.Target {
	return []target.Target{Wal{}, Engine{}, Native{Program: program}, Kinesis{Program: program}}
}

// version is that of the module, with the commit when it is known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value[:min(len(setting.Value), 12)]
		}
	}
	return "devel"
}

// durability translates the harness's word.
func durability(d target.Durability) (record.Durability, error) {
	parsed, err := record.ParseDurability(string(d))
	if err != nil {
		return 0, fmt.Errorf("ours: %w", err)
	}
	return parsed, nil
}

// noOptions refuses the settings of a target that has none: one that had no
// effect would be in a report as if it had.
func noOptions(name string, options map[string]string) error {
	for option := range options {
		return fmt.Errorf("ours: %s has no option %s", name, option)
	}
	return nil
}
