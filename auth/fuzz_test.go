package auth_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/auth"
)

// No Authorization header but the right one is accepted, up to spaces and the order of
// its parts, and every other is answered with a named error.
func FuzzAuthorization(f *testing.F) {
	r := newTwin().sign(putRecord(f), putBody)
	good := r.Header.Get("Authorization")
	f.Add(good)
	f.Add(strings.ReplaceAll(good, ", ", ","))
	f.Add("AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0")
	f.Add("AWS4-HMAC-SHA256 =,=,=")
	f.Add("Bearer eyJ")
	f.Add("")
	trusting, err := auth.New(auth.Options{AcceptAny: true})
	if err != nil {
		f.Fatal(err)
	}
	parts := func(text string) map[string]bool {
		set := make(map[string]bool)
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(", \t\n\v\f\r\u0085\u00a0", r) }) {
			set[part] = true
		}
		return set
	}
	v := verifier(f, example)
	f.Fuzz(func(t *testing.T, header string) {
		r := r.Clone(t.Context())
		r.Header.Set("Authorization", header)
		_, err := verify(v, r, []byte(putBody), kinesis)
		var named *auth.Error
		switch {
		case err == nil:
			for part := range parts(good) {
				if !parts(header)[part] {
					t.Errorf("%q is accepted without %q", header, part)
				}
			}
		case !errors.As(err, &named):
			t.Errorf("%q: %v has no name", header, err)
		}
		if got, err := verify(trusting, r, nil, kinesis); err == nil && (got.Region == "" || len(got.Account) != 12) {
			t.Errorf("%q is %+v", header, got)
		}
	})
}

// The canonical form is the twin's for every path and query, and whatever is in them
// gets through or is refused by name.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"/", "//a/../b/./", "/%2e%2e/a?b=%20&a=c+d", "/a?b=c&b=a&&=&d", "/\u1234?\u1234=\u1234", "/a/..", "/a?b;c", "/?X-Amz-Algorithm=a&X-Amz-Signature="} {
		f.Add(seed)
	}
	v := verifier(f, example)
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		r := putRecord(t)
		r.URL, r.RequestURI = u, target
		newTwin().sign(r, putBody)
		_, err = verify(v, r, []byte(putBody), kinesis)
		if _, malformed := url.ParseQuery(u.RawQuery); malformed == nil && !strings.Contains(u.RawQuery, "X-Amz-") && err != nil {
			t.Errorf("%q: %v", target, err)
		}
		var named *auth.Error
		if err != nil && (!errors.As(err, &named) || named.Status != http.StatusBadRequest) {
			t.Errorf("%q: %v", target, err)
		}
	})
}
