package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/bench/report"
	"github.com/millrace-io/millrace/bench/result"
)

func newBenchCompare(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "compare BEFORE.json AFTER.json",
		Short: "Compare two results, run by run, by ratio",
		Long: `Compare two results that bench run or bench peers wrote. Runs of the same
scenario, target and durability are set side by side. Results of different
machines say nothing about a change; a note says when they are.

Two separate runs also differ by what the machine did meanwhile: to judge a
change use bench gate, which interleaves.`,
		Example: "  millrace bench compare before.json after.json",
		Args:    arguments(cobra.ExactArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			before, err := result.Load(args[0])
			if err != nil {
				return err
			}
			after, err := result.Load(args[1])
			if err != nil {
				return err
			}
			return report.Compare(a.Out, before, after)
		},
	}
}

// benchReportFlags are the flags of bench report.
type benchReportFlags struct{ html, markdown, images, summary string }

func newBenchReport(a *app) *cobra.Command {
	var f benchReportFlags
	cmd := &cobra.Command{
		Use:   "report RESULT.json",
		Short: "Render a result again: text, HTML, Markdown or images",
		Long: `Render a result again that bench run or bench peers wrote: as text unless a flag
asks for something else. Nothing is measured.`,
		Example: `  millrace bench report peers.json --html peers.html
  millrace bench report peers.json --summary bench/results/peers.json
  millrace bench report bench/results/peers.json --markdown docs/benchmarks.md --png docs/images/bench`,
		Args: arguments(cobra.ExactArgs(1)),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.html, "html", "", "write a page with charts to `FILE`")
	flags.StringVar(&f.markdown, "markdown", "", "write a page for documentation to `FILE`")
	flags.StringVar(&f.images, "png", "", "write the charts as images into `DIR`; the Markdown page then shows them")
	flags.StringVar(&f.summary, "summary", "", "write the result without curves and seconds to `FILE`: small enough to be committed")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		d, err := result.Load(args[0])
		if err != nil {
			return err
		}
		return a.benchReport(d, f)
	}
	return cmd
}

// benchReport renders the document as the flags say, or as text.
func (a *app) benchReport(d *result.Document, f benchReportFlags) error {
	if f == (benchReportFlags{}) {
		if len(d.Rows) > 0 {
			return report.Table(a.Out, d)
		}
		return report.Text(a.Out, d)
	}
	if f.html != "" {
		if err := writeFile(f.html, func(w io.Writer) error { return report.HTML(w, d) }); err != nil {
			return err
		}
	}
	if f.summary != "" {
		if err := d.Summary().Save(f.summary); err != nil {
			return err
		}
	}
	images, err := writeImages(d, f.images, filepath.Dir(f.markdown))
	if err != nil || f.markdown == "" {
		return err
	}
	return writeFile(f.markdown, func(w io.Writer) error { return report.Markdown(w, d, images) })
}

// writeImages writes the charts into dir, if it is named, and returns their
// paths relative to page.
func writeImages(d *result.Document, dir, page string) (paths []string, err error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	for _, chart := range report.Charts(d) {
		path := filepath.Join(dir, chart.Name+".png")
		if err := writeFile(path, func(w io.Writer) error { return report.PNG(w, chart) }); err != nil {
			return nil, err
		}
		relative, err := filepath.Rel(page, path)
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		paths = append(paths, filepath.ToSlash(relative))
	}
	return paths, nil
}
