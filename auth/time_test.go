package auth_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/millrace-io/millrace/auth"
)

// A signature is good for five minutes either way, to the second.
func TestSkew(t *testing.T) {
	for _, c := range []struct {
		skew   time.Duration // of the options
		server time.Duration // the server's clock, against the client's
		want   string        // "" is accepted
	}{
		{0, 0, ""},
		{0, 5*time.Minute - time.Second, ""},
		{0, 5 * time.Minute, ""},
		{0, 5*time.Minute + 999*time.Millisecond, ""},
		{0, 5*time.Minute + time.Second, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)"},
		{0, -5*time.Minute + time.Second, ""},
		{0, -5 * time.Minute, ""},
		{0, -5*time.Minute - time.Second, "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)"},
		{time.Minute, time.Minute, ""},
		{time.Minute, 61 * time.Second, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T123701Z - 1 min.)"},
		{15 * time.Minute, 15 * time.Minute, ""},
		{15 * time.Minute, 15*time.Minute + time.Second, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"},
		{15 * time.Minute, -15*time.Minute - time.Second, "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)"},
	} {
		elsewhere := time.FixedZone("", 3600)
		v, err := auth.New(auth.Options{Lookup: lookup(example), Clock: stopped(exampleTime.Add(c.server).In(elsewhere)), Skew: c.skew})
		if err != nil {
			t.Fatal(err)
		}
		_, err = verify(v, newTwin().sign(putRecord(t), putBody), []byte(putBody), kinesis)
		if c.want != "" {
			refused(t, err, auth.InvalidSignature, c.want)
		} else if err != nil {
			t.Errorf("skew %v, server %v: %v", c.skew, c.server, err)
		}
	}
}

// The date may be that of HTTP, if there is no other; the signature holds it.
func TestDates(t *testing.T) {
	for date, want := range map[string]string{
		"Sun, 30 Aug 2015 12:36:00 GMT":    "",
		"Sunday, 30-Aug-15 12:36:00 GMT":   "",
		"Sun Aug 30 12:36:00 2015":         "",
		exampleStamp:                       "",
		"Sun, 30 Aug 2015 12:36:01 GMT":    "does not match",
		"20150830T123600.5Z":               "Date must be in ISO-8601 'basic format'. Got '20150830T123600.5Z'.",
		"2015-08-30T12:36:00Z":             "Date must be",
		"20151330T123600Z":                 "Date must be",
		"tomorrow":                         "Date must be",
		"Sun, 30 Aug 2015 12:36:00 +0000":  "Date must be",
		"Mon, 31 Aug 2015 12:36:00 GMT":    "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150830' != '20150831', from '20150831T123600Z'.",
		"Sunday, 30-Aug-2015 12:36:00 GMT": "Date must be",
	} {
		r := putRecord(t, "Date: "+date)
		r.Header.Del("X-Amz-Date")
		newTwin().sign(r, putBody)
		_, err := verify(verifier(t, example), r, []byte(putBody), kinesis)
		switch {
		case want == "":
			if err != nil {
				t.Errorf("%q: %v", date, err)
			}
		case len(want) > 9 && want[:9] == "Date must":
			refused(t, err, auth.IncompleteSignature, want)
		default:
			refused(t, err, auth.InvalidSignature, want)
		}
	}
	r := putRecord(t, "Date: Mon, 31 Aug 2015 12:36:00 GMT") // X-Amz-Date wins
	if _, err := verify(verifier(t, example), newTwin().sign(r, putBody), []byte(putBody), kinesis); err != nil {
		t.Error(err)
	}
}

// presigned is a request that is good for so many seconds.
func presigned(t *testing.T, expires string, change func(url.Values)) *http.Request {
	t.Helper()
	return newTwin().presign(request(t, "GET", "/?a=b", "", "Host: a"), "", expires, change)
}

func TestPresigned(t *testing.T) {
	rules := auth.Rules{Services: kinesis.Services, Presigned: true}
	for _, c := range []struct {
		name    string
		expires string
		server  time.Duration
		change  func(url.Values)
		code    string // "" is accepted
		want    string
	}{
		{name: "good", expires: "60"},
		{name: "last second", expires: "60", server: time.Minute},
		{name: "over", expires: "60", server: 61 * time.Second, code: auth.InvalidSignature, want: "Signature expired: 20150830T123700Z is now earlier than 20150830T123701Z"},
		{name: "one second", expires: "1", server: time.Second},
		{name: "a week", expires: "604800", server: 7 * 24 * time.Hour},
		{name: "more than a week", expires: "604801", code: auth.InvalidSignature, want: "from 1 to 604800. Got '604801'"},
		{name: "no time", expires: "0", code: auth.InvalidSignature, want: "from 1 to 604800"},
		{name: "negative", expires: "-1", code: auth.InvalidSignature, want: "from 1 to 604800"},
		{name: "signed plus", expires: "+60", code: auth.InvalidSignature, want: "from 1 to 604800"},
		{name: "fraction", expires: "1.5", code: auth.InvalidSignature, want: "from 1 to 604800"},
		{name: "overflow", expires: "18446744073709551617", code: auth.InvalidSignature, want: "from 1 to 604800"},
		{name: "from a fast clock", expires: "60", server: -5 * time.Minute},
		{name: "not yet", expires: "604800", server: -5*time.Minute - time.Second, code: auth.InvalidSignature, want: "Signature not yet current"},
		{name: "no expiry", change: drop("X-Amz-Expires"), code: auth.IncompleteSignature, want: "AWS query-string parameters must include 'X-Amz-Expires'. Re-examine"},
		{name: "no algorithm", expires: "60", change: drop("X-Amz-Algorithm"), code: auth.IncompleteSignature, want: "must include 'X-Amz-Algorithm'. Re-examine the query-string parameters."},
		{name: "no date", expires: "60", change: drop("X-Amz-Date"), code: auth.IncompleteSignature, want: "must include 'X-Amz-Date'."},
		{name: "no headers", expires: "60", change: drop("X-Amz-SignedHeaders"), code: auth.IncompleteSignature, want: "must include 'X-Amz-SignedHeaders'."},
		{name: "no credential", expires: "60", change: drop("X-Amz-Credential"), code: auth.IncompleteSignature, want: "must include 'X-Amz-Credential'."},
		{name: "two dates", expires: "60", change: func(q url.Values) { q.Add("X-Amz-Date", exampleStamp) }, code: auth.InvalidSignature, want: "'X-Amz-Date' must be there once"},
		{name: "another algorithm", expires: "60", change: func(q url.Values) { q.Set("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256") }, code: auth.IncompleteSignature, want: "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'"},
		{name: "a token that is not the key's", expires: "60", change: func(q url.Values) { q.Set("X-Amz-Security-Token", "t") }, code: auth.UnrecognizedClient, want: "security token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := verify(verifierAt(t, exampleTime.Add(c.server), example), presigned(t, c.expires, c.change), nil, rules)
			if c.code != "" {
				refused(t, err, c.code, c.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	_, err := verify(verifier(t, example), presigned(t, "60", nil), nil, kinesis)
	refused(t, err, auth.InvalidSignature, "does not accept a signature in the query string")

	both := presigned(t, "60", nil)
	both.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a")
	_, err = verify(verifier(t, example), both, nil, rules)
	refused(t, err, auth.InvalidSignature, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")

	added := presigned(t, "60", nil)
	added.URL.RawQuery += "&c=d"
	_, err = verify(verifier(t, example), added, nil, rules)
	refused(t, err, auth.InvalidSignature, "does not match")
}

func drop(name string) func(url.Values) { return func(q url.Values) { q.Del(name) } }
