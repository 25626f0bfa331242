package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/server"
	"github.com/millrace-io/millrace/stream"
)

const (
	// initializeVariable names the streams that dev creates, in the form that
	// other stand-ins for Kinesis read as well: a:1,b:2.
	initializeVariable = "INITIALIZE_STREAMS"
	initializeDefault  = "demo:1"
)

// seed is a stream that dev creates.
type seed struct {
	name   string
	shards int
}

func newDev(a *app) *cobra.Command {
	f := defaultServeFlags()
	f.data, f.logLevel, f.segmentBytesMax = "", "warn", 64<<20
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a server for development",
		Long: `Run a server on this machine, with a stream to try things on, until Ctrl-C.

Records are kept in a directory that is removed at the end, unless --data names
one. The stream is demo, or what INITIALIZE_STREAMS names: orders:4,clicks:1.`,
		Example: "  INITIALIZE_STREAMS=orders:4 millrace dev --data ./data",
		Args:    arguments(cobra.NoArgs),
		RunE:    func(*cobra.Command, []string) error { return a.dev(f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", "", "keep the records in this directory")
	flags.StringVar(&f.nativeAddress, "addr", f.nativeAddress, "host and port of the native protocol; port 0 takes a free one")
	flags.StringVar(&f.adminAddress, "admin-address", f.adminAddress, "host and port of health, metrics and profiles")
	flags.StringVar(&f.httpAddress, "http-address", f.httpAddress, "host and port of the API of AWS, with TLS and without")
	flags.StringVar(&f.account, "account", f.account, "account number in ARNs, twelve digits")
	flags.BoolVar(&f.awsLimits, "aws-limits", false, "enforce the quotas of AWS")
	flags.Var(&f.statusDelay, "status-delay", "how long streams show CREATING, UPDATING and DELETING")
	flags.StringVar(&f.logLevel, "log-level", f.logLevel, "debug, info, warn or error")
	fromEnvironment(flags, "addr")
	return cmd
}

// dev runs the command.
func (a *app) dev(f serveFlags) error {
	text, found := a.lookupEnv(initializeVariable)
	if !found || text == "" {
		text = initializeDefault
	}
	seeds, err := parseSeeds(text)
	if err != nil {
		return usageErrorf("environment variable %s: %w", initializeVariable, err)
	}
	note := ""
	if f.data == "" {
		if f.data, err = os.MkdirTemp("", "millrace-dev-"); err != nil {
			return fmt.Errorf("dev: %w", err)
		}
		defer func() { _ = os.RemoveAll(f.data) }() // what is left is the system's to clean up
		note = " (removed at the end; --data DIR keeps it)"
	}
	return a.serve(f, func(ctx context.Context, s *server.Server) error {
		if err := createSeeds(ctx, s.Store(), seeds); err != nil {
			return err
		}
		_, err := fmt.Fprint(a.Out, banner(s.HTTPAddress(), s.NativeAddress(), s.AdminAddress(), f.data+note, seeds[0].name))
		return err
	})
}

// banner is what dev prints when it is ready: the words of the quick start.
func banner(http, native, admin, data, streamName string) string {
	flag := ""
	if native != addrDefault {
		flag = " --addr " + native
	}
	return fmt.Sprintf(`Millrace is ready.

  API of AWS       http://%s (https too; %s)
  native protocol  %s
  health, metrics  http://%s
  records          %s

Try, in another terminal:

  echo hello | millrace put %s%s
  millrace tail %s%s
  aws --endpoint-url http://%s kinesis list-streams

Ctrl-C ends it.
`, http, keysTaken(http), native, admin, data, streamName, flag, streamName, flag, http)
}

// keysTaken says which access keys the API of AWS takes at an address.
func keysTaken(address string) string {
	if at, err := netip.ParseAddrPort(address); err == nil && !at.Addr().IsLoopback() {
		return "with keys of millrace auth create-key"
	}
	return "any access key is taken"
}

// parseSeeds reads name:shards,name:shards. The number may be left out, as may
// a region behind it, which others write there.
func parseSeeds(text string) ([]seed, error) {
	var seeds []seed
	for _, part := range strings.Split(text, ",") {
		fields := strings.Split(strings.TrimSpace(part), ":")
		s := seed{name: fields[0], shards: 1}
		if len(fields) > 1 {
			shards, err := strconv.Atoi(fields[1])
			if err != nil || shards < 1 {
				return nil, fmt.Errorf("%q: the number of shards is not a number above 0", part)
			}
			s.shards = shards
		}
		if s.name == "" || len(fields) > 3 {
			return nil, fmt.Errorf("%q: not of the form name:shards", part)
		}
		seeds = append(seeds, s)
	}
	return seeds, nil
}

// createSeeds creates the streams that are not there yet.
func createSeeds(ctx context.Context, store *stream.Store, seeds []seed) error {
	for _, s := range seeds {
		_, err := store.Create(ctx, stream.Config{Name: s.name, Shards: s.shards})
		if err != nil && !errors.Is(err, failure.AlreadyExists) {
			return err
		}
	}
	return nil
}
