package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 5 * time.Minute
	headerBytes   = 64 << 10
	// pingAfter keeps a connection of HTTP/2 that is silent from being taken for dead.
	pingAfter = time.Minute
	// streamWindow and connectionWindow are how much of request bodies may be on the way: with
	// the default of 64 KiB a body of 5 MiB takes 80 round trips.
	streamWindow     = 4 << 20
	connectionWindow = 16 << 20
	// streamsMax is how many requests of one connection are served at once.
	streamsMax = 1000
)

// Server serves a handler on one listener.
type Server struct {
	http *http.Server
}

// New returns a server. The certificate is for connections that begin with a handshake.
func New(handler http.Handler, certificate tls.Certificate, logger *slog.Logger) *Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	errorLog := log.New(io.Discard, "", 0)
	if logger != nil {
		errorLog = slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
	}
	return &Server{&http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          errorLog,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		},
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streamsMax, MaxReceiveBufferPerConnection: connectionWindow, MaxReceiveBufferPerStream: streamWindow,
			SendPingTimeout: pingAfter,
		},
	}}
}

// Serve serves the connections of a listener, which it closes in the end, until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	both := newSplit(l, s.http.TLSConfig)
	err := s.http.Serve(both)
	if closed := both.Close(); errors.Is(err, http.ErrServerClosed) {
		return closed
	}
	return err
}

// Shutdown accepts no more connections, waits for requests that are being served, and ends what
// is left when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	return err
}
