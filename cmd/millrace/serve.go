package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/internal/terminal"
	"github.com/millrace-io/millrace/internal/units"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/segment"
	"github.com/millrace-io/millrace/server"
	"github.com/millrace-io/millrace/wal"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	data            string
	nativeAddress   string
	adminAddress    string
	httpAddress     string
	signatures      bool
	certificate     string
	key             string
	hostNames       []string
	account         string
	awsLimits       bool
	statusDelay     units.Duration
	insecure        bool
	shardMetrics    bool
	backend         string
	segmentBytesMin units.Bytes
	segmentBytesMax units.Bytes
	segmentAgeMax   units.Duration
	syncsMax        int
	scrubRate       units.Bytes
	compress        segment.Codec
	compressAfter   units.Duration
	compressRate    units.Bytes
	shutdownTimeout units.Duration
	logFormat       string
	logLevel        string
	format          render.Format
}

func defaultServeFlags() serveFlags {
	return serveFlags{
		data:            "data",
		nativeAddress:   server.NativeAddressDefault,
		adminAddress:    server.AdminAddressDefault,
		httpAddress:     server.HTTPAddressDefault,
		account:         streams.AccountDefault,
		statusDelay:     units.Duration(500 * time.Millisecond),
		backend:         "mmap",
		segmentBytesMin: 4 * units.MiB,
		segmentBytesMax: 256 * units.MiB,
		segmentAgeMax:   units.Duration(time.Hour),
		syncsMax:        8,
		compressAfter:   units.Duration(10 * time.Minute),
		compressRate:    64 * units.MiB,
		shutdownTimeout: units.Duration(30 * time.Second),
		logFormat:       "text",
		logLevel:        "info",
	}
}

