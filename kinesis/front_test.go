package kinesis_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/kinesis/wire"
)

// table is a service of two operations.
const table = `service Echo version=2020-01-01 protocol=json json=1.1 target=Echo_20200101
operation Say in=SayInput out=SayOutput errors=OddException,InternalFailureException
operation Watch in=SayInput
error InternalFailureException status=500 fault
	message Text
error OddException status=400
	message Text
structure SayInput
	Text! Text
structure SayOutput
	Text! Text
string Text min=1 max=10
`

type sayInput struct{ Text string }

type sayOutput struct{ Text string }

// echo is a front over a service that says what it is told.
type echo struct {
	*kinesis.Front
	mutex sync.Mutex
	seen  []kinesis.Observation
	// fail is what Say returns.
	fail error
}

func newEcho(t *testing.T, o kinesis.Options) *echo {
	t.Helper()
	parsed, err := model.Parse(table)
	if err != nil {
		t.Fatal(err)
	}
	e := new(echo)
	s := kinesis.NewService(parsed, "echo")
	kinesis.Handle(s, "Say", func(ctx context.Context, c *kinesis.Call, in *sayInput) (*sayOutput, error) {
		if err := c.Permit(ctx, "arn:"+in.Text); err != nil {
			return nil, err
		}
		return &sayOutput{in.Text}, e.fail
	})
	s.HandleRaw("Watch", func(_ context.Context, c *kinesis.Call) error {
		events, err := c.Events()
		if err != nil {
			return err
		}
		err = events.Send("Said", func(w wire.Writer) {
			w.Object()
			w.EndObject()
		})
		return errors.Join(err, events.Fail(e.fail))
	})
	o.Observe = func(seen kinesis.Observation) {
		e.mutex.Lock()
		defer e.mutex.Unlock()
		e.seen = append(e.seen, seen)
	}
	if e.Front, err = kinesis.NewFront(o, s); err != nil {
		t.Fatal(err)
	}
	return e
}

const (
	mediaJSON = "application/x-amz-json-1.1"
	mediaCBOR = "application/x-amz-cbor-1.1"
)

// ask sends a request; header is pairs of names and values.
func (e *echo) ask(method, body string, header ...string) *http.Response {
	r := httptest.NewRequest(method, "/any/path", strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w.Result()
}

// say sends a document to Say.
func (e *echo) say(body string) *http.Response {
	return e.ask(http.MethodPost, body, "Content-Type", mediaJSON, "X-Amz-Target", "Echo_20200101.Say")
}

var (
	uuid     = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	extended = regexp.MustCompile(`^[A-Za-z0-9+/]{96}$`)
)

// check compares status, content type, error and body; every answer has its two ids.
func check(t *testing.T, got *http.Response, status int, media, code, body string) {
	t.Helper()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got.StatusCode != status || got.Header.Get("Content-Type") != media || got.Header.Get("X-Amzn-Errortype") != code || string(text) != body {
		t.Errorf("status %d, %q, error %q:\n%q\ninstead of %d, %q, error %q:\n%q",
			got.StatusCode, got.Header.Get("Content-Type"), got.Header.Get("X-Amzn-Errortype"), text, status, media, code, body)
	}
	if id, other := got.Header.Get("X-Amzn-Requestid"), got.Header.Get("X-Amz-Id-2"); !uuid.MatchString(id) || !extended.MatchString(other) {
		t.Errorf("the ids are %q and %q", id, other)
	}
}

// TestWay walks the steps of a request, each with its own error.
func TestWay(t *testing.T) {
	e := newEcho(t, kinesis.Options{BodyBytesMax: 100})
	const (
		noMethod = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n"
		noMedia  = "<UnknownOperationException/>\n"
		noTarget = `{"__type":"UnknownOperationException"}`
	)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions, http.MethodPatch} {
		check(t, e.ask(method, ""), http.StatusForbidden, "text/xml", "", noMethod)
	}
	for _, media := range []string{"", "text/plain", "application/xml", ";"} {
		check(t, e.ask(http.MethodPost, "{}", "Content-Type", media, "X-Amz-Target", "Echo_20200101.Say"), http.StatusNotFound, "text/xml", "", noMedia)
	}
	for _, target := range []string{"", ".", "Say", "Echo_20200101.", "Echo_20200101.Shout", "Echo.Say", "Echo_20200101.Say.Say"} {
		check(t, e.ask(http.MethodPost, "{}", "Content-Type", mediaJSON, "X-Amz-Target", target), http.StatusBadRequest, mediaJSON, "UnknownOperationException", noTarget)
	}
	check(t, e.say(`{"Text":"word"}`), http.StatusOK, mediaJSON, "", `{"Text":"word"}`)
	check(t, e.ask(http.MethodPost, "\xbfdTextdword\xff", "Content-Type", mediaCBOR, "X-Amz-Target", "Echo_20200101.Say"), http.StatusOK, mediaCBOR, "", "\xbfdTextdword\xff")
	check(t, e.say(`{"Text":""}`), http.StatusBadRequest, mediaJSON, "ValidationException",
		`{"__type":"ValidationException","message":"1 validation error detected: Value '' at 'text' failed to satisfy constraint: Member must have length greater than or equal to 1"}`)
	check(t, e.say(`{}`), http.StatusBadRequest, mediaJSON, "ValidationException",
		`{"__type":"ValidationException","message":"1 validation error detected: Value null at 'text' failed to satisfy constraint: Member must not be null"}`)
	check(t, e.say(strings.Repeat(" ", 101)), http.StatusRequestEntityTooLarge, mediaJSON, "RequestEntityTooLargeException",
		`{"__type":"RequestEntityTooLargeException","message":"The request is larger than 100 bytes."}`)
	for _, body := range []string{"", "{", "[]", `"word"`, "null", `{"Text":1}`, `{"Text":"a"} {}`, "\xbf"} {
		got := e.say(body)
		text, _ := io.ReadAll(got.Body)
		if got.StatusCode != http.StatusBadRequest || got.Header.Get("X-Amzn-Errortype") != "SerializationException" || !bytes.Contains(text, []byte(`"Message":"`)) {
			t.Errorf("%q was answered with status %d: %s", body, got.StatusCode, text)
		}
	}
}

