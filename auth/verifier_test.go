package auth_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace-io/millrace/auth"
	"github.com/millrace-io/millrace/failure"
)

func TestOptions(t *testing.T) {
	for name, options := range map[string]auth.Options{
		"no lookup":          {},
		"a second of skew":   {Lookup: lookup(), Skew: time.Second},
		"an hour of skew":    {Lookup: lookup(), Skew: time.Hour},
		"odd skew":           {Lookup: lookup(), Skew: 90 * time.Second},
		"negative skew":      {Lookup: lookup(), Skew: -time.Minute},
		"many hosts":         {Lookup: lookup(), Hosts: make([]string, 17)},
		"unsigned, verified": {Lookup: lookup(), Unsigned: &auth.Identity{}},
	} {
		if _, err := auth.New(options); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is no signature is named as AWS names it.
func TestAuthorizationHeader(t *testing.T) {
	const (
		noCredential = "Authorization header requires 'Credential' parameter. "
		noSignature  = "Authorization header requires 'Signature' parameter. "
		noHeaders    = "Authorization header requires 'SignedHeaders' parameter. "
		noDate       = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
	)
	good := newTwin().sign(putRecord(t), putBody).Header.Get("Authorization")
	hash := func(text string) string {
		return "(Hashed with SHA-256 and encoded with Base64) Authorization=" + base64Sum(text)
	}
	change := func(old, with string) string { return strings.Replace(good, old, with, 1) }
	for _, c := range []struct{ header, code, want string }{
		{good, "", ""},
		{strings.ReplaceAll(good, ", ", ","), "", ""},
		{strings.ReplaceAll(good, ", ", " ,  "), "", ""},
		{good + ",", "", ""},
		{"", auth.MissingAuthenticationToken, "Missing Authentication Token"},
		{"Bearer secret", auth.IncompleteSignature, noCredential + noSignature + noHeaders + hash("Bearer secret")},
		{"AWS id:secret", auth.IncompleteSignature, noCredential + noSignature + noHeaders + hash("AWS id:secret")},
		{"AWS4-HMAC-SHA256", auth.IncompleteSignature, noCredential + noSignature + noHeaders + hash("AWS4-HMAC-SHA256")},
		{"AWS4-HMAC-SHA256 Credential=a", auth.IncompleteSignature, noSignature + noHeaders + hash("AWS4-HMAC-SHA256 Credential=a")},
		{"AWS4-HMAC-SHA512 Credential=a", auth.IncompleteSignature, "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA512'."},
		{"Credential=a", auth.IncompleteSignature, "must begin with the algorithm name"},
		{"AWS4-HMAC-SHA256 secret", auth.IncompleteSignature, "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '" + base64Sum("secret") + "'."},
		{change("Signature=", "Extra=1, Signature="), auth.IncompleteSignature, "Unknown parameter in Authorization header: 'Extra'."},
		{good + ", Signature=0", auth.IncompleteSignature, "two 'Signature' parameters"},
		{good + strings.Repeat(" ", 9000), auth.IncompleteSignature, "longer than 8192 bytes"},
		{change("/kinesis/aws4_request", ""), auth.IncompleteSignature, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIDEXAMPLE/20150830/us-east-1'"},
		{change(exampleID, ""), auth.IncompleteSignature, "exactly 5 slash-delimited elements"},
		{change(exampleID, strings.Repeat("A", 129)), auth.IncompleteSignature, "exactly 5 slash-delimited elements"},
		{change("us-east-1", "US"), auth.InvalidSignature, "Credential should be scoped to a valid region, not 'US'."},
		{change("us-east-1", "\x01\xff\u200b"+strings.Repeat("a", 200)), auth.InvalidSignature, "not '???" + strings.Repeat("a", 123) + "...'."},
		{change("us-east-1", ""), auth.InvalidSignature, "Credential should be scoped to a valid region, not ''."},
		{change("/kinesis", "/a:b"), auth.InvalidSignature, "Credential should be scoped to a valid service, not 'a:b'."},
		{change("/kinesis", "/s3"), auth.InvalidSignature, "Credential should be scoped to correct service: 'kinesis'."},
		{
			change("20150830/us-east-1/kinesis/aws4_request", "20150831/us-east-1/s3/aws5_request"), auth.InvalidSignature,
			"Credential should be scoped to correct service: 'kinesis'. Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'. " +
				"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150831' != '20150830', from '20150830T123600Z'.",
		},
		{change("us-east-1", "us-east-2"), auth.InvalidSignature, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
		{change("Signature=", "Signature=0"), auth.InvalidSignature, "does not match"},
		{change("Signature=", "Signature=zz"), auth.InvalidSignature, "does not match"},
		{change(exampleID, "AKIDNOBODY"), auth.UnrecognizedClient, "The security token included in the request is invalid."},
	} {
		r := putRecord(t)
		r.Header.Set("Authorization", c.header)
		_, err := verify(verifier(t, example), r, []byte(putBody), kinesis)
		if c.code == "" {
			if err != nil {
				t.Errorf("%q: %v", c.header, err)
			}
			continue
		}
		refused(t, err, c.code, c.want)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%v shows what was sent", err)
		}
	}

	r := newTwin().sign(putRecord(t), putBody)
	r.Header.Del("X-Amz-Date")
	_, err := verify(verifier(t, example), r, []byte(putBody), kinesis)
	refused(t, err, auth.IncompleteSignature, noDate+hash(good))
	r = newTwin().sign(putRecord(t), putBody)
	r.Header.Add("Authorization", good)
	_, err = verify(verifier(t, example), r, []byte(putBody), kinesis)
	refused(t, err, auth.IncompleteSignature, "'Authorization' must be there once")
	r = newTwin().sign(putRecord(t), putBody)
	r.URL.RawQuery = "%zz"
	_, err = verify(verifier(t, example), r, []byte(putBody), kinesis)
	refused(t, err, auth.InvalidSignature, "query string cannot be decoded")
	_, err = verify(verifier(t, example), newTwin().sign(putRecord(t), putBody), []byte(putBody), auth.Rules{})
	refused(t, err, auth.InvalidSignature, "scoped to correct service")
}

func base64Sum(text string) string {
	var raw []byte
	if _, err := fmt.Sscanf(sum(text), "%x", &raw); err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// Keys that do not exist, are disabled, have no secret or another token look alike, and
// like a wrong signature they are found out with the body.
func TestCredentials(t *testing.T) {
	disabled, empty := example, example
	disabled.Disabled = true
	empty.Secret = ""
	for name, v := range map[string]*auth.Verifier{
		"unknown": verifier(t), "disabled": verifier(t, disabled), "no secret": verifier(t, empty),
	} {
		w := newTwin()
		if name == "no secret" {
			w.credential = empty
		}
		check, err := v.Begin(w.sign(putRecord(t), putBody), kinesis)
		if err != nil {
			t.Errorf("%s: refused before the body: %v", name, err)
			continue
		}
		_, err = check.Body([]byte(putBody))
		refused(t, err, auth.UnrecognizedClient, "The security token included in the request is invalid.")
	}
	w := newTwin()
	w.credential = temporary
	_, err := verify(verifier(t, temporary), w.sign(putRecord(t), putBody), []byte(putBody), kinesis)
	refused(t, err, auth.UnrecognizedClient, "security token")
}

// A key that gets another secret is good with that, and no longer with the first; one
// that is disabled is refused at once. The cache of signing keys does not know better.
func TestCredentialsChange(t *testing.T) {
	current := example
	v, err := auth.New(auth.Options{Lookup: func(id string) (auth.Credential, bool) { return current, true }, Clock: stopped(exampleTime)})
	if err != nil {
		t.Fatal(err)
	}
	second := newTwin()
	second.credential.Secret = "second"
	send := func(w twin) error {
		_, err := verify(v, w.sign(putRecord(t), putBody), []byte(putBody), kinesis)
		return err
	}
	for range 2 {
		if err := send(newTwin()); err != nil {
			t.Error(err)
		}
	}
	current.Secret = "second"
	refused(t, send(newTwin()), auth.InvalidSignature, "does not match")
	if err := send(second); err != nil {
		t.Error(err)
	}
	current.Disabled = true
	refused(t, send(second), auth.UnrecognizedClient, "security token")
}

// An unknown key, a wrong signature and a wrong last digit take the same work, measured
// in allocations, whether a signing key is cached or not.
func TestEqualWork(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	v := verifier(t, example)
	work := func(change func(header string) string) float64 {
		r := newTwin().sign(putRecord(t), putBody)
		r.Header.Set("Authorization", change(r.Header.Get("Authorization")))
		return testing.AllocsPerRun(20, func() {
			if _, err := verify(v, r, []byte(putBody), kinesis); err == nil {
				t.Error("accepted")
			}
		})
	}
	unknown := func(h string) string { return strings.Replace(h, exampleID, "AKIDEXAMPLF", 1) }
	wrong := func(h string) string { return h[:len(h)-64] + strings.Repeat("0", 64) }
	last := func(h string) string { return h[:len(h)-1] + string("10"[h[len(h)-1]&1]) }
	want := work(wrong)
	if got := work(unknown); got != want {
		t.Errorf("an unknown key takes %v allocations, a wrong signature %v", got, want)
	}
	if got := work(last); got != want {
		t.Errorf("a wrong last digit takes %v allocations, a wrong signature %v", got, want)
	}
	if _, err := verify(v, newTwin().sign(putRecord(t), putBody), []byte(putBody), kinesis); err != nil {
		t.Fatal(err)
	}
	if got := work(wrong); got != want {
		t.Errorf("with a cached key a wrong signature takes %v allocations, before %v", got, want)
	}
}

// Many regions and days do not grow the cache beyond its bound, and all verify, also at
// once.
func TestManyScopes(t *testing.T) {
	v := verifier(t, example)
	var group sync.WaitGroup
	for part := range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range rounds(2000) {
				r := putRecord(t)
				auth.Sign(r, []byte(putBody), example, fmt.Sprintf("region-%d-%d", part, i), "kinesis", exampleTime)
				if _, err := verify(v, r, []byte(putBody), kinesis); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	group.Wait()
	if got := auth.CachedKeys(v); got == 0 || got > auth.CachedKeysMax {
		t.Errorf("%d keys are cached", got)
	}
}

// A server on loopback believes what it is told.
func TestAcceptAny(t *testing.T) {
	v, err := auth.New(auth.Options{AcceptAny: true})
	if err != nil {
		t.Fatal(err)
	}
	send := func(v *auth.Verifier, header string) (auth.Identity, error) {
		r := request(t, "POST", "/", "x", "Host: a", "X-Amz-Target: b")
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		return verify(v, r, []byte("y"), auth.Rules{})
	}
	for key, account := range map[string]string{"test": "000000000000", "123456789012": "123456789012", "12345678901x": "000000000000", "1234567890123": "000000000000"} {
		want := auth.Identity{AccessKeyID: key, Account: account, Principal: "arn:aws:iam::" + account + ":root", Region: "eu-west-1", Service: "kinesis"}
		got, err := send(v, "AWS4-HMAC-SHA256 Credential="+key+"/x/eu-west-1/kinesis/aws4_request")
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v", key, got, err)
		}
	}
	_, err = send(v, "")
	refused(t, err, auth.MissingAuthenticationToken, "Missing Authentication Token")
	_, err = send(v, "Bearer x")
	refused(t, err, auth.IncompleteSignature, "requires 'Credential'")
	_, err = send(v, "AWS4-HMAC-SHA256 Credential=x/x/no region/kinesis/aws4_request")
	refused(t, err, auth.InvalidSignature, "valid region")

	r := request(t, "GET", "/?X-Amz-Credential=test%2Fx%2Fus-east-1%2Fkinesis%2Faws4_request", "", "Host: a")
	if got, err := verify(v, r, nil, auth.Rules{}); err != nil || !got.Presigned || got.Region != "us-east-1" {
		t.Errorf("got %+v, %v", got, err)
	}
	r = request(t, "GET", "/?X-Amz-Credential=te%0Ast%2Fx%2Fus-east-1%2Fkinesis%2Faws4_request", "", "Host: a")
	_, err = verify(v, r, nil, auth.Rules{})
	refused(t, err, auth.IncompleteSignature, "exactly 5")

	nobody := auth.Identity{Account: "000000000000", Region: "us-east-1"}
	open, err := auth.New(auth.Options{AcceptAny: true, Unsigned: &nobody})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := send(open, ""); err != nil || got != nobody {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = send(open, "Bearer x")
	refused(t, err, auth.IncompleteSignature, "requires 'Credential'")
}

// Begin does not touch the body.
func TestBeginLeavesTheBody(t *testing.T) {
	r := newTwin().sign(putRecord(t), putBody)
	r.Body = untouchable{}
	if _, err := verify(verifier(t, example), r, []byte(putBody), kinesis); err != nil {
		t.Error(err)
	}
}

type untouchable struct{}

func (untouchable) Read([]byte) (int, error) { panic("the body is read") }
func (untouchable) Close() error             { panic("the body is closed") }
