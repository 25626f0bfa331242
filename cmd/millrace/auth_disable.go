package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/cmd/millrace/internal/keyring"
)

func newAuthDisable(a *app) *cobra.Command {
	return newAuthSwitch(a, true, &cobra.Command{
		Use:   "disable KEY",
		Short: "Take an access key out of use",
		Long: `Take an access key out of use. A running server refuses requests that are signed
with it from now on; subscriptions that are open go on for up to five minutes.
It stays in the list, and can be enabled again.`,
		Example: "  millrace auth disable AKIAUWS2LJNFUWS2LJNF --data /var/lib/millrace",
	})
}

func newAuthEnable(a *app) *cobra.Command {
	return newAuthSwitch(a, false, &cobra.Command{
		Use:     "enable KEY",
		Short:   "Take a disabled access key back into use",
		Long:    "Take a disabled access key back into use, with the secret that it had.",
		Example: "  millrace auth enable AKIAUWS2LJNFUWS2LJNF --data /var/lib/millrace",
	})
}

// newAuthSwitch completes a command that disables a key, or enables it.
func newAuthSwitch(a *app, disabled bool, cmd *cobra.Command) *cobra.Command {
	var o keyring.Options
	cmd.Args = arguments(cobra.ExactArgs(1))
	addData(cmd, &o)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.withKeys(o, func(ctx context.Context, keys keyring.Keyring) error {
			key, err := keys.SetDisabled(ctx, args[0], disabled)
			if err != nil {
				return err
			}
			done := "enabled"
			if disabled {
				done = "disabled"
			}
			fmt.Fprintf(a.Err, "%s %s of %s\n", done, key.ID, key.User)
			return nil
		})
	}
	return cmd
}