// endless is a body whose length is not known beforehand.
type endless struct{ io.Reader }

// TestBodyWithoutLength: a body that does not say how long it is may be as long as any other.
func TestBodyWithoutLength(t *testing.T) {
	e := newEcho(t, kinesis.Options{BodyBytesMax: 100})
	for _, c := range []struct {
		spaces, status int
	}{{0, http.StatusOK}, {84, http.StatusOK}, {86, http.StatusRequestEntityTooLarge}, {10_000, http.StatusRequestEntityTooLarge}} {
		r := httptest.NewRequest(http.MethodPost, "/", endless{strings.NewReader(`{"Text":"word"}` + strings.Repeat(" ", c.spaces))})
		r.ContentLength = -1
		r.Header.Set("Content-Type", mediaJSON)
		r.Header.Set("X-Amz-Target", "Echo_20200101.Say")
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%d spaces: status %d instead of %d: %s", c.spaces, w.Code, c.status, w.Body)
		}
	}
}

// TestOrigin: pages of other origins may call, and are told beforehand.
func TestOrigin(t *testing.T) {
	e := newEcho(t, kinesis.Options{})
	got := e.ask(http.MethodOptions, "", "Origin", "https://example.com", "Access-Control-Request-Headers", "x-amz-target", "Access-Control-Request-Method", "POST")
	check(t, got, http.StatusOK, "", "", "")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "x-amz-target", "Access-Control-Allow-Methods": "POST", "Access-Control-Max-Age": "172800",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s is %q instead of %q", name, value, want)
		}
	}
	got = e.ask(http.MethodPost, `{"Text":"a"}`, "Origin", "https://example.com", "Content-Type", mediaJSON, "X-Amz-Target", "Echo_20200101.Say")
	if got.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(got.Header.Get("Access-Control-Expose-Headers"), "x-amzn-RequestId") {
		t.Errorf("the headers are %v", got.Header)
	}
	if got := e.say(`{"Text":"a"}`); got.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a request without an origin is answered as one with")
	}
}

// TestOriginRefused: a page that may not call does not reach an operation, in any method.
func TestOriginRefused(t *testing.T) {
	e := newEcho(t, kinesis.Options{Origin: func(origin string) bool { return origin == "http://localhost:3000" }})
	for _, method := range []string{http.MethodPost, http.MethodOptions} {
		for origin, status := range map[string]int{"http://localhost:3000": http.StatusOK, "https://example.com": http.StatusForbidden} {
			got := e.ask(method, `{"Text":"a"}`, "Origin", origin, "Content-Type", mediaJSON, "X-Amz-Target", "Echo_20200101.Say")
			allowed := got.Header.Get("Access-Control-Allow-Origin") != ""
			if got.StatusCode != status || allowed != (status == http.StatusOK) {
				t.Errorf("%s from %s: status %d, headers %v", method, origin, got.StatusCode, got.Header)
			}
		}
	}
}

