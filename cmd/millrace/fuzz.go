package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/cmd/millrace/internal/fuzzing"
	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/internal/units"
)

func newFuzz(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fuzz",
		Short: "Feed the formats and the log with inputs of your own, in a checkout",
		Long: `List the fuzz targets of a checkout of Millrace, and run one of them with seeds
of your own. Every decoder of what is on disk and on the wire is a target, and so
is the log itself, as a list of operations with power cuts.`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFuzzList(a), newFuzzRun(a))
	return cmd
}

// addCheckout adds the flag that says where the source is.
func addCheckout(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", ".", "a folder in the checkout")
}

func newFuzzList(a *app) *cobra.Command {
	var format render.Format
	var dir string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the fuzz targets and their corpora",
		Long: `List the fuzz targets, what they take, and how many inputs are committed in the
corpus of each.`,
		Example: "  millrace fuzz ls --output wide",
		Args:    arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			root, err := fuzzing.Root(dir)
			if err != nil {
				return err
			}
			targets, err := fuzzing.Targets(root)
			if err != nil {
				return err
			}
			return render.Print(a.Out, format, targets, func(wide bool) render.Tables { return render.Tables{targetTable(targets, wide)} })
		},
	}
	addOutput(cmd, &format)
	addCheckout(cmd, &dir)
	return cmd
}

func targetTable(targets []fuzzing.Target, wide bool) render.Table {
	t := render.Table{Columns: []string{"TARGET", "INPUT", ">COMMITTED", ">BYTES"}}
	if wide {
		t.Columns = append(t.Columns, "CORPUS")
	}
	for _, target := range targets {
		row := []string{target.Name, strings.Join(target.Input, ", "), strconv.Itoa(target.Inputs), strconv.FormatInt(target.Bytes, 10)}
		if wide {
			row = append(row, target.Corpus)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func newFuzzRun(a *app) *cobra.Command {
	var dir string
	o := fuzzing.Options{Output: a.Err}
	fuzzTime := units.Duration(time.Minute)
	cmd := &cobra.Command{
		Use:   "run TARGET",
		Short: "Run one fuzz target, with seeds of your own",
		Long: `Run one fuzz target for a while, beginning with its committed corpus and with your
seeds. A seed is a file of bytes where the target takes one []byte or string;
for other targets, and also for those, it is a file as go test writes it, with
"go test fuzz v1" in its first line. A folder means all files in it. Seeds are
kept in .cache/fuzz of the checkout, together with what the fuzzer finds.

An input that makes the target fail is left in its corpus, to be committed with
the fix, and the command ends with exit code 1. Needs the go command.`,
		Example: `  millrace fuzz run wal/FuzzModel --time 10m
  millrace fuzz run FuzzBatchVerify --seed captured.bin --seed more-seeds`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			root, err := fuzzing.Root(dir)
			if err != nil {
				return err
			}
			targets, err := fuzzing.Targets(root)
			if err != nil {
				return err
			}
			target, err := fuzzing.Select(targets, args[0])
			if err != nil {
				return err
			}
			o.Time = time.Duration(fuzzTime)
			seeds, err := fuzzing.Run(a.drain, root, target, o)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.Out, "%s: nothing found in %v, from %s and %s of your own\n",
				target.Name, fuzzTime, units.Plural(target.Inputs, "committed input"), units.Plural(seeds, "seed"))
			return err
		},
	}
	addCheckout(cmd, &dir)
	cmd.Flags().Var(&fuzzTime, "time", "how long")
	cmd.Flags().StringSliceVar(&o.Seeds, "seed", nil, "begin with this `FILE`, or with the files in this folder; may be repeated")
	return cmd
}