func newServe(a *app) *cobra.Command {
	f := defaultServeFlags()
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a server for production",
		Long: `Run a server until SIGTERM or Ctrl-C.

Once it is ready its addresses are printed on standard output; the log goes to
standard error. On the first signal no more connections are accepted, what was
read is answered, and the logs are synced and closed; the second one cuts
connections off, and the logs are closed properly all the same.

The API of AWS verifies signatures by the access keys of "millrace auth" wherever
it can be reached from outside of this machine, and on loopback with --signatures.
The other protocols authenticate nobody, so their addresses need --insecure if they
are not loopback; it then also lets the API of AWS believe any signature. Keys are
made and disabled over a socket in the data directory, control.sock, which only
its owner may open.

Every flag can be set by a variable: --segment-bytes-max is
MILLRACE_SEGMENT_BYTES_MAX.`,
		Example: "  millrace serve --data /var/lib/millrace --native-address 127.0.0.1:4568 --log-format json",
		Args:    arguments(cobra.NoArgs),
		RunE:    func(*cobra.Command, []string) error { return a.serve(f, f.announce(a)) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", f.data, "directory of the streams; it is created if need be")
	flags.StringVar(&f.nativeAddress, "native-address", f.nativeAddress, "host and port of the native protocol; port 0 takes a free one")
	flags.StringVar(&f.adminAddress, "admin-address", f.adminAddress, "host and port of health, metrics and profiles")
	flags.StringVar(&f.httpAddress, "http-address", f.httpAddress, "host and port of the API of AWS, with TLS and without")
	flags.BoolVar(&f.signatures, "signatures", false, "verify signatures on loopback, too")
	flags.StringVar(&f.certificate, "tls-certificate", "", "file of the certificate, PEM; default: a self-signed one in the data directory")
	flags.StringVar(&f.key, "tls-key", "", "file of its key, PEM")
	flags.StringSliceVar(&f.hostNames, "host-names", nil, "names that clients know the server by")
	flags.StringVar(&f.account, "account", f.account, "account number in ARNs, twelve digits")
	flags.BoolVar(&f.awsLimits, "aws-limits", false, "enforce the quotas of AWS")
	flags.Var(&f.statusDelay, "status-delay", "how long streams show CREATING, UPDATING and DELETING")
	flags.BoolVar(&f.insecure, "insecure", false, "serve addresses that are not loopback although nobody is authenticated there, and believe any signature")
	flags.BoolVar(&f.shardMetrics, "shard-metrics", false, "give metrics a label for the shard")
	flags.StringVar(&f.backend, "backend", f.backend, "how segments are read: mmap or pread")
	flags.Var(&f.segmentBytesMin, "segment-bytes-min", "size of a shard's first segment; each next one is four times as large if it fills fast")
	flags.Var(&f.segmentBytesMax, "segment-bytes-max", "size at which segments stop growing")
	flags.Var(&f.segmentAgeMax, "segment-age-max", "age at which a segment is ended")
	flags.Var(&f.scrubRate, "scrub-rate", "bytes a second that are read in the background to find damaged segments; 0 is off")
	flags.Var(&f.compress, "compress", "how closed segments are compressed in the background: none, s2 (fast) or zstd (small)")
	flags.Var(&f.compressAfter, "compress-after", "how long a segment stays uncompressed after the next one was begun")
	flags.Var(&f.compressRate, "compress-rate", "bytes a second that compression handles; it handles every byte three times")
	flags.IntVar(&f.syncsMax, "syncs-max", f.syncsMax, "how many fdatasync calls may run at once")
	flags.Var(&f.shutdownTimeout, "shutdown-timeout", "how long connections may drain")
	flags.StringVar(&f.logFormat, "log-format", f.logFormat, "text or json")
	flags.StringVar(&f.logLevel, "log-level", f.logLevel, "debug, info, warn or error")
	fromEnvironment(flags, "data", "native-address", "admin-address", "http-address", "signatures", "tls-certificate", "tls-key", "host-names",
		"account", "aws-limits", "status-delay", "insecure", "shard-metrics", "backend", "segment-bytes-min",
		"segment-bytes-max", "segment-age-max", "syncs-max", "scrub-rate", "compress", "compress-after", "compress-rate", "shutdown-timeout", "log-format", "log-level")
	addOutput(cmd, &f.format)
	return cmd
}

// endpoints is what serve prints when it is ready.
type endpoints struct {
	HTTP   string `json:"http_address"`
	Native string `json:"native_address"`
	Admin  string `json:"admin_address"`
	Data   string `json:"data"`
}

// announce prints the endpoints.
func (f *serveFlags) announce(a *app) func(context.Context, *server.Server) error {
	return func(_ context.Context, s *server.Server) error {
		at := endpoints{s.HTTPAddress(), s.NativeAddress(), s.AdminAddress(), f.data}
		return render.Print(a.Out, f.format, at, func(bool) render.Tables {
			return render.Tables{{Columns: []string{"HTTP", "NATIVE", "ADMIN", "DATA"}, Rows: [][]string{{at.HTTP, at.Native, at.Admin, at.Data}}}}
		})
	}
}

// config returns the configuration of the server.
func (f *serveFlags) config(a *app) (server.Config, error) {
	logger, err := f.logger(a)
	if err != nil {
		return server.Config{}, err
	}
	config := server.Config{
		DataDirectory: f.data,
		NativeAddress: f.nativeAddress,
		AdminAddress:  f.adminAddress,
		HTTPAddress:   f.httpAddress,
		Signatures:    f.signatures,
		HostNames:     f.hostNames,
		Streams:       streams.Options{Account: f.account, EnforceLimits: f.awsLimits, StatusDelay: time.Duration(f.statusDelay)},
		Insecure:      f.insecure,

		CertificateFile: f.certificate,
		KeyFile:         f.key,
		ShardMetrics:    f.shardMetrics,
		Logger:          logger,
	}
	if config.Streams.StatusDelay == 0 {
		config.Streams.StatusDelay = -1 // none
	}
	switch f.backend {
	case "mmap":
	case "pread":
		config.Store.Backend = wal.BackendPread
	default:
		return server.Config{}, usageErrorf("--backend %s: use mmap or pread", f.backend)
	}
	if f.compressAfter <= 0 || f.compressRate <= 0 {
		return server.Config{}, usageErrorf("--compress-after %s and --compress-rate %s must be more than 0", f.compressAfter.String(), f.compressRate.String())
	}
	config.Store.SegmentBytesMin = int64(f.segmentBytesMin)
	config.Store.SegmentBytesMax = int64(f.segmentBytesMax)
	config.Store.SegmentAgeMax = time.Duration(f.segmentAgeMax)
	config.Store.SyncsMax = f.syncsMax
	config.Store.ScrubBytesPerSecond = int64(f.scrubRate)
	config.Store.Compress = f.compress
	config.Store.CompressAfter = time.Duration(f.compressAfter)
	config.Store.CompressBytesPerSecond = int64(f.compressRate)
	return config, nil
}

// logger returns the log on standard error.
func (f *serveFlags) logger(a *app) (*slog.Logger, error) {
	options := new(slog.HandlerOptions)
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, usageErrorf("--log-level %s: use debug, info, warn or error", f.logLevel)
	}
	options.Level = level
	switch f.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(a.Err, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.Err, options)), nil
	default:
		return nil, usageErrorf("--log-format %s: use text or json", f.logFormat)
	}
}

// serve runs a server until it is told to stop. Being told so is no failure.
func (a *app) serve(f serveFlags, ready func(context.Context, *server.Server) error) (err error) {
	config, err := f.config(a)
	if err != nil {
		return err
	}
	s, err := server.New(config)
	if err != nil {
		return err
	}
	if err := s.Start(a.drain); err != nil {
		if terminal.Interrupted(a.drain) {
			return nil
		}
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(a.stop, time.Duration(f.shutdownTimeout))
		defer cancel()
		if failed := s.Shutdown(ctx); failed != nil {
			err = errors.Join(err, fmt.Errorf("stop: %w", failed))
		}
	}()
	if err := ready(a.drain, s); err != nil {
		return err
	}
	select {
	case <-a.drain.Done():
		return nil
	case err := <-s.Failed():
		return err
	}
}
