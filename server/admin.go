package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/millrace-io/millrace/server/metric"
	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/stream"
)

const (
	adminHeaderTimeout = 10 * time.Second
	adminIdleTimeout   = 2 * time.Minute
	adminHeaderBytes   = 64 << 10
	// adminGrace is how long Shutdown waits for admin requests, such as the
	// scrape that sees the last numbers, when its context would let it wait longer.
	adminGrace = time.Second
)

// startAdmin begins to serve the admin listener.
func (s *Server) startAdmin(ctx context.Context) error {
	listener, err := s.listen(ctx, s.config.AdminAddress)
	if err != nil {
		return err
	}
	// No write timeout: a profile takes as long as it was asked to.
	admin := &http.Server{
		Handler:           s.adminHandler(),
		ReadHeaderTimeout: adminHeaderTimeout,
		IdleTimeout:       adminIdleTimeout,
		MaxHeaderBytes:    adminHeaderBytes,
	}
	s.mutex.Lock()
	s.admin, s.adminListener = admin, listener
	s.mutex.Unlock()
	s.group.Go(func() {
		if err := admin.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.fail("admin", err)
		}
	})
	s.config.Logger.Info("serving", "protocol", "admin", "address", listener.Addr().String())
	return nil
}

// adminHandler routes the admin listener.
func (s *Server) adminHandler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		metric.NewCollector(metric.Source{Store: s.storeStats, Native: s.nativeStats, HTTP: s.httpRequests}, s.config.ShardMetrics),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", serveLive)
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func (s *Server) storeStats() (stream.Stats, bool) {
	if store := s.Store(); store != nil {
		return store.Stats(), true
	}
	return stream.Stats{}, false
}

func (s *Server) nativeStats() (native.Stats, bool) {
	s.mutex.Lock()
	serving := s.native
	s.mutex.Unlock()
	if serving == nil {
		return native.Stats{}, false
	}
	return serving.Stats(), true
}

func (s *Server) httpRequests() *metric.Requests {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.requests
}

// closeAdmin ends the admin listener, with its connections if they do not end
// soon: a profile may run for minutes, and nobody's data depends on it.
func closeAdmin(ctx context.Context, admin *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, adminGrace)
	defer cancel()
	if err := admin.Shutdown(ctx); err != nil {
		return admin.Close()
	}
	return nil
}
