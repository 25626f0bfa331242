package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/cmd/millrace/internal/keyring"
	"github.com/millrace-io/millrace/internal/render"
)

func newAuthList(a *app) *cobra.Command {
	var o keyring.Options
	var format render.Format
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the access keys",
		Long:    "List the access keys, in the order of their users. Secrets are not shown.",
		Example: "  millrace auth ls --data /var/lib/millrace --output json",
		Args:    arguments(cobra.NoArgs),
	}
	addData(cmd, &o)
	addOutput(cmd, &format)
	cmd.RunE = func(*cobra.Command, []string) error {
		views := []keyView{}
		err := a.withKeys(o, func(ctx context.Context, keys keyring.Keyring) error {
			all, err := keys.List(ctx)
			for _, key := range all {
				views = append(views, keyViewOf(key))
			}
			return err
		})
		if err != nil {
			return err
		}
		return render.Print(a.Out, format, views, func(wide bool) render.Tables { return keysTable(views, wide) })
	}
	return cmd
}
