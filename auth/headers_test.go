package auth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/auth"
)

// Each header that a server acts upon is refused when it was there and not signed, when
// it was added or changed later, and when it was taken away.
func TestUnsignedHeaders(t *testing.T) {
	v := verifier(t, example, temporary)
	w := newTwin()
	w.credential = temporary
	all := []string{"content-encoding", "content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target", "x-amz-whatever"}
	build := func(without string) *http.Request {
		r := putRecord(t, "X-Amz-Security-Token: token", "Content-Encoding: identity", "X-Amz-Whatever: a")
		if without != "host" {
			r.Header.Del(without)
		}
		return r
	}
	w.signed = all
	if _, err := verify(v, w.sign(build(""), putBody), []byte(putBody), kinesis); err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		t.Run(name, func(t *testing.T) {
			w := w
			w.signed = slices.DeleteFunc(slices.Clone(all), func(other string) bool { return other == name })
			_, err := verify(v, w.sign(build(""), putBody), []byte(putBody), kinesis)
			refused(t, err, auth.InvalidSignature, "must be a 'SignedHeader' in the AWS Authorization.")

			if name == "host" {
				r := newTwin().sign(putRecord(t), putBody)
				r.Host = "another"
				_, err := verify(v, r, []byte(putBody), kinesis)
				refused(t, err, auth.InvalidSignature, "does not match")
				return
			}
			if name != "x-amz-date" { // without it there is no date at all
				late := w.sign(build(name), putBody)
				late.Header.Set(name, "token")
				_, err = verify(v, late, []byte(putBody), kinesis)
				refused(t, err, auth.InvalidSignature, "'"+name+"' must be a 'SignedHeader'")
			}
			w.signed = all
			twice := w.sign(build(""), putBody)
			twice.Header.Add(name, "b")
			_, err = verify(v, twice, []byte(putBody), kinesis)
			refused(t, err, auth.InvalidSignature, "'"+name+"' must be there once")

			changed := w.sign(build(""), putBody)
			changed.Header.Set(name, changed.Header.Get(name)+"1")
			if _, err := verify(v, changed, []byte(putBody), kinesis); err == nil {
				t.Error("accepted with another value")
			}
			gone := w.sign(build(""), putBody)
			gone.Header.Del(name)
			if _, err := verify(v, gone, []byte(putBody), kinesis); err == nil {
				t.Error("accepted without it")
			}
		})
	}
}

// What signers leave out, because it changes on the way, need not be signed.
func TestHeadersThatMayBeAdded(t *testing.T) {
	r := newTwin().sign(putRecord(t), putBody)
	for _, name := range []string{"User-Agent", "Expect", "X-Amzn-Trace-Id", "X-Forwarded-For", "Via", "Amz-Sdk-Request", "Accept-Encoding"} {
		r.Header.Add(name, "added")
	}
	if _, err := verify(verifier(t, example), r, []byte(putBody), kinesis); err != nil {
		t.Error(err)
	}
}

// Signed headers are a sorted list of different names in lower case.
func TestSignedHeadersForm(t *testing.T) {
	for text, want := range map[string]string{
		"X-Amz-Date;host":                 "sorted names in lower case",
		"x-amz-date;host":                 "sorted names",
		"host;host":                       "sorted names",
		"host;;x-amz-date":                "sorted names",
		";host":                           "sorted names",
		"host,x-amz-date":                 "Invalid key=value pair",
		strings.Repeat("a;", 200) + "z":   "more than 128 names",
		"content-type;host;x-amz-target":  "'x-amz-date' must be a 'SignedHeader'",
		"content-type;host;nowhere;x-amz": "must be a 'SignedHeader'",
		"content-type;host;nowhere;x-amz-date;x-amz-target": "does not match",
	} {
		r := newTwin().sign(putRecord(t), putBody)
		header := r.Header.Get("Authorization")
		r.Header.Set("Authorization", strings.Replace(header, "content-type;host;x-amz-date;x-amz-target", text, 1))
		_, err := verify(verifier(t, example), r, []byte(putBody), kinesis)
		code := auth.InvalidSignature
		if strings.HasPrefix(want, "Invalid key") {
			code = auth.IncompleteSignature
		}
		refused(t, err, code, want)
	}
}

// A length that net/http knows but does not keep as a header counts as one.
func TestContentLengthSigned(t *testing.T) {
	w := newTwin()
	w.signed = []string{"content-length", "content-type", "host", "x-amz-date", "x-amz-target"}
	r := w.sign(putRecord(t), putBody)
	r.Header.Del("Content-Length")
	if _, err := verify(verifier(t, example), r, []byte(putBody), kinesis); err != nil {
		t.Error(err)
	}
	r.ContentLength = -1
	_, err := verify(verifier(t, example), r, []byte(putBody), kinesis)
	refused(t, err, auth.InvalidSignature, "does not match")
}

// HTTP/2 has the host in :authority, and the SDK for JavaScript signs that name.
func TestAuthoritySigned(t *testing.T) {
	w := newTwin()
	w.signed = []string{":authority", "content-type", "x-amz-date", "x-amz-target"}
	r := w.sign(putRecord(t), putBody)
	if _, err := verify(verifier(t, example), r, []byte(putBody), kinesis); err != nil {
		t.Error(err)
	}
	r.Host = "elsewhere.example.com"
	_, err := verify(verifier(t, example), r, []byte(putBody), kinesis)
	refused(t, err, auth.InvalidSignature, "does not match")
}

// Behind a proxy the host that the client signed is one of those configured.
func TestHosts(t *testing.T) {
	v, err := auth.New(auth.Options{Lookup: lookup(example), Clock: stopped(exampleTime), Hosts: []string{"a.example.com", "b.example.com:4567"}})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"inside:4567": true, "a.example.com": true, "b.example.com:4567": true, "b.example.com": false, "c.example.com": false, "": false,
	} {
		r := putRecord(t)
		r.Host = host
		newTwin().sign(r, putBody)
		r.Host = "inside:4567" // what the proxy makes of it
		r.Header.Set("X-Forwarded-Host", host)
		_, err := verify(v, r, []byte(putBody), kinesis)
		if (err == nil) != want {
			t.Errorf("%q: %v", host, err)
		}
	}
}
