package kinesis

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/millrace-io/millrace/failure"
)

// Options configure a front.
type Options struct {
	// Authenticate knows who sends a request. Nil: everybody is Anonymous.
	Authenticate Authenticator
	// Anonymous is who sends requests if nobody is authenticated.
	Anonymous Identity
	// Authorize is asked once for every request. It returns the error to answer with.
	// Nil: everything is permitted.
	Authorize func(context.Context, Permission) error
	// BodyBytesMax is the largest body. Default: 24 MiB, more than 10 MiB of records take
	// in base64 with keys.
	BodyBytesMax int64
	// BodiesBytesMax is the most that all bodies at work take. Those that find no room wait
	// for it. Default: 512 MiB.
	BodiesBytesMax int64
	// Origin says whether a page of an origin, as browsers name it, may call. Those that may
	// not are answered with 403. Nil: all may, as with AWS.
	Origin func(origin string) bool
	// Observe is told of every request that named an operation, once it was answered. It may be
	// called concurrently, and should return soon. Default: nobody.
	Observe func(Observation)
}

// Permission is what a request needs.
type Permission struct {
	Identity
	// Action is the operation with the service's prefix: kinesis:PutRecord.
	Action string
	// Resource is an ARN, or "*".
	Resource string
}

// Observation is what became of a request.
type Observation struct {
	Service, Operation string
	// Code and Status are those of the error; empty and 200 for success. Err is its cause,
	// which the client is not shown.
	Code   string
	Status int
	Err    error
	// RequestID is in the answer.
	RequestID string
	Took      time.Duration
	// RequestBytes and AnswerBytes are the sizes of the bodies. That of a request which was
	// refused by its headers is 0: it was not read.
	RequestBytes, AnswerBytes int64
}

// Authenticator knows who sends a request.
type Authenticator interface {
	// Begin checks what can be checked without the body, for one of these services. It
	// returns an [*Error], or what remains to be done.
	Begin(r *http.Request, services []string) (Signed, error)
}

// Signed is a request of which all but the body was checked.
type Signed interface {
	// Finish checks the body and says who sends it, or returns an [*Error].
	Finish(body []byte) (Identity, error)
}

const (
	bodyBytesDefault   = 24 << 20
	bodiesBytesDefault = 512 << 20
)

// Front serves requests. It may be used concurrently.
type Front struct {
	options  Options
	services map[string]*Service // by target prefix
	actions  map[string]*QueryAction
	bodies   *semaphore.Weighted
}

// NewFront returns a front for these services. It is an error if one of their operations
// is not served.
func NewFront(o Options, services ...*Service) (*Front, error) {
	if o.BodyBytesMax == 0 {
		o.BodyBytesMax = bodyBytesDefault
	}
	if o.BodiesBytesMax == 0 {
		o.BodiesBytesMax = max(bodiesBytesDefault, o.BodyBytesMax)
	}
	if o.BodyBytesMax < 1 || o.BodiesBytesMax < o.BodyBytesMax {
		return nil, failure.New(failure.InvalidArgument, "kinesis: configure",
			"body bytes max (%d) must be positive and at most bodies bytes max (%d)", o.BodyBytesMax, o.BodiesBytesMax)
	}
	f := &Front{
		options: o, services: make(map[string]*Service), actions: make(map[string]*QueryAction),
		bodies: semaphore.NewWeighted(o.BodiesBytesMax),
	}
	var errs []error
	for _, s := range services {
		errs = append(errs, s.missing()...)
		f.services[s.Table.TargetPrefix] = s
	}
	return f, errors.Join(errs...)
}

// ServeHTTP serves one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	id := newRequestID()
	header := w.Header()
	header["X-Amzn-Requestid"] = []string{id}
	header["X-Amz-Id-2"] = []string{newExtendedID()}
	if origin := r.Header.Get("Origin"); origin != "" {
		if f.options.Origin != nil && !f.options.Origin(origin) {
			answerXML(w, http.StatusForbidden, "<AccessDeniedException>\n  <Message>Pages of this origin may not call</Message>\n</AccessDeniedException>\n")
			return
		}
		allowOrigin(header, r)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusOK)
			return
		}
	}
	if r.Method != http.MethodPost {
		answerXML(w, http.StatusForbidden, "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n")
		return
	}
	c := &Call{RequestID: id, front: f, response: w}
	switch media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media {
	case mediaJSON, "application/json":
	case mediaCBOR, "application/cbor":
		c.Encoding = CBOR
	case mediaForm:
		f.serveQuery(c, r, began)
		return
	default:
		answerXML(w, http.StatusNotFound, "<UnknownOperationException/>\n")
		return
	}
	c.scratch = scratches.Get().(*scratch)
	defer c.scratch.release()
	seen := Observation{Status: http.StatusOK, RequestID: id}
	if seen.Err = f.serve(c, r); seen.Err != nil {
		shown := errorOf(seen.Err)
		if c.service != nil {
			shown = c.service.listed(c.Operation, shown)
		}
		seen.Code, seen.Status = shown.Code, statusOf(shown)
		c.fail(shown)
	}
	if c.service != nil {
		seen.Service = c.service.Table.Name
		f.observe(c, seen, began)
	}
}

