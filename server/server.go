package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/server/access"
	"github.com/millrace-io/millrace/server/control"
	"github.com/millrace-io/millrace/server/metric"
	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/server/web"
	"github.com/millrace-io/millrace/stream"
)

// Server is one running server. Its methods may be called concurrently.
type Server struct {
	config Config
	health health
	group  sync.WaitGroup // the goroutines of the listeners
	failed chan error     // capacity 1

	// lifecycle is held while starting and while stopping, before mutex, so that
	// a server told to stop while it starts has finished one when it does the other.
	lifecycle sync.Mutex
	state     state // guarded by lifecycle

	mutex          sync.Mutex
	store          *stream.Store    // guarded by mutex; nil until it is open
	native         *native.Server   // guarded by mutex; nil until it serves
	keys           *access.Keys     // guarded by mutex; nil until they are open
	control        *control.Server  // guarded by mutex; nil until it serves, or if it cannot
	api            *streams.API     // guarded by mutex; nil until the store is open
	requests       *metric.Requests // guarded by mutex; nil until it serves
	http           *web.Server      // guarded by mutex; nil until it serves
	httpListener   net.Listener     // guarded by mutex
	nativeListener net.Listener     // guarded by mutex
	adminListener  net.Listener     // guarded by mutex
	admin          *http.Server     // guarded by mutex
}

// state is where a server is in its life.
type state uint8

const (
	stateNew state = iota
	stateStarted
	stateStopped
)

// New checks a configuration. It touches neither files nor the network.
func New(c Config) (*Server, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Server{config: c, failed: make(chan error, 1)}, nil
}

// Start opens the data directory, which may take as long as recovery does, and
// begins to serve. When it fails nothing is left running. ctx bounds the
// starting only.
func (s *Server) Start(ctx context.Context) error {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	if s.state != stateNew {
		return failure.New(failure.Conflict, "server: start", "a server is started once")
	}
	s.state = stateStarted
	for _, step := range []func(context.Context) error{s.startAdmin, s.openStore, s.openKeys, s.startHTTP, s.startNative} {
		err := ctx.Err()
		if err == nil {
			err = step(ctx)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("server: start: %w", err), s.stop(ctx))
		}
	}
	return nil
}

// openStore opens the data directory.
func (s *Server) openStore(context.Context) error {
	began := time.Now()
	s.health.set(componentStore, statusStarting, "opening the data directory")
	store, err := stream.Open(s.config.DataDirectory, s.observed())
	if err != nil {
		s.health.set(componentStore, statusFailed, err.Error())
		return err
	}
	s.mutex.Lock()
	s.store = store
	s.mutex.Unlock()
	s.health.set(componentStore, statusOK, "")
	log := s.config.Logger
	if orphans := store.OrphanLogs(); len(orphans) > 0 {
		log.Warn("logs belong to no stream and are left alone", "logs", orphans)
	}
	log.Info("data directory open", "path", s.config.DataDirectory, "streams", len(store.Stats().Streams), "dur", time.Since(began))
	return nil
}

// startNative begins to serve the native protocol.
func (s *Server) startNative(ctx context.Context) error {
	listener, err := s.listen(ctx, s.config.NativeAddress)
	if err != nil {
		s.health.set(componentNative, statusFailed, err.Error())
		return err
	}
	served, err := native.New(s.Store(), s.config.Native)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	s.mutex.Lock()
	s.native, s.nativeListener = served, listener
	s.mutex.Unlock()
	s.group.Go(func() {
		if err := served.Serve(listener); err != nil {
			s.fail(componentNative, err)
		}
	})
	s.health.set(componentNative, statusOK, "")
	s.config.Logger.Info("serving", "protocol", "native", "address", listener.Addr().String())
	return nil
}

