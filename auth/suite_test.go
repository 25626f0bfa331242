package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/millrace-io/millrace/auth"
)

const (
	suiteToken    = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
	suiteStsToken = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
	unreserved    = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// suite are the cases of AWS's public test suite of Signature Version 4, by their names
// there. Each is signed for the service "service" in us-east-1 at 20150830T123600Z, with
// host and x-amz-date and the headers named. The signatures are AWS's.
//
// Left out is get-header-value-multiline: a header that goes on in the next line, which
// it signs as if there were commas. HTTP has done away with such headers, and net/http
// puts a space there before anybody sees it.
var suite = []struct {
	name      string
	method    string
	target    string
	lines     []string
	more      string // signed headers beside host and x-amz-date
	token     string
	body      string
	signature string
}{
	{name: "get-vanilla", method: "GET", target: "/", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{name: "get-vanilla-query", method: "GET", target: "/?", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{name: "get-relative-normalized", method: "GET", target: "/example/..", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{name: "get-relative-relative-normalized", method: "GET", target: "/example1/example2/../..", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{name: "get-slash-dot-slash-normalized", method: "GET", target: "/./", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{name: "get-slash-normalized", method: "GET", target: "//", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{name: "get-slash-pointless-dot-normalized", method: "GET", target: "/./example", signature: "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
	{name: "get-slashes-normalized", method: "GET", target: "//example//", signature: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
	{name: "get-space-normalized", method: "GET", target: "/example space/", signature: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
	{name: "get-unreserved", method: "GET", target: "/" + unreserved, signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
	{name: "get-utf8", method: "GET", target: "/\u1234", signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
	{name: "get-vanilla-empty-query-key", method: "GET", target: "/?Param1=value1", signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
	{name: "get-vanilla-query-order-key-case", method: "GET", target: "/?Param2=value2&Param1=value1", signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
	{name: "get-vanilla-query-order-encoded", method: "GET", target: "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", signature: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
	{name: "get-vanilla-query-unreserved", method: "GET", target: "/?" + unreserved + "=" + unreserved, signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
	{name: "get-vanilla-utf8-query", method: "GET", target: "/?\u1234=bar", signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
	{
		name: "get-header-key-duplicate", method: "GET", target: "/", lines: []string{"My-Header1:value2", "My-Header1:value2", "My-Header1:value1"},
		more: "my-header1", signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
	},
	{
		name: "get-header-value-order", method: "GET", target: "/", lines: []string{"My-Header1:value4", "My-Header1:value1", "My-Header1:value3", "My-Header1:value2"},
		more: "my-header1", signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
	},
	{
		name: "get-header-value-trim", method: "GET", target: "/", lines: []string{"My-Header1: value1", `My-Header2: "a   b   c"`},
		more: "my-header1;my-header2", signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
	},
	{
		name: "get-vanilla-with-session-token", method: "GET", target: "/", token: suiteToken,
		more: "x-amz-security-token", signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
	},
	{name: "post-vanilla, post-sts-header-after", method: "POST", target: "/", signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	{name: "post-vanilla-query", method: "POST", target: "/?Param1=value1", signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
	{
		name: "post-sts-header-before", method: "POST", target: "/", token: suiteStsToken,
		more: "x-amz-security-token", signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
	},
	{
		name: "post-header-key-sort", method: "POST", target: "/", lines: []string{"My-Header1:value1"},
		more: "my-header1", signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
	},
	{
		name: "post-header-value-case", method: "POST", target: "/", lines: []string{"My-Header1:VALUE1"},
		more: "my-header1", signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
	},
	{
		name: "post-x-www-form-urlencoded", method: "POST", target: "/", body: "Param1=value1",
		lines: []string{"Content-Type:application/x-www-form-urlencoded", "x-amz-content-sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"},
		more:  "content-length;content-type;x-amz-content-sha256", signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
	},
	{
		name: "post-x-www-form-urlencoded-parameters", method: "POST", target: "/", body: "Param1=value1",
		lines: []string{"Content-Type:application/x-www-form-urlencoded; charset=utf-8", "x-amz-content-sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"},
		more:  "content-length;content-type;x-amz-content-sha256", signature: "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
	},
}

// Every case verifies; our twin and the SDK's signer come to the same signature; and
// with another signature, secret or token it is refused.
func TestSuite(t *testing.T) {
	rules := auth.Rules{Services: []string{"service"}}
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			signed := []string{"host", "x-amz-date"}
			for name := range strings.SplitSeq(c.more, ";") {
				if name != "" {
					signed = append(signed, name)
				}
			}
			names := sortedHeaders(signed)
			build := func(signature string) *http.Request {
				lines := append([]string{"Host:example.amazonaws.com", "X-Amz-Date:" + exampleStamp}, c.lines...)
				if c.token != "" {
					lines = append(lines, "X-Amz-Security-Token:"+c.token)
				}
				r := request(t, c.method, strings.ReplaceAll(c.target, " ", "%20"), c.body, lines...)
				r.RequestURI = c.target // net/http would not let a space through
				r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "+
					"SignedHeaders="+names+", Signature="+signature)
				return r
			}
			credential := example
			credential.SessionToken = c.token
			got, err := verify(verifier(t, credential), build(c.signature), []byte(c.body), rules)
			want := auth.Identity{
				AccessKeyID: exampleID, Account: example.Account, Principal: example.Principal,
				Region: "us-east-1", Service: "service", BodySigned: true,
			}
			if err != nil || got != want {
				t.Errorf("got %+v, %v", got, err)
			}

			w := newTwin()
			w.service = "service"
			if got := w.signature(canonicalOf(build(""), strings.Split(names, ";"), sum(c.body))); got != c.signature {
				t.Errorf("the twin signs %s", got)
			}
			if got := sdkSignature(t, build(""), credential, c.body); got != c.signature {
				t.Errorf("the SDK signs %s", got)
			}

			other := "0" + c.signature[1:]
			if other == c.signature {
				other = "1" + c.signature[1:]
			}
			_, err = verify(verifier(t, credential), build(other), []byte(c.body), rules)
			refused(t, err, auth.InvalidSignature, "does not match")
			changed := credential
			changed.Secret = "another"
			_, err = verify(verifier(t, changed), build(c.signature), []byte(c.body), rules)
			refused(t, err, auth.InvalidSignature, "does not match")
			changed = credential
			changed.SessionToken += "x"
			_, err = verify(verifier(t, changed), build(c.signature), []byte(c.body), rules)
			refused(t, err, auth.UnrecognizedClient, "security token")
		})
	}
}

// sdkSignature lets the SDK sign. It does not normalise paths, so it is given the
// canonical one and told to leave it alone.
func sdkSignature(t *testing.T, r *http.Request, credential auth.Credential, body string) string {
	t.Helper()
	canonical := strings.Split(canonicalOf(r, nil, ""), "\n")[1]
	u, err := url.Parse("https://" + r.Host + canonical + "?" + r.URL.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	r.URL = u
	r.Header.Del("Authorization")
	keys := aws.Credentials{AccessKeyID: credential.AccessKeyID, SecretAccessKey: credential.Secret, SessionToken: credential.SessionToken}
	err = v4.NewSigner().SignHTTP(t.Context(), keys, r, sum(body), "service", "us-east-1", exampleTime, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err != nil {
		t.Fatal(err)
	}
	_, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	return signature
}

// The presigned cases of the suite, without the X-Amz-Date header that its files have
// outside of the signature: that is what a [auth.Verifier] refuses.
func TestSuitePresigned(t *testing.T) {
	const query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request" +
		"&X-Amz-Date=20150830T123600Z&X-Amz-Expires=3600"
	cases := []struct {
		name, target, signed, signature string
		lines                           []string
	}{
		{name: "get-vanilla-query", target: "/", signed: "host", signature: "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"},
		{name: "get-utf8", target: "/\u1234", signed: "host", signature: "10eae3f14a260bd3911cc6d008d3c576d143b05b62f09782a7a4b37f52178e44"},
		{
			name: "get-header-value-trim", target: "/", signed: "host%3Bmy-header1%3Bmy-header2", signature: "e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4",
			lines: []string{"My-Header1: value1", `My-Header2: "a   b   c"`},
		},
	}
	rules := auth.Rules{Services: []string{"service"}, Presigned: true}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			lines := append([]string{"Host:example.amazonaws.com"}, c.lines...)
			target := c.target + "?" + query + "&X-Amz-SignedHeaders=" + c.signed + "&X-Amz-Signature="
			got, err := verify(verifier(t, example), request(t, "GET", target+c.signature, "", lines...), nil, rules)
			if err != nil || !got.Presigned || got.AccessKeyID != exampleID {
				t.Errorf("got %+v, %v", got, err)
			}
			_, err = verify(verifier(t, example), request(t, "GET", target+c.signature, "", append(lines, "X-Amz-Date: "+exampleStamp)...), nil, rules)
			refused(t, err, auth.InvalidSignature, "'x-amz-date' must be a 'SignedHeader'")
			_, err = verify(verifier(t, example), request(t, "GET", target+c.signature[1:]+"0", "", lines...), nil, rules)
			refused(t, err, auth.InvalidSignature, "does not match")
		})
	}
}
