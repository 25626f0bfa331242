package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/cmd/millrace/internal/lines"
	"github.com/millrace-io/millrace/cmd/millrace/internal/load"
	"github.com/millrace-io/millrace/internal/terminal"
	"github.com/millrace-io/millrace/internal/units"
	"github.com/millrace-io/millrace/record"
)

// putFlags are the flags of put.
type putFlags struct {
	file       string
	format     string
	lines      lines.Options
	generate   units.Bytes
	recordSize units.Bytes
	oneByOne   bool
	quiet      bool
}

func newPut(a *app) *cobra.Command {
	f := putFlags{format: "text", recordSize: units.KiB}
	cmd := &cobra.Command{
		Use:   "put STREAM",
		Short: "Put records, one a line, from standard input",
		Long: `Put records, one a line, from standard input or a file.

A record needs a partition key: records of one key keep their order. Choose one
of --key, --key-separator and --key-field; without them every record gets a
random key. Records are sent in batches by the asynchronous producer, and the
command ends when all are acknowledged.

Ctrl-C once stops reading and waits for what is under way; twice stops now.

With --generate the records are made up, and the rate and the latencies are
printed: --one-by-one waits for each acknowledgement before the next record.`,
		Example: `  millrace put orders --key-field customer --format text --file orders.jsonl
  echo '{"key":"MCI","data":"hello"}' | millrace put orders --format json
  millrace put load --generate 1GiB --record-size 1KiB`,
		Args: arguments(cobra.ExactArgs(1)),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.file, "file", "-", "read `FILE` instead of standard input")
	flags.StringVarP(&f.format, "format", "f", f.format, "what a line is: text, or json with the members key, data and hash")
	flags.StringVarP(&f.lines.Key, "key", "k", "", "partition key of every record; with --format json, of those without one")
	flags.StringVar(&f.lines.KeySeparator, "key-separator", "", "the key is what stands before it, the data what follows")
	flags.StringVar(&f.lines.KeyField, "key-field", "", "the key is this column (1, 2, ...) or this member of the JSON on the line")
	flags.StringVar(&f.lines.FieldSeparator, "field-separator", ",", "between the columns of --key-field")
	flags.BoolVar(&f.lines.Base64, "base64", false, "data is base64")
	flags.Var(&f.generate, "generate", "make up this much data instead of reading")
	flags.Var(&f.recordSize, "record-size", "of each record that is made up")
	flags.BoolVar(&f.oneByOne, "one-by-one", false, "wait for each acknowledgement before the next record")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "print no summary")
	c := addConnection(a, cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.put(args[0], f, c) }
	return cmd
}

// put runs the command.
func (a *app) put(stream string, f putFlags, c *connection) error {
	source, total, closeSource, err := a.source(f)
	if err != nil {
		return err
	}
	defer closeSource()
	cl, err := c.open(a.drain)
	if err != nil {
		return err
	}
	defer cl.Close()
	sink, closeSink, err := newSink(a.stop, cl, stream, f.oneByOne, time.Duration(c.timeout))
	if err != nil {
		return err
	}
	progress := terminal.NewProgress(a.Streams, "put "+stream, total)
	report, err := load.Run(a.drain, a.stop, source, sink, func(rec record.Record, _ load.Position) {
		progress.Add(1, int64(len(rec.Data)))
	})
	progress.Done()
	err = errors.Join(err, closeSink())
	if !f.quiet {
		fmt.Fprintf(a.Err, "put %s: %s\n", stream, report)
		if f.generate > 0 {
			fmt.Fprintln(a.Err, report.Rates())
		}
	}
	if err == nil && terminal.Interrupted(a.drain) {
		return terminal.ErrInterrupted
	}
	return err
}

// source returns where the records come from and how many bytes of data they
// have, or -1.
func (a *app) source(f putFlags) (source load.Source, total int64, closeSource func(), err error) {
	nothing := func() {}
	if f.generate > 0 {
		if f.recordSize < 1 || f.recordSize > record.DataMax {
			return nil, 0, nil, usageErrorf("--record-size %s is not within 1B to %s", f.recordSize, units.Bytes(record.DataMax))
		}
		return load.NewSynthetic(int64(f.generate), int(f.recordSize)), int64(f.generate), nothing, nil
	}
	switch f.format {
	case "text":
	case "json":
		f.lines.JSON = true
	default:
		return nil, 0, nil, usageErrorf("--format %s: use text or json", f.format)
	}
	in, total, closeSource := a.In, int64(-1), nothing
	if f.file != "-" {
		file, err := os.Open(f.file)
		if err != nil {
			return nil, 0, nil, fmt.Errorf("put: %w", err)
		}
		in, closeSource = file, func() { file.Close() }
	}
	reader, err := lines.NewReader(in, f.lines)
	if err != nil {
		closeSource()
		return nil, 0, nil, usageError{err}
	}
	return load.Background(reader), total, closeSource, nil
}

// newSink returns the way into a stream, and what ends it.
func newSink(ctx context.Context, cl *client.Client, stream string, oneByOne bool, timeout time.Duration) (load.Sink, func() error, error) {
	if oneByOne {
		return &singles{client: cl, stream: stream, timeout: timeout}, func() error { return nil }, nil
	}
	return newProducer(ctx, cl, stream)
}