// TestErrors: how the errors of operations are shown, and what is said of them to the observer.
func TestErrors(t *testing.T) {
	e := newEcho(t, kinesis.Options{})
	for _, c := range []struct {
		err     error
		status  int
		code    string
		message string
	}{
		{kinesis.Errorf("OddException", "odd: %d", 1), http.StatusBadRequest, "OddException", "odd: 1"},
		{&kinesis.Error{Code: "OddException"}, http.StatusBadRequest, "OddException", ""},
		{errors.New("file /secret is broken"), http.StatusInternalServerError, "InternalFailureException", "The request processing has failed because of an unknown error, exception or failure."},
		{failure.New(failure.Corrupt, "wal", "file /secret"), http.StatusInternalServerError, "InternalFailureException", "The request processing has failed because of an unknown error, exception or failure."},
		{failure.New(failure.Closed, "wal", "closed"), http.StatusServiceUnavailable, "ServiceUnavailable", "The server is starting or stopping."},
		{context.DeadlineExceeded, http.StatusServiceUnavailable, "ServiceUnavailable", "The request was not finished in time; its outcome is unknown."},
	} {
		e.fail, e.seen = c.err, nil
		body := `{"__type":"` + c.code + `","message":"` + c.message + `"}`
		if c.message == "" {
			body = `{"__type":"` + c.code + `"}`
		}
		check(t, e.say(`{"Text":"a"}`), c.status, mediaJSON, c.code, body)
		if len(e.seen) != 1 || e.seen[0].Code != c.code || e.seen[0].Status != c.status || e.seen[0].Operation != "Say" || !errors.Is(e.seen[0].Err, c.err) || e.seen[0].RequestBytes != 12 {
			t.Errorf("the observer saw %+v", e.seen)
		}
	}
}

// TestPermission: operations ask once, with the action and the resource.
func TestPermission(t *testing.T) {
	var asked []kinesis.Permission
	who := kinesis.Identity{Account: "123456789012", Region: "eu-west-1", Principal: "arn:aws:iam::123456789012:user/me"}
	e := newEcho(t, kinesis.Options{Anonymous: who, Authorize: func(_ context.Context, p kinesis.Permission) error {
		asked = append(asked, p)
		return kinesis.Errorf(kinesis.CodeAccessDenied, "no")
	}})
	check(t, e.say(`{"Text":"a"}`), http.StatusBadRequest, mediaJSON, "AccessDeniedException", `{"__type":"AccessDeniedException","message":"no"}`)
	if want := (kinesis.Permission{Identity: who, Action: "echo:Say", Resource: "arn:a"}); len(asked) != 1 || asked[0] != want {
		t.Errorf("asked was %+v", asked)
	}
}

// gate authenticates by a header before the body, and by the body.
type gate struct{}

func (gate) Begin(r *http.Request, services []string) (kinesis.Signed, error) {
	if r.Header.Get("Authorization") == "" {
		return nil, kinesis.Errorf("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	return gate{}, nil
}

func (gate) Finish(body []byte) (kinesis.Identity, error) {
	if bytes.Contains(body, []byte("forged")) {
		return kinesis.Identity{}, kinesis.Errorf("InvalidSignatureException", "no")
	}
	return kinesis.Identity{Account: "1"}, nil
}

// unreadable is a body that must not be read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// TestSecurityBeforeSyntax: of a body whose sender is not known nothing is looked at.
func TestSecurityBeforeSyntax(t *testing.T) {
	e := newEcho(t, kinesis.Options{Authenticate: gate{}})
	r := httptest.NewRequest(http.MethodPost, "/", unreadable{t})
	r.Header.Set("Content-Type", mediaJSON)
	r.Header.Set("X-Amz-Target", "Echo_20200101.Say")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	check(t, w.Result(), http.StatusBadRequest, mediaJSON, "MissingAuthenticationTokenException", `{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}`)
	got := e.ask(http.MethodPost, `{ "forged, and no JSON`, "Authorization", "me", "Content-Type", mediaJSON, "X-Amz-Target", "Echo_20200101.Say")
	check(t, got, http.StatusBadRequest, mediaJSON, "InvalidSignatureException", `{"__type":"InvalidSignatureException","message":"no"}`)
	got = e.ask(http.MethodPost, `{"Text":"a"}`, "Authorization", "me", "Content-Type", mediaJSON, "X-Amz-Target", "Echo_20200101.Say")
	check(t, got, http.StatusOK, mediaJSON, "", `{"Text":"a"}`)
}

// held is a body that comes when it is let go.
type held struct {
	began, release chan struct{}
	once           sync.Once
}

func (h *held) Read([]byte) (int, error) {
	h.once.Do(func() { close(h.began) })
	<-h.release
	return 0, io.EOF
}

// TestRoomForBodies: bodies wait for room, and give it back.
func TestRoomForBodies(t *testing.T) {
	e := newEcho(t, kinesis.Options{BodyBytesMax: 100, BodiesBytesMax: 100})
	first := &held{began: make(chan struct{}), release: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := httptest.NewRequest(http.MethodPost, "/", first)
		r.Header.Set("Content-Type", mediaJSON)
		r.Header.Set("X-Amz-Target", "Echo_20200101.Say")
		r.ContentLength = 100
		e.ServeHTTP(httptest.NewRecorder(), r)
	}()
	<-first.began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(`{"Text":"a"}`))
	r.Header.Set("Content-Type", mediaJSON)
	r.Header.Set("X-Amz-Target", "Echo_20200101.Say")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("without room the status is %d: %s", w.Code, w.Body)
	}
	close(first.release)
	<-done
	check(t, e.say(`{"Text":"a"}`), http.StatusOK, mediaJSON, "", `{"Text":"a"}`)
}

