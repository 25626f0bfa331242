package auth_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/auth"
)

// Every way to say what the body is, against every rule: what is not in the table of a
// case is refused.
func TestBodyModes(t *testing.T) {
	rules := map[string]auth.Rules{
		"plain":    {Services: kinesis.Services},
		"unsigned": {Services: kinesis.Services, UnsignedBody: true},
		"empty":    {Services: kinesis.Services, EmptyHash: true},
	}
	const (
		no       = "refused before the body"
		late     = "refused with the body"
		covered  = "accepted, body signed"
		uncovers = "accepted, body not signed"
	)
	for _, c := range []struct {
		name      string
		named     string // x-amz-content-sha256; "-" if there is none
		signed    string // the payload that is signed
		body      string
		want      map[string]string // by rules
		otherwise string
	}{
		{"hash in the signature", "-", sum(putBody), putBody, map[string]string{"empty": no}, covered},
		{"hash in the signature, another body", "-", sum(putBody), "x", map[string]string{"empty": no}, late},
		{"hash in the signature, no body", "-", sum(putBody), "", map[string]string{"empty": no}, late},
		{"hash named", sum(putBody), sum(putBody), putBody, nil, covered},
		{"hash named, another body", sum(putBody), sum(putBody), "x", nil, late},
		{"hash named, no body", sum(putBody), sum(putBody), "", nil, late},
		{"another hash named", sum("x"), sum(putBody), putBody, nil, no},
		{"another hash named, its body", sum("x"), sum(putBody), "x", nil, no},
		{"hash in capitals", strings.ToUpper(sum(putBody)), strings.ToUpper(sum(putBody)), putBody, nil, no},
		{"no hash at all", "", "", putBody, nil, no},
		{"no body", sum(""), sum(""), "", map[string]string{"empty": uncovers}, covered},
		{"no body, not named", "-", sum(""), "", map[string]string{"empty": uncovers}, covered},
		{"hash of nothing over a body", sum(""), sum(""), putBody, map[string]string{"empty": uncovers}, late},
		{"hash of nothing over a body, not named", "-", sum(""), putBody, map[string]string{"empty": uncovers}, late},
		{"unsigned", "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD", putBody, map[string]string{"unsigned": uncovers}, no},
		{"unsigned, but the hash was signed", "UNSIGNED-PAYLOAD", sum(putBody), putBody, nil, no},
		{"unsigned, not named", "-", "UNSIGNED-PAYLOAD", putBody, map[string]string{"empty": no}, late},
		{"signed chunks", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", putBody, nil, no},
		{"signed chunks and trailer", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", putBody, nil, no},
		{"chunks with a trailer", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", putBody, nil, no},
	} {
		for name, rule := range rules {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				want, special := c.want[name]
				if !special {
					want = c.otherwise
				}
				r := putRecord(t)
				if c.named != "-" {
					r.Header.Set("X-Amz-Content-Sha256", c.named)
				}
				w := newTwin()
				w.payload = c.signed
				if w.sign(r, putBody); c.signed == "" {
					w.payload = sum(putBody)
					w.sign(r, putBody)
				}
				got := no
				if check, err := verifier(t, example).Begin(r, rule); err == nil {
					got = late
					identity, err := check.Finish(sha256.Sum256([]byte(c.body)))
					if err == nil {
						got = uncovers
					} else {
						refused(t, err, auth.InvalidSignature, "does not match")
					}
					if identity.BodySigned {
						got = covered
					}
					if _, err := check.Unread(); (err == nil) != (got == uncovers) {
						t.Errorf("%s, and without its body: %v", got, err)
					}
				}
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
			})
		}
	}
}
