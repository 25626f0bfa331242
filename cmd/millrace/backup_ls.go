package main

import (
	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/backup"
	"github.com/millrace-io/millrace/internal/render"
)

func newBackupList(a *app) *cobra.Command {
	var format render.Format
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the backups in a store, oldest first",
		Long:    "List the backups in a store with what they hold, oldest first.",
		Example: "  millrace backup ls --store s3://backups/millrace --output json",
		Args:    arguments(cobra.NoArgs),
	}
	addOutput(cmd, &format)
	f := addStore(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		from, err := f.open(a.drain)
		if err != nil {
			return err
		}
		names, err := backup.Names(a.drain, from)
		if err != nil {
			return err
		}
		views := []backupView{}
		for _, name := range names {
			b, err := backup.Open(a.drain, from, name)
			if err != nil {
				return err
			}
			views = append(views, backupViewOf(b))
		}
		return render.Print(a.Out, format, views, func(wide bool) render.Tables { return backupsTable(views, wide) })
	}
	return cmd
}

func newBackupVerify(a *app) *cobra.Command {
	var format render.Format
	cmd := &cobra.Command{
		Use:   "verify BACKUP",
		Short: "Read a backup and check everything in it against its digest",
		Long: `Read every object of a backup and check it against its SHA-256, without restoring
it. The name latest is the newest backup.`,
		Example: "  millrace backup verify latest --store s3://backups/millrace",
		Args:    arguments(cobra.ExactArgs(1)),
	}
	addOutput(cmd, &format)
	f := addStore(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		from, err := f.open(a.drain)
		if err != nil {
			return err
		}
		show, end := a.progress("verify")
		b, err := backup.Verify(a.drain, from, args[0], backup.RestoreOptions{Progress: show})
		end()
		if err != nil {
			return err
		}
		view := backupViewOf(b)
		return render.Print(a.Out, format, view, func(wide bool) render.Tables { return backupsTable([]backupView{view}, wide) })
	}
	return cmd
}