// TestEvents: the frames of an answer that is a stream, and an error at its end.
func TestEvents(t *testing.T) {
	e := newEcho(t, kinesis.Options{})
	e.fail = errors.New("broken")
	for media, inner := range map[string]string{mediaJSON: "application/json", mediaCBOR: "application/cbor"} {
		got := e.ask(http.MethodPost, "{}", "Content-Type", media, "X-Amz-Target", "Echo_20200101.Watch")
		text, _ := io.ReadAll(got.Body)
		if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "application/vnd.amazon.eventstream" {
			t.Errorf("status %d, %q", got.StatusCode, got.Header.Get("Content-Type"))
		}
		last := 0
		for _, part := range []string{"initial-response", inner, "Said", ":exception-type", "InternalFailureException", "exception"} {
			at := bytes.Index(text[last:], []byte(part))
			if at < 0 {
				t.Fatalf("%q is missing in the frames %q", part, text[last:])
			}
			last += at
		}
	}
}

// TestQuery: forms in, XML out.
func TestQuery(t *testing.T) {
	e := newEcho(t, kinesis.Options{Anonymous: kinesis.Identity{Account: "123"}})
	type result struct{ Said string }
	e.HandleQuery(kinesis.QueryAction{
		Service: "echo", Name: "Shout", Version: "1", Namespace: "https://echo/",
		Serve: func(_ context.Context, who kinesis.Identity, form url.Values) (any, error) {
			if form.Get("Text") == "" {
				return nil, kinesis.Errorf("ValidationError", "1 < 2 & no text")
			}
			return result{form.Get("Text") + " & " + who.Account}, nil
		},
	})
	ask := func(form string) *http.Response {
		return e.ask(http.MethodPost, form, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	got := ask("Action=Shout&Version=1&Text=hey")
	id := got.Header.Get("X-Amzn-Requestid")
	check(t, got, http.StatusOK, "text/xml", "",
		`<ShoutResponse xmlns="https://echo/"><ShoutResult><Said>hey &amp; 123</Said></ShoutResult><ResponseMetadata><RequestId>`+id+"</RequestId></ResponseMetadata></ShoutResponse>\n")
	for form, code := range map[string]string{
		"Action=Shout&Version=1": "ValidationError", "Action=Whisper&Version=1": "InvalidAction", "Action=Shout": "InvalidAction", "": "InvalidAction", "%zz": "MalformedQueryString",
	} {
		got := ask(form)
		text, _ := io.ReadAll(got.Body)
		if got.StatusCode != http.StatusBadRequest || !bytes.Contains(text, []byte("<Type>Sender</Type><Code>"+code+"</Code>")) || !bytes.Contains(text, []byte(got.Header.Get("X-Amzn-Requestid"))) {
			t.Errorf("%q was answered with status %d: %s", form, got.StatusCode, text)
		}
	}
}

// TestNewFront: what is missing, and what cannot be.
func TestNewFront(t *testing.T) {
	parsed, err := model.Parse(table)
	if err != nil {
		t.Fatal(err)
	}
	s := kinesis.NewService(parsed, "echo")
	s.HandleRaw("Shout", func(context.Context, *kinesis.Call) error { return nil })
	_, err = kinesis.NewFront(kinesis.Options{}, s)
	for _, part := range []string{"nobody serves Echo.Say", "nobody serves Echo.Watch", "Echo has no operation Shout"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in %v", part, err)
		}
	}
	if _, err := kinesis.NewFront(kinesis.Options{BodyBytesMax: 10, BodiesBytesMax: 9}); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("more for one body than for all: %v", err)
	}
}

// TestObservationTakesTime: how long a request took is told.
func TestObservationTakesTime(t *testing.T) {
	e := newEcho(t, kinesis.Options{})
	e.say(`{"Text":"a"}`)
	if len(e.seen) != 1 || e.seen[0].Took <= 0 || e.seen[0].Took > time.Minute || e.seen[0].Service != "Echo" || !uuid.MatchString(e.seen[0].RequestID) {
		t.Errorf("seen was %+v", e.seen)
	}
}
