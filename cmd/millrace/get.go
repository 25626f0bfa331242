package main

import (
	"bufio"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/cmd/millrace/internal/follow"
	"github.com/millrace-io/millrace/cmd/millrace/internal/lines"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/terminal"
	"github.com/millrace-io/millrace/internal/units"
	"github.com/millrace-io/millrace/record"
)

// lastMax bounds how many records --last keeps in memory.
const lastMax = 1_000_000

// aggregatedHelp is what get and tail have to say about aggregated records.
const aggregatedHelp = `A record in which a producer packed many, as the Kinesis Producer Library does, is
printed as the records inside, also those that are not of its shard: they share
its sequence number and are counted from 0 within it. One that is broken inside
is printed as it is stored, and with --raw all are.`

// readFlags are the flags of get and tail.
type readFlags struct {
	shards []string
	from   uint64
	since  units.Duration
	last   int
	format string
	output string
	base64 bool
	raw    bool
	follow bool
}

// add defines the flags that get and tail share.
func (f *readFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.shards, "shard", nil, "only these shards: shardId-000000000003 or 3")
	flags.Uint64Var(&f.from, "from-sequence", 0, "start at this sequence number; needs one --shard")
	flags.Var(&f.since, "since", "start at what arrived this long ago")
	flags.StringVarP(&f.format, "format", "f", "%v", "template of a record, see: millrace help formats")
	flags.StringVarP(&f.output, "output", "o", "text", "text by the template, or json: one object a line")
	flags.BoolVar(&f.base64, "base64", false, "with --output json, encode all data")
	flags.BoolVar(&f.raw, "raw", false, "print aggregated records as they are stored")
}

func newGet(a *app) *cobra.Command {
	f := readFlags{last: -1}
	cmd := &cobra.Command{
		Use:   "get STREAM",
		Short: "Print the records that a stream holds, and end",
		Long: `Print the records that a stream holds, and end.

Records of several shards are merged by the time of their arrival; within a
shard they keep their order. What arrives after the command began is left out.

` + aggregatedHelp,
		Example: `  millrace get orders --since 1h --format '%t %k %v'
  millrace get orders --shard 0 --from-sequence 1000 --output json`,
		Args: arguments(cobra.ExactArgs(1)),
	}
	f.add(cmd)
	cmd.Flags().IntVar(&f.last, "last", f.last, "only the last N records; -1 for all")
	c := addConnection(a, cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.read(args[0], f, c) }
	return cmd
}

// read runs get and tail.
func (a *app) read(stream string, f readFlags, c *connection) error {
	if err := f.validate(); err != nil {
		return err
	}
	appendRecord, err := f.appender()
	if err != nil {
		return err
	}
	cl, err := c.open(a.drain)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := c.limit(a.drain)
	description, err := cl.DescribeStream(ctx, stream)
	cancel()
	if err != nil {
		return err
	}
	history, future, err := f.spans(description)
	if err != nil {
		return err
	}
	read := reader(cl, stream, f.raw)
	records := follow.Merge(a.drain, read, history)
	if f.last >= 0 {
		records = follow.Last(f.last, records)
	}
	out := bufio.NewWriterSize(a.Out, 64<<10)
	if err := printAll(out, records, appendRecord); err != nil {
		return errors.Join(err, out.Flush())
	}
	if err := out.Flush(); err != nil || !f.follow {
		return err
	}
	err = printComing(a.drain, out, comeIn(a.drain, cl, stream, future, f.raw), appendRecord)
	if err == nil && terminal.Interrupted(a.drain) {
		return terminal.ErrInterrupted
	}
	return err
}

// validate rejects what cannot be meant together.
func (f *readFlags) validate() error {
	switch {
	case f.from > 0 && len(f.shards) != 1:
		return usageErrorf("--from-sequence counts within a shard: name it with --shard")
	case f.from > 0 && f.since > 0:
		return usageErrorf("--from-sequence and --since exclude each other")
	case f.last > lastMax:
		return usageErrorf("--last %d: at most %s records are kept in memory", f.last, units.Count(lastMax))
	}
	return nil
}

// appender returns how a record is rendered.
func (f *readFlags) appender() (func([]byte, lines.Record) []byte, error) {
	switch f.output {
	case "json", "jsonl":
		return func(b []byte, r lines.Record) []byte { return lines.AppendJSON(b, r, f.base64) }, nil
	case "text":
		format, err := lines.ParseFormat(f.format)
		if err != nil {
			return nil, usageError{err}
		}
		return format.Append, nil
	default:
		return nil, usageErrorf("--output %s: use text or json", f.output)
	}
}

// spans returns what each chosen shard holds now, and what comes after that.
func (f *readFlags) spans(d client.Description) (history []follow.Span, future map[record.ShardID]uint64, err error) {
	chosen, err := parseShards(f.shards)
	if err != nil {
		return nil, nil, err
	}
	future = map[record.ShardID]uint64{}
	for _, shard := range d.Shards {
		if len(chosen) > 0 && !slices.Contains(chosen, shard.ID) {
			continue
		}
		if shard.Next == 0 { // to skip it silently would be to lie about what there is
			return nil, nil, failure.New(failure.Unavailable, "get", "%v could not be opened by the server; see its log, or choose others with --shard", shard.ID)
		}
		future[shard.ID] = shard.Next - 1
		start, empty := f.start(shard.First, shard.Next)
		if !empty {
			history = append(history, follow.Span{Shard: shard.ID, Start: start, Until: shard.Next})
		}
	}
	if len(chosen) > 0 && len(future) < len(chosen) {
		return nil, nil, noSuchShard(d, chosen)
	}
	return history, future, nil
}

// start returns where in a shard of records first to next-1 reading begins.
func (f *readFlags) start(first, next uint64) (start record.Start, empty bool) {
	switch {
	case first >= next || f.last == 0:
		return start, true
	case f.from > 0:
		return record.AtSequence(f.from), f.from >= next
	case f.since > 0:
		return record.AtTime(time.Now().Add(-time.Duration(f.since))), false
	case f.last > 0 && next-first > uint64(f.last):
		return record.AtSequence(next - uint64(f.last)), false
	default:
		return record.AtSequence(first), false
	}
}

// printAll writes records until they end.
func printAll(out *bufio.Writer, records iter.Seq2[lines.Record, error], appendRecord func([]byte, lines.Record) []byte) error {
	var buffer []byte
	for rec, err := range records {
		if err != nil {
			return err
		}
		buffer = appendRecord(buffer[:0], rec)
		if _, err := out.Write(buffer); err != nil {
			return err
		}
	}
	return nil
}

// printComing writes records as they come, each at once.
func printComing(ctx context.Context, out *bufio.Writer, records iter.Seq2[lines.Record, error], appendRecord func([]byte, lines.Record) []byte) error {
	for rec, err := range records {
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if _, err := out.Write(appendRecord(nil, rec)); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}
