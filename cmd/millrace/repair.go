package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/cmd/millrace/internal/repair"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/internal/units"
	"github.com/millrace-io/millrace/stream"
)

func newRepair(a *app) *cobra.Command {
	var format render.Format
	var yes, dryRun bool
	var aside string
	cmd := &cobra.Command{
		Use:   "repair DIR",
		Short: "Find damage in a data directory, and end damaged logs before it",
		Long: `Read every segment of a data directory that no server has open, report what is
damaged, and end each damaged log at its last good frame, so that it can be read
to its end and takes records again.

Records behind the damage are lost to the log: restoring a backup is better where
there is one. Before anything is changed the segment files concerned and the
manifest are copied to a new folder, and the records behind the damage that are
still good are written there as JSON lines, which millrace put takes. A segment
of which only the index or the footer is damaged loses nothing. A damaged file of
the journal is taken away once what is good in it was put back; whether all of the
rest is in the segments cannot be told.

Sequence numbers behind the end are given out again: reset what consumers have
noted behind it. A directory without damage is not touched.

On a terminal a question is asked first; elsewhere --yes is needed. With
--dry-run the exit code is 1 if there is damage.`,
		Example: "  millrace repair data --dry-run --output jsonl",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			options := repair.Options{DryRun: dryRun, Aside: aside, Now: time.Now(), Places: placesOf(args[0])}
			if !yes {
				options.Confirm = func(o repair.Outcome) error {
					what := units.Plural(o.Damaged, "damaged log") + " before the damage"
					return a.confirm(question{"End " + what, "ending " + what, "repair", "repair"})
				}
			}
			return a.repair(a.drain, args[0], options, format)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&yes, "yes", false, "do not ask")
	flags.BoolVar(&dryRun, "dry-run", false, "only report what is damaged")
	flags.StringVar(&aside, "aside", "", "new folder for the copies (default: repair-TIME in DIR)")
	addOutput(cmd, &format)
	return cmd
}

func (a *app) repair(ctx context.Context, dir string, o repair.Options, format render.Format) error {
	outcome, err := repair.Run(ctx, dir, o, findingPrinter(a.Out, format, repairLine))
	if err != nil {
		return err
	}
	switch {
	case outcome.Repaired:
		fmt.Fprintf(a.Err, "repaired %s of %d; copies and %s are in %s\n",
			units.Plural(outcome.Damaged, "log"), outcome.Logs, units.Plural(outcome.Salvaged, "salvaged record"), outcome.Aside)
	case outcome.Damaged+outcome.Journals > 0:
		return failure.New(failure.Corrupt, "repair "+dir, "%s of %d damaged, nothing was changed", units.Plural(outcome.Damaged, "log"), outcome.Logs)
	}
	return nil
}

// placesOf returns what names the stream and shard of a log, as far as the
// catalogue of the directory can be read.
func placesOf(dir string) func(uint64) string {
	places, err := stream.ReadPlaces(dir)
	if err != nil {
		return nil // the numbers of logs will do
	}
	return func(log uint64) string {
		place, known := places[log]
		if !known {
			return ""
		}
		return place.Stream + " " + place.Shard.String()
	}
}

// repairLine renders one finding of a repair.
func repairLine(finding any) (kind, heading, line string) {
	switch f := finding.(type) {
	case repair.Damage:
		line := fmt.Sprintf("%3d  %-16s  %10d  %13d  %-6s  %7d  %s\n     %s", f.Log, f.Segment, f.Offset, f.Next, f.Remedy, f.Salvable, f.Place, f.Error)
		for _, file := range f.Behind {
			line += "\n     behind it: " + file
		}
		return f.Kind, "LOG  SEGMENT               OFFSET  NEXT SEQUENCE  REMEDY  SALVAGE  SHARD", strings.TrimRight(line, " ")
	case repair.Copy:
		return f.Kind, "COPIED BYTES  TO", fmt.Sprintf("%12d  %s", f.Bytes, f.To)
	case repair.Outcome:
		return f.Kind, "LOGS  DAMAGED  SALVAGED  REPAIRED  COPIES",
			strings.TrimRight(fmt.Sprintf("%4d  %7d  %8d  %-8t  %s", f.Logs, f.Damaged, f.Salvaged, f.Repaired, f.Aside), " ")
	default:
		return "", "", fmt.Sprint(finding)
	}
}
