package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace-io/millrace/auth"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/kinesis/companion"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/server/metric"
	"github.com/millrace-io/millrace/server/web"
)

// certificateFolder is where a certificate of the server's own is kept, in the data directory.
const certificateFolder = "tls"

// startHTTP begins to serve the API of AWS.
func (s *Server) startHTTP(ctx context.Context) error {
	certificate, err := s.certificate()
	if err != nil {
		return err
	}
	api, err := streams.New(s.Store(), s.config.Streams)
	if err != nil {
		return err
	}
	s.mutex.Lock()
	s.api = api
	s.mutex.Unlock()
	listener, open, err := s.listenHTTP(ctx)
	if err != nil {
		s.health.set(componentHTTP, statusFailed, err.Error())
		return err
	}
	front, requests, err := s.front(api, open)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	served := web.New(front, certificate, s.config.Logger)
	s.mutex.Lock()
	s.http, s.httpListener, s.requests = served, listener, requests
	s.mutex.Unlock()
	s.group.Go(func() {
		if err := served.Serve(listener); err != nil {
			s.fail(componentHTTP, err)
		}
	})
	s.health.set(componentHTTP, statusOK, "")
	s.config.Logger.Info("serving", "protocol", "http", "address", listener.Addr().String(), "signatures", !open)
	return nil
}

// certificate returns the configured certificate, or one of the server's own.
func (s *Server) certificate() (tls.Certificate, error) {
	if s.config.CertificateFile == "" {
		fsys := s.config.Store.FS
		if fsys == nil {
			fsys = vfs.OS()
		}
		return web.SelfSigned(fsys, filepath.Join(s.config.DataDirectory, certificateFolder), time.Now(), s.config.HostNames...)
	}
	loaded, err := tls.LoadX509KeyPair(s.config.CertificateFile, s.config.KeyFile)
	if err != nil {
		return loaded, failure.Wrap(failure.InvalidArgument, "server: certificate", err)
	}
	return loaded, nil
}

// front returns the handler of requests, and what counts them. open says that whoever connects is
// trusted.
func (s *Server) front(api *streams.API, open bool) (http.Handler, *metric.Requests, error) {
	verifier, err := auth.New(auth.Options{Lookup: s.Keys().Lookup, Clock: s.config.Store.Clock, Hosts: s.config.HostNames, AcceptAny: open})
	if err != nil {
		return nil, nil, err
	}
	var requests *metric.Requests // made once all operations are known, which is before the first request
	observe := func(o kinesis.Observation) { s.observe(requests, o) }
	options := kinesis.Options{Authenticate: authenticator{verifier}, Observe: observe}
	if open {
		options.Origin = s.isOwnOrigin
	}
	front, err := kinesis.NewFront(options, api.Service())
	if err != nil {
		return nil, nil, err
	}
	companion.Register(front)
	requests = metric.NewRequests(front.Operations()...)
	return front, requests, nil
}

// isOwnOrigin reports whether a page comes from this machine or from a name of the server. Where
// any key is believed no other page may call: its reader's browser can reach a loopback address,
// and so could whoever wrote the page, even where a name of theirs leads to that address.
func (s *Server) isOwnOrigin(origin string) bool {
	at, err := url.Parse(origin)
	if err != nil {
		return false
	}
	host := at.Hostname()
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(s.config.HostNames, host) {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// observe counts a request, and logs what should not have happened, and every request for whoever
// looks for the reason of something.
func (s *Server) observe(requests *metric.Requests, o kinesis.Observation) {
	requests.Count(metric.Request{Operation: o.Operation, Status: o.Status, Took: o.Took, RequestBytes: o.RequestBytes, AnswerBytes: o.AnswerBytes})
	if s.config.Logger.Enabled(context.Background(), slog.LevelDebug) {
		s.config.Logger.Debug("request", "service", o.Service, "operation", o.Operation, "status", o.Status, "code", o.Code,
			"dur", o.Took, "bytes", o.RequestBytes, "request", o.RequestID)
	}
	if o.Status >= http.StatusInternalServerError {
		s.config.Logger.Error("request failed", "operation", o.Operation, "request", o.RequestID, "code", o.Code, "err", o.Err)
	}
}

// authenticator has package auth verify the front's requests.
type authenticator struct{ verifier *auth.Verifier }

func (a authenticator) Begin(r *http.Request, services []string) (kinesis.Signed, error) {
	check, err := a.verifier.Begin(r, auth.Rules{Services: services, Presigned: true})
	if err != nil {
		return nil, refused(err)
	}
	return signed{check}, nil
}

// signed is a request whose headers were verified.
type signed struct{ check *auth.Check }

func (s signed) Finish(body []byte) (kinesis.Identity, error) {
	who, err := s.check.Body(body)
	if err != nil {
		return kinesis.Identity{}, refused(err)
	}
	return kinesis.Identity{Account: who.Account, Region: who.Region, Principal: who.Principal, AccessKey: who.AccessKeyID}, nil
}

// refused shows an error of package auth to the client.
func refused(err error) error {
	var shown *auth.Error
	if errors.As(err, &shown) {
		return &kinesis.Error{Code: shown.Code, Message: shown.Message, Status: shown.Status, Err: err}
	}
	return err
}
