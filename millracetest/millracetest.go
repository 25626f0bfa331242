// Package millracetest runs a Millrace server inside a test, as httptest does
// for HTTP.
//
//	func TestOrders(t *testing.T) {
//		s := millracetest.New(t)
//		c, err := client.New(t.Context(), s.Address)
//		...
//	}
//
// The server listens on free ports of the loopback interface, keeps its data in
// a temporary directory, and is gone when the test ends. Nothing is shared
// between two of them, so tests may run in parallel.
package millracetest

import (
	"context"
	"testing"
	"time"

	"github.com/millrace-io/millrace/server"
)

// Server is a running server.
type Server struct {
	// Address is the host and port of the native protocol.
	Address string
	// AdminAddress is that of health and metrics.
	AdminAddress string
	// HTTPAddress is that of the API of AWS, with TLS and without: a client is pointed to
	// "http://" + HTTPAddress, and any access key is taken.
	HTTPAddress string
	// Directory is where the data is.
	Directory string

	t      testing.TB
	config server.Config
	server *server.Server
}

// drainTimeout bounds how long the end of a test waits for its connections.
const drainTimeout = 10 * time.Second

// New starts a server and shuts it down when the test ends. A change, if any is
// given, is applied to the configuration first. Failures fail the test.
func New(t testing.TB, changes ...func(*server.Config)) *Server {
	t.Helper()
	s := &Server{t: t, Directory: t.TempDir()}
	s.config = server.Config{DataDirectory: s.Directory, NativeAddress: "127.0.0.1:0", AdminAddress: "127.0.0.1:0", HTTPAddress: "127.0.0.1:0"}
	for _, change := range changes {
		change(&s.config)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *Server) start() {
	s.t.Helper()
	running, err := server.New(s.config)
	if err == nil {
		err = running.Start(context.Background())
	}
	if err != nil {
		s.t.Fatalf("millracetest: %v", err)
	}
	s.server = running
	s.Address, s.AdminAddress, s.HTTPAddress = running.NativeAddress(), running.AdminAddress(), running.HTTPAddress()
}

func (s *Server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.t.Errorf("millracetest: %v", err)
	}
}

// Restart stops the server, which ends all connections, and starts it again over
// the same data and under the same addresses: what a deployment does to clients.
func (s *Server) Restart() {
	s.t.Helper()
	s.stop()
	s.config.NativeAddress, s.config.AdminAddress, s.config.HTTPAddress = s.Address, s.AdminAddress, s.HTTPAddress
	s.start()
}
