package server_test

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/kinesis/model"
)

// shot is one request of the surface.
type shot struct{ method, media, target, path, form string }

// surface is every operation of the table, and what is served beside it, in every method and every
// content type.
func surface(t *testing.T) []shot {
	t.Helper()
	text, err := os.ReadFile("../kinesis/streams/kinesis.model")
	if err != nil {
		t.Fatal(err)
	}
	table, err := model.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	targets := []string{"", "Kinesis_20131202.NoSuch", "Kinesis_20131202.", "Other_1.ListStreams"}
	for _, o := range table.Operations {
		targets = append(targets, table.TargetPrefix+"."+o.Name)
	}
	forms := []string{"", "Action=GetCallerIdentity&Version=2011-06-15", "Action=PutMetricData&Version=2010-08-01", "Action=ListStreams&Version=2013-12-02"}
	methods := []string{"POST", "GET", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "MADEUP"}
	if testing.Short() {
		methods = methods[:2]
	}
	var shots []shot
	for _, method := range methods {
		for _, media := range []string{
			"application/x-amz-json-1.1", "application/json", "application/x-amz-json-1.0", "application/x-amz-json-1.1; charset=utf-8",
			"application/x-amz-cbor-1.1", "application/cbor", "multipart/form-data", "text/plain", "",
		} {
			for _, target := range targets {
				shots = append(shots, shot{method, media, target, "/", ""})
			}
			shots = append(shots, shot{method, media, "Kinesis_20131202.ListStreams", "/keys", ""}, shot{method, media, "Kinesis_20131202.ListStreams", "/?Action=ListStreams", ""})
		}
		for _, form := range forms {
			shots = append(shots, shot{method, "application/x-www-form-urlencoded", "Kinesis_20131202.ListStreams", "/", form})
		}
	}
	return shots
}

// fire sends a shot and returns whether what answered was more than the front.
func (x shot) fire(t *testing.T, address string, change func(*http.Request)) (reached bool, answer string) {
	t.Helper()
	body := []byte("{}")
	switch {
	case strings.Contains(x.media, "cbor"):
		body = []byte{0xa0}
	case x.form != "":
		body = []byte(x.form)
	}
	r, err := http.NewRequestWithContext(t.Context(), x.method, "http://"+address+x.path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", x.media)
	r.Header.Set("X-Amz-Target", x.target)
	change(r)
	response, text := send(t, r)
	code := response.Header.Get("X-Amzn-Errortype")
	switch {
	case x.method == http.MethodOptions && response.StatusCode == http.StatusOK:
		return text != "", text // for browsers
	case code == "MissingAuthenticationTokenException", code == "UnknownOperationException":
		return false, text
	case response.StatusCode == http.StatusForbidden && strings.Contains(text, "<Code>MissingAuthenticationToken</Code>"),
		response.StatusCode == http.StatusForbidden && x.method != http.MethodPost,
		response.StatusCode == http.StatusNotFound && text == "<UnknownOperationException/>\n":
		return false, text
	}
	return true, text
}

// NoAuthSurface: nothing that nobody signed reaches an operation, whatever it looks like.
func TestNoAuthSurface(t *testing.T) {
	s, _, _ := verifying(t)
	shots := surface(t)
	for _, origin := range []string{"", "https://example.com"} {
		for _, x := range shots {
			if origin != "" && x.method != http.MethodPost && x.method != http.MethodOptions {
				continue // it is looked at in no other method
			}
			reached, answer := x.fire(t, s.HTTPAddress(), func(r *http.Request) {
				if origin != "" {
					r.Header.Set("Origin", origin)
				}
			})
			if reached {
				t.Errorf("%+v: %s", x, answer)
			}
		}
	}
	_, metrics := get(t, s, "/metrics")
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "millrace_http_requests_total") && !strings.Contains(line, `code="4xx"`) && !strings.HasSuffix(line, " 0\n") {
			t.Errorf("something was done: %s", line)
		}
	}
}

// The same shots, with a key that a server for development takes, reach every operation: so the test
// above would see one that is reached.
func TestTheSurfaceIsReal(t *testing.T) {
	s := start(t, config(t))
	reached := make(map[string]int)
	for _, x := range surface(t) {
		if x.method != http.MethodPost {
			continue
		}
		found, _ := x.fire(t, s.HTTPAddress(), func(r *http.Request) {
			r.Header.Set("X-Amz-Date", "20260501T120000Z")
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260501/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=00")
		})
		if found {
			reached[x.target+x.form]++
		}
	}
	const ways = 5 // JSON by three names, CBOR by two
	for name, times := range reached {
		if strings.HasPrefix(name, "Kinesis_20131202.") && !strings.Contains(name, "Action=") && times < ways {
			t.Errorf("%s was reached %d times, want %d", name, times, ways)
		}
	}
	if len(reached) < 45+3 {
		t.Errorf("%d operations were reached", len(reached))
	}
}
