package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millrace-io/millrace/internal/terminal"
)

// app is what every command gets: the world outside, and the contexts that end
// with the first and the second Ctrl-C.
type app struct {
	*terminal.Streams
	lookupEnv func(string) (string, bool)
	// drain ends when no new work shall be taken, stop when the command shall
	// leave at once.
	drain, stop context.Context
	// addr is the server of the commands that talk to one, for messages.
	addr string
}

// newRoot returns the tree of all commands.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "millrace",
		Short: "Streams of ordered records: a storage engine, its server and its tools",
		Long: `Millrace keeps ordered records in durable, segmented logs and serves them to
producers and consumers. This one binary is the server and the tools.

A first minute, in two terminals:

    millrace dev
    echo hello | millrace put demo
    millrace tail demo`,
		Args:              noSuchCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.applyEnvironment(cmd) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddGroup(
		&cobra.Group{ID: "server", Title: "Servers:"},
		&cobra.Group{ID: "data", Title: "Streams and records:"},
		&cobra.Group{ID: "tools", Title: "Tools:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, command := range commands {
			command.GroupID = group
			root.AddCommand(command)
		}
	}
	add("server", newDemo(a), newDev(a), newServe(a), newAuth(a))
	add("data", newStream(a), newPut(a), newGet(a), newTail(a))
	add("tools", newBench(a), newFuzz(a), newInspect(a), newBackup(a), newRestore(a), newRepair(a), newVersion(a))
	root.SetHelpCommandGroupID("tools")
	root.SetCompletionCommandGroupID("tools")
	root.AddCommand(helpTopics()...)
	return root
}

// noSuchCommand rejects words behind a command that only has subcommands.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	text := fmt.Sprintf("%s has no command %q", cmd.CommandPath(), args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf(", did you mean %s?", strings.Join(near, " or "))
	}
	return usageErrorf("%s", text)
}

// arguments makes a rule about arguments a usage error.
func arguments(rule cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := rule(cmd, args); err != nil {
			return usageErrorf("%w; usage: %s", err, cmd.UseLine())
		}
		return nil
	}
}

// environmentKey annotates a flag that an environment variable may set.
const environmentKey = "millrace_environment"

// fromEnvironment lets MILLRACE_NAME set the named flags: --log-sync is
// MILLRACE_LOG_SYNC. The flag wins.
func fromEnvironment(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		flag := flags.Lookup(name)
		variable := "MILLRACE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		flag.Usage += " [" + variable + "]"
		flag.Annotations = map[string][]string{environmentKey: {variable}}
	}
}

// applyEnvironment sets the annotated flags that the command line left out.
func (a *app) applyEnvironment(cmd *cobra.Command) error {
	var failed error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		names := flag.Annotations[environmentKey]
		if len(names) == 0 || flag.Changed || failed != nil {
			return
		}
		if value, found := a.lookupEnv(names[0]); found && value != "" {
			if err := cmd.Flags().Set(flag.Name, value); err != nil {
				failed = usageErrorf("environment variable %s: %w", names[0], err)
			}
		}
	})
	return failed
}
