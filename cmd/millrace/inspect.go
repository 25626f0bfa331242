package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/cmd/millrace/internal/inspect"
	"github.com/millrace-io/millrace/internal/render"
)

func newInspect(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect",
		Short: "Show what the files of a data directory hold, read-only",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newInspectIndex(a), newInspectManifest(a), newInspectSegment(a), newInspectWAL(a))
	return cmd
}

func newInspectSegment(a *app) *cobra.Command {
	var format render.Format
	var summary bool
	cmd := &cobra.Command{
		Use:   "segment FILE",
		Short: "Show the header, the frames, the footer and the tail of a segment file",
		Long: `Show the header, the frames, the footer and the tail of a segment file.

Every frame is checked. The last line says how the segment ends: sealed by a
footer, empty behind the last frame, torn by a write that did not complete,
growing, or damaged. The file is only read, and may belong to a running server.`,
		Example: "  millrace inspect segment --output jsonl data/log-1/00000000000000000001-0000000000000001.seg",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return inspect.Segment(args[0], !summary, findingPrinter(a.Out, format, findingLine))
		},
	}
	addOutput(cmd, &format)
	cmd.Flags().BoolVar(&summary, "summary", false, "leave the frames out")
	return cmd
}

func newInspectWAL(a *app) *cobra.Command {
	var format render.Format
	cmd := &cobra.Command{
		Use:   "wal DIR",
		Short: "Show the manifest, the segments and the totals of a data directory",
		Long: `Show the edits of the manifest, the segment files, the totals of each log, and
those of the directory. Nothing is changed and no lock is taken, so a server may
be running there.`,
		Example: "  millrace inspect wal --output jsonl data",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return inspect.WAL(args[0], findingPrinter(a.Out, format, findingLine))
		},
	}
	addOutput(cmd, &format)
	return cmd
}

func newInspectIndex(a *app) *cobra.Command {
	var format render.Format
	cmd := &cobra.Command{
		Use:   "index FILE",
		Short: "Show the sparse index of a segment file",
		Long: `Show the sparse index of a segment file: the one it ends with if it is sealed, and
otherwise the one that recovery makes by reading the frames.`,
		Example: "  millrace inspect index --output jsonl data/log-1/00000000000000000001-0000000000000001.seg",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return inspect.Index(args[0], findingPrinter(a.Out, format, findingLine))
		},
	}
	addOutput(cmd, &format)
	return cmd
}

func newInspectManifest(a *app) *cobra.Command {
	var format render.Format
	cmd := &cobra.Command{
		Use:   "manifest DIR|FILE",
		Short: "Show the edits of a manifest, and how it ends",
		Long: `Show the edits of the manifest of a data directory, or of a MANIFEST file. The last
line says what follows them: nothing, a write that did not complete, or damage.`,
		Example: "  millrace inspect manifest --output jsonl data",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return inspect.Manifest(args[0], findingPrinter(a.Out, format, findingLine))
		},
	}
	addOutput(cmd, &format)
	return cmd
}

// findingPrinter prints findings as they come: there may be a million frames.
// A report is a sequence, so json means jsonl.
func findingPrinter(w io.Writer, format render.Format, lineOf func(any) (kind, heading, line string)) func(any) error {
	switch format {
	case render.FormatJSON, render.FormatJSONL, render.FormatYAML:
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return encoder.Encode
	}
	last := ""
	return func(finding any) error {
		kind, heading, line := lineOf(finding)
		if kind != last && heading != "" {
			if last != "" {
				line = "\n" + heading + "\n" + line
			} else {
				line = heading + "\n" + line
			}
		}
		last = kind
		_, err := fmt.Fprintln(w, line)
		return err
	}
}

