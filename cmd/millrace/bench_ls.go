package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/internal/render"
)

func newBenchList(a *app) *cobra.Command {
	var format render.Format
	cmd := &cobra.Command{
		Use:     "ls [NAME]",
		Aliases: []string{"list"},
		Short:   "List the scenarios",
		Long: `List the scenarios, and of which variants they consist. A name without a variant
means all of its variants.`,
		Example: "  millrace bench ls wal-append --output wide",
		Args:    arguments(cobra.MaximumNArgs(1)),
	}
	addOutput(cmd, &format)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		list, err := scenario.Builtin()
		if err != nil {
			return err
		}
		if len(args) > 0 {
			if list, err = scenario.Select(list, args[0]); err != nil {
				return usageError{err}
			}
		}
		return render.Print(a.Out, format, list, func(wide bool) render.Tables { return render.Tables{scenarioTable(list, wide)} })
	}
	return cmd
}

// scenarioTable shows what tells scenarios apart.
func scenarioTable(list []scenario.Scenario, wide bool) render.Table {
	t := render.Table{Columns: []string{"NAME", "TARGET", "LOOP", ">RATE", "DURABILITY", ">SIZE", ">BATCH", ">PRODUCERS", ">SHARDS"}}
	if wide {
		t.Columns = append(t.Columns, "DESCRIPTION")
	}
	for i := range list {
		s := &list[i]
		loop, rate := "closed", "-"
		if s.ProducerRate > 0 {
			loop, rate = "open", fmt.Sprintf("%g/s", s.ProducerRate)
		}
		row := []string{
			s.Name, s.Target, loop, rate, string(s.Durability), s.MessageSize.String(),
			strconv.Itoa(s.BatchSize), strconv.Itoa(s.Producers()), strconv.Itoa(s.Shards()),
		}
		if wide {
			row = append(row, s.Description)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
