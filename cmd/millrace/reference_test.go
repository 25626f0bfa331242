package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var updateReference = flag.Bool("update-reference", false, "write docs/reference/server.md again")

const serverPage = "../../docs/reference/server.md"

const serverHead = `# The server's flags

` + "`millrace serve`" + ` runs a server for production, ` + "`millrace dev`" + ` one to try things on. This page is made by
` + "`go test ./cmd/millrace -run ReferenceOfTheServer -update-reference`" + `.

A flag wins over its variable, a variable over the default. Sizes take units (16MiB), durations as well (500ms, 7d).

## Addresses, and who may connect

| address | protocol | who is let in |
|---|---|---|
| ` + "`--http-address`, 127.0.0.1:4567" + ` | the API of AWS: HTTP/1.1 and HTTP/2, with TLS and without | on loopback anybody (of pages in a browser those of this machine), unless ` + "`--signatures`" + ` is given; elsewhere who signs with an [access key](../how-to/access-keys.md) |
| ` + "`--native-address`, 127.0.0.1:4568" + ` | the native protocol | anybody; loopback only, unless ` + "`--insecure`" + ` is given |
| ` + "`--admin-address`, 127.0.0.1:4569" + ` | health, [metrics](metrics.md), profiles | anybody; loopback only, unless ` + "`--insecure`" + ` is given |
| ` + "`control.sock`" + ` in the data directory | access keys | whoever may open the file: its owner |

` + "`--insecure`" + ` says that the network itself is trusted: it then also has the API of AWS believe any signature, everywhere. ` + "`--signatures`" + `
wins over it there.
`

// flagsTable lists the flags of a command. The variables are a column of their own.
func flagsTable(cmd *cobra.Command) string {
	var table strings.Builder
	table.WriteString("| flag | default | variable | meaning |\n|---|---|---|---|\n")
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		usage, variable := f.Usage, ""
		for _, name := range f.Annotations[environmentKey] {
			usage, variable = strings.TrimSuffix(usage, " ["+name+"]"), "`"+name+"`"
		}
		value := ""
		if f.DefValue != "" && f.DefValue != "[]" {
			value = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(&table, "| `--%s` | %s | %s | %s |\n", f.Name, value, variable, usage)
	})
	return table.String()
}

// TestReferenceOfTheServer: the page lists the flags that there are.
func TestReferenceOfTheServer(t *testing.T) {
	page := serverHead
	everyCommand(t, func(cmd *cobra.Command) {
		if cmd.CommandPath() == "millrace serve" || cmd.CommandPath() == "millrace dev" {
			page += fmt.Sprintf("\n## %s\n\n%s", cmd.CommandPath(), flagsTable(cmd))
		}
	})
	if *updateReference {
		if err := os.WriteFile(serverPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	committed, err := os.ReadFile(serverPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(committed) != page {
		t.Errorf("%s is out of date: go test ./cmd/millrace -run ReferenceOfTheServer -update-reference", serverPage)
	}
}
