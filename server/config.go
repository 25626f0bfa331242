package server

import (
	"log/slog"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/stream"
)

const (
	// NativeAddressDefault is where the native protocol is served.
	NativeAddressDefault = "127.0.0.1:4568"
	// HTTPAddressDefault is where the API of AWS is served.
	HTTPAddressDefault = "127.0.0.1:4567"
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
	// HTTPAddress is that of the API of AWS, over HTTP/1.1 and HTTP/2, with TLS and without.
	// Default: HTTPAddressDefault.
	HTTPAddress string
	// Insecure allows addresses that are not loopback for protocols that authenticate nobody,
	// and lets the API of AWS believe any signature there.
	Insecure bool
	// Signatures has the API of AWS verify signatures on loopback as well. It does so
	// everywhere else unless Insecure is set.
	Signatures bool
	// CertificateFile and KeyFile are the certificate of the API of AWS and its key, in PEM.
	// Default: a self-signed one, made once and kept in the data directory.
	CertificateFile, KeyFile string
	// HostNames are names and addresses that clients know the server by: they are put into a
	// self-signed certificate, and signatures for them are accepted behind a proxy.
	HostNames []string
	// Streams configure the API of AWS.
	Streams streams.Options
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
	if c.HTTPAddress == "" {
		c.HTTPAddress = HTTPAddressDefault
	}
	if (c.CertificateFile == "") != (c.KeyFile == "") {
		return c, failure.New(failure.InvalidArgument, "server: configure", "a certificate and its key go together")
	}
	if c.Streams.Clock == nil {
		c.Streams.Clock = c.Store.Clock
	}
	if c.Streams.StreamShardsMax == 0 {
		c.Streams.StreamShardsMax = c.Store.ShardsPerStreamMax
	}
	if c.Streams.Account == "" {
		c.Streams.Account = streams.AccountDefault
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