// listenHTTP opens the listener of the API of AWS, on any address. Where whoever connects is
// trusted, open is true.
func (s *Server) listenHTTP(ctx context.Context) (listener net.Listener, open bool, err error) {
	listener, loopback, err := listen(ctx, s.config.HTTPAddress)
	return listener, !s.config.Signatures && (loopback || s.config.Insecure), err
}

// listen opens a listener and reports whether only this machine can reach it.
func listen(ctx context.Context, address string) (listener net.Listener, loopback bool, err error) {
	var configuration net.ListenConfig
	listener, err = configuration.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, false, failure.Wrap(failure.Unavailable, "listen on "+address, err)
	}
	// Asking the listener rather than the text settles names and wildcards. A
	// connection that comes before this is never accepted.
	at, ok := listener.Addr().(*net.TCPAddr)
	return listener, ok && at.IP.IsLoopback(), nil
}

// listen opens a listener, on loopback only unless the configuration waives it.
func (s *Server) listen(ctx context.Context, address string) (net.Listener, error) {
	listener, loopback, err := listen(ctx, address)
	if err != nil {
		return nil, err
	}
	if !s.config.Insecure && !loopback {
		refused := failure.New(failure.InvalidArgument, "listen on "+address,
			"nobody is authenticated, so only loopback addresses are served unless Insecure is set")
		return nil, errors.Join(refused, listener.Close())
	}
	return listener, nil
}

// fail notes that a listener ended by itself.
func (s *Server) fail(part component, err error) {
	s.health.set(part, statusFailed, err.Error())
	s.config.Logger.Error("listener ended", "component", part, "err", err)
	select {
	case s.failed <- err:
	default:
	}
}

// Failed yields an error if a listener ends without being asked to; the server
// should then be shut down.
func (s *Server) Failed() <-chan error { return s.failed }

// Store returns the streams, or nil before they are open.
func (s *Server) Store() *stream.Store {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.store
}

// NativeAddress returns the host and port of the native listener, "" before it
// listens.
func (s *Server) NativeAddress() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return addressOf(s.nativeListener)
}

// HTTPAddress returns the host and port of the API of AWS, "" before it listens.
func (s *Server) HTTPAddress() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return addressOf(s.httpListener)
}

// AdminAddress returns the host and port of the admin listener, "" before it
// listens.
func (s *Server) AdminAddress() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return addressOf(s.adminListener)
}

func addressOf(listener net.Listener) string {
	if listener == nil {
		return ""
	}
	return listener.Addr().String()
}

// Shutdown stops serving: readiness fails, no more connections are accepted and
// no more requests read, what was read is answered, the logs are synced and
// closed. When ctx ends first, connections that are left are cut off; the logs
// are closed properly all the same, and the error says so. It is idempotent.
func (s *Server) Shutdown(ctx context.Context) error {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	return s.stop(ctx)
}

// stop is Shutdown with lifecycle held.
func (s *Server) stop(ctx context.Context) error {
	started := s.state == stateStarted
	s.state = stateStopped
	if !started {
		return nil
	}
	s.mutex.Lock()
	serving, store, admin, api, served, controlled := s.native, s.store, s.admin, s.api, s.http, s.control
	s.mutex.Unlock()
	began := time.Now()
	s.health.stop()
	s.config.Logger.Info("stopping")
	var failed []error
	if controlled != nil {
		failed = append(failed, controlled.Shutdown(ctx))
	}
	if api != nil {
		api.Drain()
	}
	if served != nil {
		failed = append(failed, served.Shutdown(ctx))
	}
	if api != nil {
		failed = append(failed, api.Close())
	}
	if serving != nil {
		failed = append(failed, serving.Shutdown(ctx))
	}
	if store != nil {
		failed = append(failed, store.Close())
	}
	if admin != nil {
		failed = append(failed, closeAdmin(ctx, admin))
	}
	s.group.Wait()
	err := errors.Join(failed...)
	s.config.Logger.Info("stopped", "dur", time.Since(began), "err", err)
	return err
}
