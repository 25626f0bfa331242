package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/cmd/millrace/internal/keyring"
	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/server/access"
)

func newAuth(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "Create, list, disable and enable access keys",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuthCreateKey(a), newAuthList(a), newAuthDisable(a), newAuthEnable(a))
	return cmd
}

// addData adds the flag of the directory whose keys a command is about.
func addData(cmd *cobra.Command, o *keyring.Options) {
	o.Directory = defaultServeFlags().data
	cmd.Flags().StringVar(&o.Directory, "data", o.Directory, "data directory, of a server or not")
	fromEnvironment(cmd.Flags(), "data")
}

// withKeys does something with the keys of a directory.
func (a *app) withKeys(o keyring.Options, do func(ctx context.Context, keys keyring.Keyring) error) (err error) {
	keys, err := keyring.Open(a.drain, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	return do(a.drain, keys)
}

// keyView is the JSON form of an access key.
type keyView struct {
	ID        string    `json:"access_key_id"`
	Secret    string    `json:"secret_access_key,omitempty"` // when it is made, and never again
	User      string    `json:"user"`
	Account   string    `json:"account"`
	Principal string    `json:"principal"`
	Created   time.Time `json:"created"`
	Disabled  bool      `json:"disabled"`
}

func keyViewOf(k access.Key) keyView {
	return keyView{ID: k.ID, User: k.User, Account: k.Account, Principal: k.Principal(), Created: k.Created, Disabled: k.Disabled}
}

// keysTable is one line for each key.
func keysTable(keys []keyView, wide bool) render.Tables {
	table := render.Table{Columns: []string{"USER", "ACCESS KEY ID", "STATE"}}
	if wide {
		table.Columns = append(table.Columns, "CREATED", "PRINCIPAL")
	}
	for _, k := range keys {
		state := "enabled"
		if k.Disabled {
			state = "disabled"
		}
		row := []string{k.User, k.ID, state}
		if wide {
			row = append(row, k.Created.Format(time.RFC3339), k.Principal)
		}
		table.Rows = append(table.Rows, row)
	}
	return render.Tables{table}
}
