package web_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/server/web"
)

// patience bounds every wait of a test; none takes nearly as long.
const patience = 30 * time.Second

// fixture is a server on loopback that answers with the protocol it was asked by.
type fixture struct {
	t         *testing.T
	address   string
	server    *web.Server
	roots     *x509.CertPool
	directory string
	served    chan error
}

func start(t *testing.T, handler http.Handler) *fixture {
	t.Helper()
	f := &fixture{t: t, directory: t.TempDir(), roots: x509.NewCertPool(), served: make(chan error, 1)}
	certificate, err := web.SelfSigned(vfs.OS(), f.directory, time.Now(), "millrace.example", "127.0.0.2", "")
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(f.directory, "certificate.pem"))
	if err != nil || !f.roots.AppendCertsFromPEM(pem) {
		t.Fatalf("certificate.pem: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = listener.Addr().String()
	f.server = web.New(handler, certificate, slog.New(slog.DiscardHandler))
	go func() { f.served <- f.server.Serve(listener) }()
	return f
}

// stop shuts the server down, which must take no longer than its requests.
func (f *fixture) stop() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(f.server.Shutdown(ctx), <-f.served); err != nil {
		f.t.Error(err)
	}
}

// protocol answers with what a request came by.
var protocol = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	secure := "clear"
	if r.TLS != nil {
		secure = "TLS " + r.TLS.NegotiatedProtocol
	}
	body, _ := io.ReadAll(r.Body)
	_, _ = io.WriteString(w, r.Proto+" "+secure+" "+string(body))
})

// TestOnePort: every way of speaking HTTP, on one port and at the same time.
func TestOnePort(t *testing.T) {
	f := start(t, protocol)
	defer f.stop()
	for _, c := range []struct {
		name, scheme, want string
		set                func(*http.Protocols)
	}{
		{"HTTP/1.1", "http", "HTTP/1.1 clear body", func(p *http.Protocols) { p.SetHTTP1(true) }},
		{"prior knowledge", "http", "HTTP/2.0 clear body", func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }},
		{"TLS, HTTP/1.1", "https", "HTTP/1.1 TLS http/1.1 body", func(p *http.Protocols) { p.SetHTTP1(true) }},
		{"TLS, HTTP/2", "https", "HTTP/2.0 TLS h2 body", func(p *http.Protocols) { p.SetHTTP2(true) }},
	} {
		transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{RootCAs: f.roots}}
		if c.name == "TLS, HTTP/1.1" {
			transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
		}
		c.set(transport.Protocols)
		client := &http.Client{Transport: transport, Timeout: patience}
		for range 3 {
			got, err := client.Post(c.scheme+"://"+f.address+"/", "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			text, err := io.ReadAll(got.Body)
			got.Body.Close()
			if err != nil || string(text) != c.want {
				t.Errorf("%s: %q, %v instead of %q", c.name, text, err, c.want)
			}
		}
		transport.CloseIdleConnections()
	}
}

