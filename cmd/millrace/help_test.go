package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millrace-io/millrace/internal/terminal"
)

// everyCommand calls visit for each command that does something.
func everyCommand(t *testing.T, visit func(cmd *cobra.Command)) {
	t.Helper()
	streams, _, _ := terminal.Test("")
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Name() != "help" && cmd.Name() != "completion" {
			visit(cmd)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&app{Streams: streams}))
}

// TestEveryCommandHasAnExample holds the tree to the house style: a long help
// with an example that uses long flags and names only flags that exist.
func TestEveryCommandHasAnExample(t *testing.T) {
	everyCommand(t, func(cmd *cobra.Command) {
		if !cmd.Runnable() || cmd.HasAvailableSubCommands() {
			return
		}
		if cmd.Long == "" || cmd.Example == "" {
			t.Errorf("%s: the long help or the example is missing", cmd.CommandPath())
		}
		if !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s: the example shows another command: %s", cmd.CommandPath(), cmd.Example)
		}
		for _, word := range strings.Fields(cmd.Example) {
			name, isFlag := strings.CutPrefix(word, "--")
			if isFlag && cmd.Flags().Lookup(name) == nil {
				t.Errorf("%s: the example uses the unknown flag --%s", cmd.CommandPath(), name)
			}
		}
	})
}

// TestEnvironmentTopicIsComplete compares the help topic with the flags.
func TestEnvironmentTopicIsComplete(t *testing.T) {
	var topic string
	everyCommand(t, func(cmd *cobra.Command) {
		if cmd.Name() == "environment" {
			topic = cmd.Long
		}
	})
	everyCommand(t, func(cmd *cobra.Command) {
		if cmd.Name() == "serve" {
			return // the topic has a rule for these
		}
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			for _, variable := range flag.Annotations[environmentKey] {
				if !strings.Contains(topic, variable) {
					t.Errorf("%s: %s is not in millrace help environment", cmd.CommandPath(), variable)
				}
			}
		})
	})
	if !strings.Contains(topic, initializeVariable) {
		t.Errorf("%s is not in millrace help environment", initializeVariable)
	}
}
