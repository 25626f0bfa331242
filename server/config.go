package server

import (
	"log/slog"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/stream"
)

const (
	// NativeAddressDefault is where the native protocol is served.
	NativeAddressDefault = "127.0.0.1:4568"
	// AdminAddressDefault is where health, metrics and profiles are served.
	AdminAddressDefault = "127.0.0.1:4569"
)

// Config configures a server.
type Config struct {
	// DataDirectory holds the streams. It is created if need be. Required.
	DataDirectory string
	// NativeAddress is the host and port of the native protocol. Port 0 takes a
	// free one: see Server.NativeAddress. Default: NativeAddressDefault.
	NativeAddress string
	// AdminAddress is that of the admin listener. Default: AdminAddressDefault.
	AdminAddress string
	// Insecure allows addresses that are not loopback, although nobody is
	// authenticated.
	Insecure bool
	// Store configures the streams. Its listeners are called as well as the log
	// is written.
	Store stream.Options
	// Native configures the native listener. Its logger is that of the server.
	Native native.Options
	// ShardMetrics gives metrics a label for the shard.
	ShardMetrics bool
	// Logger gets one line per change of state. Default: none.
	Logger *slog.Logger
}

// withDefaults fills the zero fields and rejects what cannot work.
func (c Config) withDefaults() (Config, error) {
	if c.DataDirectory == "" {
		return c, failure.New(failure.InvalidArgument, "server: configure", "the data directory is missing")
	}
	if c.NativeAddress == "" {
		c.NativeAddress = NativeAddressDefault
	}
	if c.AdminAddress == "" {
		c.AdminAddress = AdminAddressDefault
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Native.Logger = c.Logger
	return c, nil
}
