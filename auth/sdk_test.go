package auth_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/millrace-io/millrace/auth"
)

// generator makes requests that SDKs could send.
type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// text returns up to most characters of an alphabet.
func (g generator) text(alphabet string, most int) string {
	runes := []rune(alphabet)
	var text strings.Builder
	for range 1 + g.IntN(most) {
		text.WriteRune(runes[g.IntN(len(runes))])
	}
	return text.String()
}

const (
	letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
	nasty   = "aZ09-._~ +%/?#&=;:,@!$'()*[]<>\"\\^`{}|\u00e9\u1234\U0001f600"
)

func (g generator) request(t *testing.T) (r *http.Request, body []byte) {
	t.Helper()
	u := url.URL{Scheme: "http", Host: g.text(letters, 20) + g.pick("", ":4567", ".example.com"), Path: "/"}
	for range g.IntN(4) {
		// The SDK does not bring paths into normal form, so they are in it.
		u.Path = strings.TrimSuffix(u.Path, "/") + "/" + strings.NewReplacer("/", "-", ".", "-").Replace(g.text(nasty, 8))
	}
	query := url.Values{}
	for range g.IntN(4) {
		query.Add(g.text(nasty, 3), g.text(nasty, 6))
	}
	u.RawQuery = query.Encode()
	if g.IntN(3) > 0 {
		body = make([]byte, g.IntN(2000))
		for i := range body {
			body[i] = byte(g.Uint32())
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), g.pick("POST", "POST", "GET", "PUT", "DELETE"), u.String(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "Kinesis_20131202."+g.text(letters, 10))
	r.Header.Set("Content-Type", g.pick("application/x-amz-json-1.1", "application/x-amz-cbor-1.1"))
	r.Header.Set("User-Agent", g.text(nasty[:20], 20))
	for range g.IntN(4) {
		r.Header.Add(g.pick("My-Header", "Amz-Sdk-Request", "X-Other"), g.text("ab ,;=\"", 12)+"x")
	}
	if g.IntN(2) == 0 {
		r.Header.Set("X-Amz-Meta-"+g.text("abc", 3), g.text("ab  c", 12)+"x")
	}
	return r, body
}

// send writes the request and reads it as the other side does.
func send(t *testing.T, r *http.Request) (*http.Request, []byte) {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, body, err := parse(wire.Bytes())
	if err != nil {
		t.Fatalf("%v\n%q", err, wire.Bytes())
	}
	return got, body
}

func rounds(many int) int {
	if testing.Short() {
		return many / 10
	}
	return many
}

// What the SDK signs is verified after it went over the wire, in its header and in its
// query, and so is what we sign ourselves.
func TestSignedBySDK(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(1, 2))}
	for i := range rounds(10_000) {
		credential := auth.Credential{AccessKeyID: "AKIA" + strings.ToUpper(g.text(letters, 16)), Secret: g.text(nasty, 40), Account: "1"}
		if g.IntN(3) == 0 {
			credential.SessionToken = g.text(letters+"/+=", 200)
		}
		service, region := g.text(letters, 12), g.text(letters, 16)
		at := time.Unix(g.Int64N(4_000_000_000), g.Int64N(1e9))
		r, body := g.request(t)
		rules := auth.Rules{Services: []string{"sts", service}, Presigned: true}
		switch i % 3 {
		case 0:
			r = presignBySDK(t, r, body, credential, service, region, at)
		case 1:
			signBySDK(t, r, body, credential, service, region, at)
			if g.IntN(3) == 0 {
				r.Header.Set("X-Amz-Content-Sha256", sum(string(body))) // need not be signed
			}
		default:
			auth.Sign(r, body, credential, region, service, at)
		}
		sent, received := send(t, r)
		got, err := verify(verifierAt(t, at, credential), sent, received, rules)
		if err != nil || got.AccessKeyID != credential.AccessKeyID || got.Region != region || got.Service != service || !got.BodySigned {
			t.Fatalf("round %d: %s %q: got %+v, %v\n%v", i, r.Method, r.URL, got, err, r.Header)
		}
		changed := credential
		changed.Secret += "x"
		if _, err := verify(verifierAt(t, at, changed), sent, received, rules); err == nil {
			t.Fatalf("round %d: verified with another secret", i)
		}
	}
}

func signBySDK(t *testing.T, r *http.Request, body []byte, credential auth.Credential, service, region string, at time.Time) {
	t.Helper()
	if err := v4.NewSigner().SignHTTP(t.Context(), sdkKeys(credential), r, sum(string(body)), service, region, at); err != nil {
		t.Fatal(err)
	}
}

func presignBySDK(t *testing.T, r *http.Request, body []byte, credential auth.Credential, service, region string, at time.Time) *http.Request {
	t.Helper()
	query := r.URL.Query()
	query.Set("X-Amz-Expires", "60")
	r.URL.RawQuery = query.Encode()
	target, header, err := v4.NewSigner().PresignHTTP(t.Context(), sdkKeys(credential), r, sum(string(body)), service, region, at)
	if err != nil {
		t.Fatal(err)
	}
	presigned, err := http.NewRequestWithContext(t.Context(), r.Method, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	header.Del("Host")
	presigned.Header = header
	return presigned
}

func sdkKeys(c auth.Credential) aws.Credentials {
	return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.Secret, SessionToken: c.SessionToken}
}

// Our signature is the SDK's, where both sign the same headers.
func TestSignAsSDK(t *testing.T) {
	body := []byte(putBody)
	ours, theirs := putRecord(t), putRecord(t)
	for _, r := range []*http.Request{ours, theirs} {
		r.Header.Del("Content-Length")
		r.ContentLength = -1 // or the SDK signs it
	}
	credential := example
	credential.SessionToken = "token"
	auth.Sign(ours, body, credential, "eu-west-1", "kinesis", exampleTime)
	signBySDK(t, theirs, body, credential, "kinesis", "eu-west-1", exampleTime)
	if got, want := fmt.Sprint(ours.Header), fmt.Sprint(theirs.Header); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSignUnsignedPayload(t *testing.T) {
	r := putRecord(t, "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD")
	auth.Sign(r, []byte(putBody), example, "us-east-1", "kinesis", exampleTime)
	rules := kinesis
	rules.UnsignedBody = true
	if got, err := verify(verifier(t, example), r, []byte("anything"), rules); err != nil || got.BodySigned {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNewAccessKey(t *testing.T) {
	id, secret, err := auth.NewAccessKey(bytes.NewReader(bytes.Repeat([]byte{0xa5}, 40)))
	if err != nil || id != "AKIAUWS2LJNFUWS2LJNF" || secret != strings.Repeat("paWl", 10) {
		t.Errorf("got %q, %q, %v", id, secret, err)
	}
	if _, _, err := auth.NewAccessKey(bytes.NewReader(make([]byte, 39))); err == nil {
		t.Error("a key was made of too little randomness")
	}
	credential := auth.Credential{AccessKeyID: id, Secret: secret}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, credential) + fmt.Sprintf(format, []auth.Credential{credential}); strings.Contains(text, secret) || !strings.Contains(text, id) {
			t.Errorf("%s shows %s", format, text)
		}
	}
}
