package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/cmd/millrace/internal/keyring"
	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/kinesis/streams"
)

func newAuthCreateKey(a *app) *cobra.Command {
	o := keyring.Options{Account: streams.AccountDefault, Begin: true}
	var user string
	var format render.Format
	cmd := &cobra.Command{
		Use:   "create-key",
		Short: "Create an access key for a user",
		Long: `Create an access key, with which a user signs requests to the API of AWS.

The secret is printed now and can never be asked for again. A running server
takes the key at once; without one it is written into the data directory, which may
be an empty one. A user may have several keys, to change from one to the next.`,
		Example: "  millrace auth create-key --user ada --data /var/lib/millrace",
		Args:    arguments(cobra.NoArgs),
	}
	addData(cmd, &o)
	flags := cmd.Flags()
	flags.StringVar(&user, "user", "", "whose key it is: letters, digits and _+=,.@-")
	flags.StringVar(&o.Account, "account", o.Account, "account number of the key, twelve digits; a running server gives its own")
	fromEnvironment(flags, "account")
	addOutput(cmd, &format)
	cmd.RunE = func(*cobra.Command, []string) error {
		if user == "" {
			return usageErrorf("--user is missing: a key belongs to somebody")
		}
		var view keyView
		err := a.withKeys(o, func(ctx context.Context, keys keyring.Keyring) error {
			key, secret, err := keys.Create(ctx, user)
			view = keyViewOf(key)
			view.Secret = secret
			return err
		})
		if err != nil {
			return err
		}
		if err := render.Print(a.Out, format, view, func(bool) render.Tables { return createdTables(view) }); err != nil {
			return err
		}
		fmt.Fprintln(a.Err, "the secret is shown this once: keep it")
		return nil
	}
	return cmd
}

// createdTables shows a new key, and a line to be pasted into a shell.
func createdTables(k keyView) render.Tables {
	paste := fmt.Sprintf("export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s", k.ID, k.Secret)
	return render.Tables{
		{Columns: []string{"USER", "ACCESS KEY ID", "SECRET ACCESS KEY"}, Rows: [][]string{{k.User, k.ID, k.Secret}}},
		{Rows: [][]string{{paste}}},
	}
}