// findingLine renders one finding in columns of a fixed width, since those to
// come are not known yet.
func findingLine(finding any) (kind, heading, line string) {
	switch f := finding.(type) {
	case inspect.Header:
		return f.Kind, "SEGMENT           LOG  BASE SEQUENCE  CREATED               CAPACITY",
			fmt.Sprintf("%s  %3d  %13d  %s  %d%s", f.Segment, f.Log, f.BaseSequence, instant(f.Created), f.Capacity, packing(f))
	case inspect.Frame:
		line := fmt.Sprintf("%10d  %-6s  %12d  %7d  %10d  %s  %s", f.Offset, f.Type, f.Sequence, f.Records, f.Bytes, checked(f.CRC), instant(f.Time))
		if f.Error != "" {
			line += "  " + f.Error
		}
		return f.Kind, "    OFFSET  TYPE        SEQUENCE  RECORDS       BYTES  CRC  TIME", line
	case inspect.Footer:
		return f.Kind, "FOOTER AT   FIRST SEQUENCE   LAST SEQUENCE     FRAMES    RECORDS",
			fmt.Sprintf("%9d  %15d  %14d  %9d  %9d", f.Offset, f.FirstSequence, f.LastSequence, f.Frames, f.Records)
	case inspect.Tail:
		return f.Kind, "TAIL      END OFFSET  NEXT SEQUENCE     FRAMES    RECORDS",
			fmt.Sprintf("%-8s  %10d  %13d  %9d  %9d\n%s", f.State, f.End, f.Next, f.Frames, f.Records, f.Detail)
	case inspect.Edit:
		var fields []string
		for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
			fields = append(fields, fmt.Sprintf("%s=%d", name, f.Fields[name]))
		}
		return f.Kind, "MANIFEST OFFSET  EDIT            LOG  FIELDS",
			fmt.Sprintf("%15d  %-14s  %3d  %s", f.Offset, f.Edit, f.Log, strings.Join(fields, " "))
	case inspect.ManifestTail:
		return f.Kind, "TAIL      END OFFSET  EDITS  MANIFEST",
			fmt.Sprintf("%-8s  %10d  %5d  %s\n%s", f.State, f.End, f.Edits, f.File, f.Detail)
	case inspect.IndexEntry:
		return f.Kind, "    OFFSET      SEQUENCE  TIME", fmt.Sprintf("%10d  %12d  %s", f.Offset, f.Sequence, instant(f.Time))
	case inspect.IndexTail:
		return f.Kind, "ENTRIES  FROM", fmt.Sprintf("%7d  %s", f.Entries, f.Source)
	case inspect.SegmentFile:
		return f.Kind, "LOG  SEGMENT           STATE     BASE SEQUENCE       BYTES  FILE",
			strings.TrimRight(fmt.Sprintf("%3d  %-16s  %-8s  %13d  %10d  %s  %s", f.Log, f.Segment, f.State, f.BaseSequence, f.Bytes, f.File, f.Error), " ")
	case inspect.Log:
		return f.Kind, "LOG  FIRST SEQUENCE  NEXT SEQUENCE    RECORDS  SEGMENTS       BYTES",
			strings.TrimRight(fmt.Sprintf("%3d  %14d  %13d  %9d  %8d  %10d  %s", f.Log, f.FirstSequence, f.NextSequence, f.Records, f.Segments, f.Bytes, f.Error), " ")
	case inspect.Totals:
		return f.Kind, "TOTAL  LOGS  SEGMENTS    RECORDS       BYTES  ERRORS  MANIFEST",
			fmt.Sprintf("       %4d  %8d  %9d  %10d  %6d  %s (%d edits)", f.Logs, f.Segments, f.Records, f.Bytes, f.Errors, f.Manifest, f.Edits)
	default:
		return "", "", fmt.Sprint(finding)
	}
}

// checked renders the result of a checksum.
func checked(good bool) string {
	if good {
		return "ok "
	}
	return "BAD"
}

// instant renders a time to the microsecond.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// packing says how a compressed segment is stored.
func packing(h inspect.Header) string {
	if h.Codec == "" {
		return ""
	}
	return fmt.Sprintf("  %s, %d bytes in %d", h.Codec, h.Length, h.FileBytes)
}
