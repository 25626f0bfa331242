package auth_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/millrace-io/millrace/auth"
	"github.com/millrace-io/millrace/internal/clock"
)

// The access key of AWS's examples, and when and for what they were signed.
const (
	exampleID     = "AKIDEXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	exampleStamp  = "20150830T123600Z"
)

var (
	exampleTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	example     = auth.Credential{AccessKeyID: exampleID, Secret: exampleSecret, Account: "111122223333", Principal: "arn:aws:iam::111122223333:user/a"}
	kinesis     = auth.Rules{Services: []string{"kinesis"}}
)

// stopped is a clock that stands still.
type stopped time.Time

func (s stopped) Now() time.Time                              { return time.Time(s) }
func (s stopped) AfterFunc(time.Duration, func()) clock.Timer { panic("nobody waits here") }

// verifier returns one that knows these credentials, at the time of the examples.
func verifier(t testing.TB, credentials ...auth.Credential) *auth.Verifier {
	t.Helper()
	return verifierAt(t, exampleTime, credentials...)
}

func verifierAt(t testing.TB, now time.Time, credentials ...auth.Credential) *auth.Verifier {
	t.Helper()
	v, err := auth.New(auth.Options{Lookup: lookup(credentials...), Clock: stopped(now)})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func lookup(credentials ...auth.Credential) auth.Lookup {
	return func(id string) (auth.Credential, bool) {
		for _, c := range credentials {
			if c.AccessKeyID == id {
				return c, true
			}
		}
		return auth.Credential{}, false
	}
}

// verify takes both steps.
func verify(v *auth.Verifier, r *http.Request, body []byte, rules auth.Rules) (auth.Identity, error) {
	check, err := v.Begin(r, rules)
	if err != nil {
		return auth.Identity{}, err
	}
	return check.Body(body)
}

// refused fails the test unless the error has the code and the text.
func refused(t testing.TB, err error, code, text string) {
	t.Helper()
	var e *auth.Error
	switch {
	case !errors.As(err, &e):
		t.Errorf("got %v, want %s", err, code)
	case e.Code != code || !strings.Contains(e.Message, text):
		t.Errorf("got %v\nwant %s: ...%s...", e, code, text)
	case e.Status != http.StatusBadRequest:
		t.Errorf("the status of %v is %d", e, e.Status)
	}
}

// parse reads a request as a server does.
func parse(wire []byte) (*http.Request, []byte, error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	return r, body, err
}

// request makes one from header lines as "Name: value".
func request(t testing.TB, method, target, body string, lines ...string) *http.Request {
	t.Helper()
	text := method + " " + target + " HTTP/1.1\r\n" + strings.Join(lines, "\r\n") + "\r\n"
	if body != "" {
		text += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	r, _, err := parse([]byte(text + "\r\n" + body))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return r
}

// putRecord is what an SDK sends, before it is signed.
func putRecord(t testing.TB, extra ...string) *http.Request {
	t.Helper()
	return request(t, "POST", "/", putBody, append([]string{
		"Host: kinesis.us-east-1.amazonaws.com",
		"Content-Type: application/x-amz-json-1.1",
		"X-Amz-Target: Kinesis_20131202.PutRecord",
		"X-Amz-Date: " + exampleStamp,
		"User-Agent: test",
	}, extra...)...)
}

const putBody = `{"StreamName":"orders","Data":"aGVsbG8=","PartitionKey":"k"}`

// twin is a second implementation of the signature, written to be read: it trades every
// speed for regular expressions and joins, and lets tests choose what is signed.
type twin struct {
	credential auth.Credential
	day        string // default: of the stamp
	stamp      string
	region     string
	service    string
	signed     []string // nil: host, content-type and all x-amz-*
	payload    string   // "": the hash of the body
}

func newTwin() twin {
	return twin{credential: example, stamp: exampleStamp, region: "us-east-1", service: "kinesis"}
}

var spaces = regexp.MustCompile(" +")

// canonicalOf returns the whole canonical form.
func canonicalOf(r *http.Request, signed []string, payload string) string {
	target := strings.SplitN(r.RequestURI, "?", 2)[0]
	normal := path.Clean("/" + target)
	if strings.HasSuffix(target, "/") && normal != "/" {
		normal += "/"
	}
	query, _ := url.ParseQuery(r.URL.RawQuery)
	var pairs []string
	for name, values := range query {
		for _, value := range values {
			if name != "X-Amz-Signature" {
				// A space sorts before all that may stand in a name.
				pairs = append(pairs, escape(name)+" "+escape(value))
			}
		}
	}
	sort.Strings(pairs)
	lines := []string{r.Method, strings.ReplaceAll(escape(normal), "%2F", "/"), strings.ReplaceAll(strings.Join(pairs, "&"), " ", "=")}
	for _, name := range signed {
		values := r.Header.Values(name)
		switch name {
		case "host", ":authority":
			values = []string{r.Host}
		case "content-length":
			values = []string{fmt.Sprint(r.ContentLength)}
		}
		var trimmed []string
		for _, value := range values {
			trimmed = append(trimmed, spaces.ReplaceAllString(strings.Trim(value, " \t"), " "))
		}
		lines = append(lines, name+":"+strings.Join(trimmed, ","))
	}
	return strings.Join(append(lines, "", strings.Join(signed, ";"), payload), "\n")
}

func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

func (w twin) scope() string {
	day := w.day
	if day == "" {
		day = w.stamp[:8]
	}
	return strings.Join([]string{day, w.region, w.service, "aws4_request"}, "/")
}

// signature signs a canonical form.
func (w twin) signature(canonical string) string {
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	key := []byte("AWS4" + w.credential.Secret)
	for _, part := range strings.Split(w.scope(), "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+w.stamp+"\n"+w.scope()+"\n"+sum(canonical)))
}

func sum(text string) string {
	hash := sha256.Sum256([]byte(text))
	return hex.EncodeToString(hash[:])
}

// sign signs the request as it is, in its header.
func (w twin) sign(r *http.Request, body string) *http.Request {
	signed, payload := w.parts(r, body)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+w.credential.AccessKeyID+"/"+w.scope()+
		", SignedHeaders="+strings.Join(signed, ";")+", Signature="+w.signature(canonicalOf(r, signed, payload)))
	return r
}

// presign signs it in its query, for so many seconds; change may alter the parameters.
func (w twin) presign(r *http.Request, body, expires string, change func(url.Values)) *http.Request {
	signed, payload := w.parts(r, body)
	query := r.URL.Query()
	query.Set("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
	query.Set("X-Amz-Credential", w.credential.AccessKeyID+"/"+w.scope())
	query.Set("X-Amz-Date", w.stamp)
	query.Set("X-Amz-Expires", expires)
	query.Set("X-Amz-SignedHeaders", strings.Join(signed, ";"))
	if change != nil {
		change(query)
	}
	r.URL.RawQuery = query.Encode()
	query.Set("X-Amz-Signature", w.signature(canonicalOf(r, signed, payload)))
	r.URL.RawQuery = query.Encode()
	r.RequestURI = r.URL.RequestURI()
	return r
}

func (w twin) parts(r *http.Request, body string) (signed []string, payload string) {
	signed, payload = w.signed, w.payload
	if signed == nil {
		signed = []string{"host"}
		for name := range r.Header {
			if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") || name == "content-type" {
				signed = append(signed, name)
			}
		}
		sort.Strings(signed)
	}
	if payload == "" {
		payload = sum(body)
	}
	return signed, payload
}

func sortedHeaders(names []string) string {
	sort.Strings(names)
	return strings.Join(names, ";")
}
