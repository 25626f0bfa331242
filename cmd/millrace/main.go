package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/millrace-io/millrace/internal/terminal"
)

func main() {
	// Room for two: the second Ctrl-C stops at once even if the first is still
	// being worked on.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(execute(context.Background(), os.Args[1:], terminal.System(), os.LookupEnv, signals))
}

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args []string, streams *terminal.Streams, lookupEnv func(string) (string, bool), signals <-chan os.Signal) int {
	drain, stop, release := terminal.Interrupts(ctx, signals)
	defer release()
	a := &app{Streams: streams, lookupEnv: lookupEnv, drain: drain, stop: stop}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	return a.exit(root.ExecuteContext(drain))
}
