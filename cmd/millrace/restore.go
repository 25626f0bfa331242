package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/backup"
	"github.com/millrace-io/millrace/internal/render"
)

func newRestore(a *app) *cobra.Command {
	var format render.Format
	cmd := &cobra.Command{
		Use:   "restore BACKUP DIR",
		Short: "Make a data directory of a backup",
		Long: `Make a data directory of a backup. DIR must not exist, or be empty: it gets its
name when all files are complete, match their SHA-256, and are on the device. The
name latest is the newest backup; millrace backup ls lists them.

A server that is started on it recovers it as it does after a power cut.`,
		Example: "  millrace restore latest data --store /backup/millrace",
		Args:    arguments(cobra.ExactArgs(2)),
	}
	addOutput(cmd, &format)
	f := addStore(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		from, err := f.open(a.drain)
		if err != nil {
			return err
		}
		show, end := a.progress("restore")
		b, err := backup.Restore(a.drain, from, args[0], args[1], backup.RestoreOptions{Progress: show})
		end()
		if err != nil {
			return err
		}
		view := backupViewOf(b)
		fmt.Fprintf(a.Err, "restored %s to %s; start a server: millrace serve --data %s\n", b.Name, args[1], args[1])
		return render.Print(a.Out, format, view, func(wide bool) render.Tables { return backupsTable([]backupView{view}, wide) })
	}
	return cmd
}
