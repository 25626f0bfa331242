package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/backup"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/internal/units"
)

func newBackupCreate(a *app) *cobra.Command {
	var format render.Format
	cmd := &cobra.Command{
		Use:   "create DIR",
		Short: "Copy a data directory, also of a running server, to a store",
		Long: `Copy a data directory to a store, while a server uses it or not.

The backup holds every record that was acknowledged before it began. It is read
from the files of the directory, so it runs on the server's machine. A segment
that the last backup in the store has is not read or sent again.

A damaged segment is stored as it is; the rest of the backup is good, and the
exit code is 1. An interrupted backup does not exist, and what it sent is not
sent again.`,
		Example: "  millrace backup create data --store s3://backups/millrace --s3-region eu-central-1",
		Args:    arguments(cobra.ExactArgs(1)),
	}
	addOutput(cmd, &format)
	f := addStore(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		to, err := f.open(a.drain)
		if err != nil {
			return err
		}
		show, end := a.progress("backup")
		made, err := backup.Create(a.drain, args[0], to, backup.Options{Progress: show})
		end()
		if err != nil {
			return err
		}
		view := backupViewOf(&made.Backup)
		view.Sent, view.SentBytes = &made.Sent, &made.SentBytes
		err = render.Print(a.Out, format, view, func(wide bool) render.Tables { return backupsTable([]backupView{view}, wide) })
		if err != nil {
			return err
		}
		fmt.Fprintf(a.Err, "stored %s; sent %s, %s\n", made.Name, units.Plural(made.Sent, "object"), units.Bytes(made.SentBytes).Human())
		if len(view.Damaged) > 0 {
			return failure.New(failure.Corrupt, "backup "+args[0], "the backup has all there is, but this was damaged before: %s", strings.Join(view.Damaged, ", "))
		}
		return nil
	}
	return cmd
}
