package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/millrace-io/millrace/internal/vfs"
)

// TestProtocols: every way in which clients of AWS speak, on one port.
func TestProtocols(t *testing.T) {
	certificate, err := SelfSigned(vfs.OS(), t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }), certificate, nil)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	for name, c := range map[string]struct {
		tls    bool
		offers []string // by ALPN
		http2  bool
		want   string
	}{
		"HTTP/1.1 in clear text":                      {false, nil, false, "HTTP/1.1"},
		"HTTP/2 in clear text, prior knowledge":       {false, nil, true, "HTTP/2.0"},
		"HTTP/1.1 over TLS, offered":                  {true, []string{"http/1.1"}, false, "HTTP/1.1"},
		"HTTP/1.1 over TLS, nothing offered":          {true, nil, false, "HTTP/1.1"},
		"HTTP/2 over TLS, offered":                    {true, []string{"h2"}, true, "HTTP/2.0"},
		"HTTP/2 over TLS, prior knowledge, as Java's": {true, nil, true, "HTTP/2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := speak(t, listener.Addr().String(), certificate, c.tls, c.offers, c.http2); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// speak sends one request over a connection that offers these protocols, and speaks HTTP/2 over it or
// HTTP/1.1, whatever was agreed on.
func speak(t *testing.T, address string, certificate tls.Certificate, overTLS bool, offers []string, http2 bool) string {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(certificate.Leaf)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		if !overTLS {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		d := tls.Dialer{Config: &tls.Config{RootCAs: pool, NextProtos: offers, MinVersion: tls.VersionTLS12}}
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return struct{ net.Conn }{c}, nil // the transport is not to see what was agreed on
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{DialContext: dial, Protocols: protocols}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
