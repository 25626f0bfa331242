package server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace-io/millrace/server"
	"github.com/millrace-io/millrace/server/control"
)

// verifying starts a server that verifies signatures, and makes a key in it.
func verifying(t *testing.T) (s *server.Server, dir string, key aws.Credentials) {
	t.Helper()
	c := config(t)
	c.Signatures = true
	s = start(t, c)
	return s, c.DataDirectory, newKey(t, s)
}

func newKey(t *testing.T, s *server.Server) aws.Credentials {
	t.Helper()
	key, secret, err := s.Keys().Create("ada")
	if err != nil {
		t.Fatal(err)
	}
	return aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: secret}
}

// late signs with a clock that is wrong.
type late struct {
	*v4.Signer
	by time.Duration
}

func (l late) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, at time.Time, o ...func(*v4.SignerOptions)) error {
	return l.Signer.SignHTTP(ctx, c, r, hash, service, region, at.Add(l.by), o...)
}

// outcome is the code and the status with which a request ended: "" and 0 for success.
type outcome struct {
	code   string
	status int
}

func outcomeOf(err error) outcome {
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	switch {
	case err == nil:
		return outcome{}
	case errors.As(err, &api) && errors.As(err, &response):
		return outcome{api.ErrorCode(), response.HTTPStatusCode()}
	}
	return outcome{code: err.Error()}
}

// The three ways to ask who signs: the SDK's JSON, its query protocol, and CBOR by hand. None tries
// twice.
var callers = map[string]func(t *testing.T, address string, key aws.CredentialsProvider, by time.Duration) outcome{
	"JSON": func(t *testing.T, address string, key aws.CredentialsProvider, by time.Duration) outcome {
		api := kinesis.New(kinesis.Options{
			BaseEndpoint: aws.String("http://" + address), Region: "eu-west-1", Credentials: key, HTTPClient: http.DefaultClient,
			Retryer: aws.NopRetryer{}, HTTPSignerV4: late{v4.NewSigner(), by},
		})
		_, err := api.ListStreams(t.Context(), nil)
		return outcomeOf(err)
	},
	"query": func(t *testing.T, address string, key aws.CredentialsProvider, by time.Duration) outcome {
		api := sts.New(sts.Options{
			BaseEndpoint: aws.String("http://" + address), Region: "eu-west-1", Credentials: key, HTTPClient: http.DefaultClient,
			Retryer: aws.NopRetryer{}, HTTPSignerV4: late{v4.NewSigner(), by},
		})
		who, err := api.GetCallerIdentity(t.Context(), nil)
		if err == nil && (aws.ToString(who.Account) != "000000000000" || aws.ToString(who.Arn) != "arn:aws:iam::000000000000:user/ada") {
			t.Errorf("the caller is %s of %s", aws.ToString(who.Arn), aws.ToString(who.Account))
		}
		return outcomeOf(err)
	},
	"CBOR": func(t *testing.T, address string, key aws.CredentialsProvider, by time.Duration) outcome {
		body := []byte{0xa0} // no members
		r := post(t, address, "application/x-amz-cbor-1.1", "Kinesis_20131202.ListStreams", body)
		if c, err := key.Retrieve(t.Context()); err == nil {
			sum := sha256.Sum256(body)
			if err := v4.NewSigner().SignHTTP(t.Context(), c, r, hex.EncodeToString(sum[:]), "kinesis", "eu-west-1", time.Now().Add(by)); err != nil {
				t.Fatal(err)
			}
		}
		response, _ := send(t, r)
		if response.StatusCode == http.StatusOK {
			return outcome{}
		}
		return outcome{response.Header.Get("X-Amzn-Errortype"), response.StatusCode}
	},
}

func post(t *testing.T, address, media, target string, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", media)
	r.Header.Set("X-Amz-Target", target)
	return r
}