// TestNames: the certificate is good for the names that it was made for.
func TestNames(t *testing.T) {
	f := start(t, protocol)
	defer f.stop()
	for name, good := range map[string]bool{"localhost": true, "api.localhost": true, "127.0.0.1": true, "127.0.0.2": true, "::1": true, "millrace.example": true, "other.example": false, "127.0.0.3": false} {
		c, err := tls.Dial("tcp", f.address, &tls.Config{RootCAs: f.roots, ServerName: name})
		if (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
		if c != nil {
			c.Close()
		}
	}
	if c, err := tls.Dial("tcp", f.address, &tls.Config{RootCAs: f.roots, ServerName: "localhost", MaxVersion: tls.VersionTLS11}); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

// TestSlowFirstByte: who connects and says nothing keeps nobody from being served, and is let go
// when the server stops.
func TestSlowFirstByte(t *testing.T) {
	f := start(t, protocol)
	var silent []net.Conn
	for range 50 {
		c, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, c)
	}
	// One of them speaks at last, a byte at a time.
	const request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for i := range len(request) {
		if _, err := silent[0].Write([]byte{request[i]}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := http.ReadResponse(bufio.NewReader(silent[0]), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(got.Body)
	if string(text) != "HTTP/1.1 clear " {
		t.Errorf("the answer is %q", text)
	}
	// Another goes without a word.
	silent[1].Close()
	f.stop()
	for _, c := range silent[2:] {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a silent connection outlives the server: %d bytes, %v", n, err)
		}
		c.Close()
	}
	silent[0].Close()
}

// TestGarbage: what is neither a handshake nor a request ends the connection and nothing else.
func TestGarbage(t *testing.T) {
	f := start(t, protocol)
	defer f.stop()
	for _, bytes := range [][]byte{{22}, {22, 3, 1, 0, 1, 0}, {0}, {255, 254}, []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnothing like a frame"), []byte("\r\n\r\n"), []byte("SSH-2.0-x\r\n\r\n")} {
		c, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(bytes); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q keeps the connection open", bytes)
		}
		c.Close()
	}
	got, err := http.Get("http://" + f.address)
	if err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

// TestShutdownWaits: requests that are served are finished; with no patience left they are cut.
func TestShutdownWaits(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	f := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		select {
		case <-release:
			_, _ = io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	}))
	answers := make(chan string, 2)
	ask := func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		got, err := client.Get("http://" + f.address)
		if err != nil {
			answers <- "cut"
			return
		}
		defer got.Body.Close()
		text, _ := io.ReadAll(got.Body)
		answers <- string(text)
	}
	go ask()
	<-began
	stopped := make(chan error, 1)
	go func() { stopped <- f.server.Shutdown(context.Background()) }()
	if err := <-f.served; err != nil { // nothing is accepted any more, and the request goes on
		t.Error(err)
	}
	close(release)
	if answer := <-answers; answer != "done" {
		t.Errorf("the request was %s", answer)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestShutdownCuts: when there is no time left, requests are cut.
func TestShutdownCuts(t *testing.T) {
	began := make(chan struct{})
	f := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	}))
	answered := make(chan error, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		got, err := client.Get("http://" + f.address)
		if err == nil {
			got.Body.Close()
		}
		answered <- err
	}()
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown says %v", err)
	}
	if err := <-answered; err == nil {
		t.Error("the request was answered")
	}
	if err := <-f.served; err != nil {
		t.Error(err)
	}
}

// shaky is a listener that fails now and then, as one does that has no files left.
type shaky struct {
	net.Listener
	failures atomic.Int64
}

func (s *shaky) Accept() (net.Conn, error) {
	if s.failures.Add(1) <= 3 {
		return nil, syscall.EMFILE
	}
	return s.Listener.Accept()
}

// TestShakyListener: a listener that cannot accept for a while is asked again; one that was closed
// ends the server, with the reason.
func TestShakyListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	server := web.New(protocol, tls.Certificate{}, nil)
	go func() { served <- server.Serve(&shaky{Listener: listener}) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	got, err := client.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	listener.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve says %v", err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSelfSigned: a certificate is made once, and stays.
func TestSelfSigned(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "tls")
	now := time.Unix(1_700_000_000, 0)
	first, err := web.SelfSigned(vfs.OS(), directory, now)
	if err != nil {
		t.Fatal(err)
	}
	second, err := web.SelfSigned(vfs.OS(), directory, now.Add(time.Hour), "another.example")
	if err != nil || !bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Errorf("another certificate was made: %v", err)
	}
	if leaf := first.Leaf; leaf.NotBefore.After(now) || leaf.NotAfter.Before(now.AddDate(9, 0, 0)) {
		t.Errorf("it is good from %v until %v", leaf.NotBefore, leaf.NotAfter)
	}
	if info, err := os.Stat(filepath.Join(directory, "key.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file has the mode %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(directory)
	if err != nil || len(left) != 2 {
		t.Errorf("the directory has %v, %v", left, err)
	}
	// A crash between key and certificate: both are made again.
	if err := os.Remove(filepath.Join(directory, "certificate.pem")); err != nil {
		t.Fatal(err)
	}
	third, err := web.SelfSigned(vfs.OS(), directory, now)
	if err != nil || bytes.Equal(first.Certificate[0], third.Certificate[0]) {
		t.Errorf("after a crash: %v", err)
	}
	// What is no certificate, or lost its key, is not replaced behind the owner's back.
	if err := os.WriteFile(filepath.Join(directory, "certificate.pem"), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := web.SelfSigned(vfs.OS(), directory, now); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("what is no certificate is %v", err)
	}
	if _, err := web.SelfSigned(vfs.OS(), filepath.Join(directory, "key.pem", "below"), now); !errors.Is(err, failure.Unavailable) {
		t.Errorf("a directory that cannot be is %v", err)
	}
}
