package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/bench/history"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/internal/units"
)

// historyFile is where the history of this repository is.
const historyFile = "bench/history.jsonl"

func newBenchHistory(a *app) *cobra.Command {
	file := historyFile
	var format render.Format
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show at which commits a figure changed its level",
		Long: `Show at which commits a figure changed its level, for better or worse, in the
history of what was measured. A change shows when three measurements follow it.`,
		Example: `  millrace bench history
  millrace bench history add peers.json`,
		Args: noSuchCommand,
		RunE: func(*cobra.Command, []string) error {
			entries, err := history.Read(file)
			if err != nil {
				return err
			}
			return a.benchHistory(entries, format)
		},
	}
	addOutput(cmd, &format)
	cmd.PersistentFlags().StringVar(&file, "file", file, "where the history is kept")
	cmd.AddCommand(&cobra.Command{
		Use:   "add RESULT.json",
		Short: "Add a result to the history",
		Long: `Add a result that bench run or bench peers wrote. It must be of a commit without
changes, and the commit must not be there yet for the same machine.`,
		Example: "  millrace bench history add peers.json",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := result.Load(args[0])
			if err != nil {
				return err
			}
			entry, err := history.FromDocument(d)
			if err != nil {
				return err
			}
			if err := history.Append(file, entry); err != nil {
				return err
			}
			fmt.Fprintf(a.Err, "added %d figures of %s\n", len(entry.Figures), entry.Commit)
			return nil
		},
	})
	return cmd
}

// changeView is a change as it is printed.
type changeView struct {
	Figure  string  `json:"figure"`
	Commit  string  `json:"commit"`
	Before  float64 `json:"before"`
	After   float64 `json:"after"`
	Unit    string  `json:"unit"`
	Worse   bool    `json:"worse"`
	P       float64 `json:"p"`
	Machine string  `json:"machine"`
}

// benchHistory prints the changes.
func (a *app) benchHistory(entries []history.Entry, format render.Format) error {
	changes, err := history.Changes(entries)
	if err != nil {
		return err
	}
	views := []changeView{}
	for _, c := range changes {
		views = append(views, changeView{
			Figure: c.Line.Name, Commit: c.Line.Points[c.At].Commit, Before: c.Before, After: c.After,
			Unit: c.Line.Unit, Worse: c.Worse, P: c.P, Machine: c.Machine,
		})
	}
	table := render.Table{Columns: []string{"FIGURE", "COMMIT", ">BEFORE", ">AFTER", "UNIT", "", "MACHINE"}}
	short := func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
	for _, v := range views {
		verdict := "better"
		if v.Worse {
			verdict = "WORSE"
		}
		table.Rows = append(table.Rows, []string{v.Figure, v.Commit, short(v.Before), short(v.After), v.Unit, verdict, v.Machine})
	}
	err = render.Print(a.Out, format, views, func(bool) render.Tables { return render.Tables{table} })
	fmt.Fprintf(a.Err, "%s, %s, %s\n", units.Plural(len(entries), "measurement"),
		units.Plural(len(history.Machines(entries)), "machine"), units.Plural(len(changes), "change"))
	return err
}
