package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/cmd/millrace/internal/demo"
	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/internal/units"
	"github.com/millrace-io/millrace/record"
)

func newDemo(a *app) *cobra.Command {
	var data, durability string
	var format render.Format
	timeout := units.Duration(2 * time.Minute)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole pipeline once, on real bundled data",
		Long: `Run the whole pipeline once, on real bundled data.

A server is started inside this process, on free ports of this machine and a
temporary directory. A stream of four shards is created, 250,000 flights are put
with the airport of origin as the partition key, every shard is read back by a
consumer of its own, and what was read is compared with what was put: the count,
the order of each key's records, and a SHA-256 over everything.

Beside the figures stands what one fdatasync of the device costs: with the
durability group every acknowledgement has waited for one.`,
		Example: "  millrace demo --durability interval --data ./data",
		Args:    arguments(cobra.NoArgs),
	}
	flags := cmd.Flags()
	flags.StringVar(&data, "data", "", "keep the records in this directory")
	flags.StringVar(&durability, "durability", record.Group.String(), "group, interval or none")
	flags.Var(&timeout, "timeout", "how long it may take")
	addOutput(cmd, &format)
	cmd.RunE = func(*cobra.Command, []string) error {
		mode, err := record.ParseDurability(durability)
		if err != nil {
			return usageError{err}
		}
		ctx, cancel := context.WithTimeout(a.drain, time.Duration(timeout))
		defer cancel()
		step := func(name string) {
			if a.ErrTTY {
				fmt.Fprintf(a.Err, "\r\033[K%s ...", name)
			}
		}
		report, err := demo.Run(ctx, demo.Options{Data: data, Durability: mode, Step: step})
		if a.ErrTTY {
			fmt.Fprint(a.Err, "\r\033[K")
		}
		if err != nil {
			return err
		}
		return render.Print(a.Out, format, report, func(bool) render.Tables { return render.Tables{demoTable(report, data)} })
	}
	return cmd
}

// promises say what an acknowledgement means.
var promises = map[string]string{
	record.Group.String():    "acknowledged after fdatasync",
	record.Interval.String(): "acknowledged after write, fdatasync every 100 ms",
	record.None.String():     "acknowledged after write, no fdatasync",
}

// demoTable renders the report.
func demoTable(r demo.Report, data string) render.Table {
	records := units.Plural(r.Records, "record")
	rate := func(elapsed time.Duration) string {
		return fmt.Sprintf("%s in %s: %s, %s", records, units.Duration(elapsed).Human(),
			units.PerSecond(r.Records, elapsed), units.MegabytesPerSecond(r.Bytes, elapsed))
	}
	rows := [][]string{
		{"data", fmt.Sprintf("%s, %s, real flights of January 2001", records, units.Bytes(r.Bytes).Human())},
		{"stream", fmt.Sprintf("%d shards, %d airports as partition keys, native protocol over loopback", r.Shards, r.Keys)},
		{"durability", fmt.Sprintf("%s: %s", r.Durability, promises[r.Durability])},
		{"device", fmt.Sprintf("4 KiB write and fdatasync: p50 %s", units.Duration(r.DeviceSync).Human())},
		{"write", rate(r.WriteTime)},
		{"", fmt.Sprintf("acknowledged after %s", r.Acknowledged)},
		{"read", rate(r.ReadTime)},
		{"check", "every record once, each key in order"},
		{"", "SHA-256 " + r.Digest},
	}
	if data != "" {
		rows = append(rows, []string{"kept", strings.TrimSuffix(data, "/") + ", see: millrace inspect wal " + data})
	}
	return render.Table{Rows: rows}
}