// send sends a request and reads the answer.
func send(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func static(c aws.Credentials) aws.CredentialsProvider {
	return credentials.StaticCredentialsProvider{Value: c}
}

// Who has a key gets in; everybody else gets AWS's error for what is wrong.
func TestSignaturesAreVerified(t *testing.T) {
	s, dir, key := verifying(t)
	wrong, unknown, session, off := key, key, key, newKey(t, s)
	wrong.SecretAccessKey = strings.ToLower(key.SecretAccessKey)
	unknown.AccessKeyID = "AKIAUWS2LJNFUWS2LJNF"
	session.SessionToken = "token"
	disable(t, dir, off.AccessKeyID)
	cases := []struct {
		name string
		key  aws.CredentialsProvider
		by   time.Duration
		want string
	}{
		{"right", static(key), 0, ""},
		{"a little early", static(key), -4 * time.Minute, ""},
		{"a little late", static(key), 4 * time.Minute, ""},
		{"wrong secret", static(wrong), 0, "InvalidSignatureException"},
		{"unknown key", static(unknown), 0, "UnrecognizedClientException"},
		{"disabled key", static(off), 0, "UnrecognizedClientException"},
		{"a token that is none", static(session), 0, "UnrecognizedClientException"},
		{"expired", static(key), -6 * time.Minute, "InvalidSignatureException"},
		{"not yet current", static(key), 6 * time.Minute, "InvalidSignatureException"},
		{"unsigned", aws.AnonymousCredentials{}, 0, "MissingAuthenticationTokenException"},
	}
	inQuery := map[string]string{
		"InvalidSignatureException": "SignatureDoesNotMatch", "UnrecognizedClientException": "InvalidClientTokenId",
		"MissingAuthenticationTokenException": "MissingAuthenticationToken",
	}
	for protocol, call := range callers {
		for _, c := range cases {
			want := outcome{}
			switch {
			case c.want == "":
			case protocol == "query":
				want = outcome{inQuery[c.want], http.StatusForbidden}
			default:
				want = outcome{c.want, http.StatusBadRequest}
			}
			if got := call(t, s.HTTPAddress(), c.key, c.by); got != want {
				t.Errorf("%s, %s: %+v, want %+v", protocol, c.name, got, want)
			}
		}
	}
}

// disable disables a key as the command does.
func disable(t *testing.T, dir, id string) {
	t.Helper()
	c, err := control.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.SetDisabled(t.Context(), id, true); err != nil {
		t.Fatal(err)
	}
}

// A key that was used a moment ago is refused by the next request once it is disabled, on the same
// connection and with everything that was remembered of it.
func TestDisabledAtOnce(t *testing.T) {
	s, dir, key := verifying(t)
	for protocol, call := range callers {
		if got := call(t, s.HTTPAddress(), static(key), 0); got != (outcome{}) {
			t.Errorf("%s: before: %+v", protocol, got)
		}
	}
	disable(t, dir, key.AccessKeyID)
	for protocol, call := range callers {
		if got := call(t, s.HTTPAddress(), static(key), 0); got.code != "UnrecognizedClientException" && got.code != "InvalidClientTokenId" {
			t.Errorf("%s: after: %+v", protocol, got)
		}
	}
}

// What has the form of a signature and is none is told so in both protocols.
func TestIncompleteSignature(t *testing.T) {
	s, _, _ := verifying(t)
	for media, want := range map[string]string{
		"application/x-amz-json-1.1":        `"__type":"IncompleteSignatureException"`,
		"application/x-www-form-urlencoded": "<Code>IncompleteSignature</Code>",
	} {
		r := post(t, s.HTTPAddress(), media, "Kinesis_20131202.ListStreams", []byte("{}"))
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x")
		if response, body := send(t, r); response.StatusCode != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", media, response.StatusCode, body)
		}
	}
}

// A body that was changed on its way is not what was signed.
func TestChangedBody(t *testing.T) {
	s, _, key := verifying(t)
	body := []byte(`{"StreamName":"orders"}`)
	r := post(t, s.HTTPAddress(), "application/x-amz-json-1.1", "Kinesis_20131202.CreateStream", []byte(`{"StreamName":"others"}`))
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(t.Context(), key, r, hex.EncodeToString(sum[:]), "kinesis", "eu-west-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	if response, answer := send(t, r); response.Header.Get("X-Amzn-Errortype") != "InvalidSignatureException" {
		t.Errorf("%d %s", response.StatusCode, answer)
	}
	if names, _ := s.Store().List("", 10); len(names) != 0 {
		t.Errorf("made %v", names)
	}
}

// On an address that others can reach, the API is served and signatures are verified without a
// word; with Insecure any is believed. Keys outlive the server.
func TestEveryAddress(t *testing.T) {
	c := config(t)
	c.HTTPAddress = "0.0.0.0:0"
	s := start(t, c)
	local := func(s *server.Server) string {
		return "127.0.0.1" + s.HTTPAddress()[strings.LastIndexByte(s.HTTPAddress(), ':'):]
	}
	key := newKey(t, s)
	wrong := aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	for protocol, call := range callers {
		if got := call(t, local(s), static(key), 0); got != (outcome{}) {
			t.Errorf("%s: the right key: %+v", protocol, got)
		}
		if got := call(t, local(s), static(wrong), 0); got == (outcome{}) {
			t.Errorf("%s: any key is taken", protocol)
		}
		if got := call(t, local(s), aws.AnonymousCredentials{}, 0); got == (outcome{}) {
			t.Errorf("%s: nobody signed", protocol)
		}
	}
	if err := shutdown(s); err != nil {
		t.Fatal(err)
	}
	c.Insecure = true
	s = start(t, c)
	if got := callers["JSON"](t, local(s), static(wrong), 0); got != (outcome{}) {
		t.Errorf("insecure: %+v", got)
	}
	if keys := s.Keys().List(); len(keys) != 1 || keys[0].ID != key.AccessKeyID {
		t.Errorf("keys after a restart: %+v", keys)
	}
}

// Where any key is believed only pages of this machine, and of the server's names, may call: a browser
// lets every page send requests to loopback addresses.
func TestOrigins(t *testing.T) {
	c := config(t)
	c.HostNames = []string{"streams.example.net"}
	trusting := start(t, c)
	verifies, _, _ := verifying(t)
	ask := func(s *server.Server, origin string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "http://"+s.HTTPAddress(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		response, _ := send(t, r)
		return response.StatusCode
	}
	for _, own := range []string{
		"http://localhost:3000", "https://app.localhost", "http://127.0.0.1", "http://127.9.9.9:80", "http://[::1]:8080", "https://streams.example.net",
	} {
		if status := ask(trusting, own); status != http.StatusOK {
			t.Errorf("%s: %d", own, status)
		}
	}
	for _, foreign := range []string{
		"https://example.com", "null", "http://localhost.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1", "file://", "http://[::1", "http://localhost@example.com",
	} {
		if status := ask(trusting, foreign); status != http.StatusForbidden {
			t.Errorf("%s: %d", foreign, status)
		}
		if status := ask(verifies, foreign); status != http.StatusOK {
			t.Errorf("%s, where signatures are verified: %d", foreign, status)
		}
	}
}