// observe tells of a request that was answered.
func (f *Front) observe(c *Call, seen Observation, began time.Time) {
	if f.options.Observe == nil {
		return
	}
	seen.Operation, seen.Took, seen.RequestBytes, seen.AnswerBytes = c.Operation, time.Since(began), int64(len(c.Body)), c.sent
	f.options.Observe(seen)
}

// serve takes the steps from the target on.
func (f *Front) serve(c *Call, r *http.Request) error {
	prefix, name, _ := cutLast(r.Header.Get("X-Amz-Target"), '.')
	service := f.services[prefix]
	if service == nil || service.operations[name] == nil {
		return &Error{Code: CodeUnknownOperation}
	}
	c.service, c.Operation = service, name
	signed, err := f.begin(r, service.Prefix)
	if err != nil {
		return err
	}
	release, err := f.readBody(c, r)
	if err != nil {
		return err
	}
	defer release()
	if c.Identity, err = signed.Finish(c.Body); err != nil {
		return err
	}
	return service.operations[name](r.Context(), c)
}

// begin checks the signature as far as the headers go.
func (f *Front) begin(r *http.Request, services ...string) (Signed, error) {
	if f.options.Authenticate == nil {
		return anonymous(f.options.Anonymous), nil
	}
	return f.options.Authenticate.Begin(r, services)
}

// anonymous is a request that nobody signed.
type anonymous Identity

func (a anonymous) Finish([]byte) (Identity, error) { return Identity(a), nil }

// readBody reads the body into the call's memory once there is room for it. What it
// returns gives the room back.
func (f *Front) readBody(c *Call, r *http.Request) (release func(), err error) {
	size := r.ContentLength
	if size > f.options.BodyBytesMax {
		return nil, tooLarge(f.options.BodyBytesMax)
	}
	room := size
	if size < 0 {
		room = f.options.BodyBytesMax
	}
	if err := f.bodies.Acquire(r.Context(), room); err != nil {
		return nil, failure.Wrap(failure.Timeout, "kinesis: wait for room for a body", err)
	}
	release = func() { f.bodies.Release(room) }
	body, err := readAll(c.scratch.body[:0], r.Body, size, f.options.BodyBytesMax)
	c.scratch.body = body[:0]
	if err != nil {
		release()
		return nil, err
	}
	c.Body = body
	return release, nil
}

// readAll appends all of source to b, at most limit bytes. size is how much there is, or
// below 0.
func readAll(b []byte, source io.Reader, size, limit int64) ([]byte, error) {
	if size >= 0 {
		b = slices.Grow(b, int(size)+1) // one more, to see the end
	}
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, max(4<<10, len(b)))
		}
		n, err := source.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > limit:
			return b, tooLarge(limit)
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, failure.Wrap(failure.Timeout, "kinesis: read the body", err)
		}
	}
}

func tooLarge(limit int64) *Error {
	return &Error{Code: CodeTooLarge, Message: "The request is larger than " + strconv.FormatInt(limit, 10) + " bytes.", Status: http.StatusRequestEntityTooLarge}
}

// allowOrigin lets a page of another origin call, as AWS does.
func allowOrigin(header http.Header, r *http.Request) {
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date")
	if r.Method == http.MethodOptions {
		header.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
		header.Set("Access-Control-Allow-Methods", r.Header.Get("Access-Control-Request-Method"))
		header.Set("Access-Control-Max-Age", "172800")
	}
}

func answerXML(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // nobody is there to be told
}

// newRequestID returns a random UUID.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var text [36]byte
	hex.Encode(text[:8], b[:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// newExtendedID returns what AWS sends as x-amz-id-2: 72 bytes that mean nothing to a client.
func newExtendedID() string {
	var b [72]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// cutLast cuts at the last separator.
func cutLast(s string, separator byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, separator); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}
