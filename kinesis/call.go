package kinesis

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// Encoding is how documents are written.
type Encoding uint8

// The encodings.
const (
	JSON Encoding = iota
	CBOR
)

const (
	mediaJSON = "application/x-amz-json-1.1"
	mediaCBOR = "application/x-amz-cbor-1.1"
)

// Identity is who sends a request, and where they believe they send it to.
type Identity struct {
	// Account is the twelve digits of who asks.
	Account string
	// Region is the one that the signature names.
	Region string
	// Principal is the ARN of who asks.
	Principal string
	// AccessKey is the key that signed the request; empty if nobody did.
	AccessKey string
}

// Call is one request, as an operation sees it. It is good until the operation
// returns, and serves one goroutine.
type Call struct {
	Identity
	// RequestID is in the answer as x-amzn-RequestId.
	RequestID string
	// Encoding is that of the request and of the answer.
	Encoding Encoding
	// Operation is the name of what was asked for.
	Operation string
	// Body is the document. It is good until the operation returns.
	Body []byte

	front    *Front
	service  *Service
	response http.ResponseWriter
	scratch  *scratch
	began    bool  // the answer is on its way: an error can no longer be sent
	sent     int64 // bytes of the answer's body
}

// scratch is the memory of a call.
type scratch struct {
	body       []byte
	output     []byte
	jsonReader *wire.JSONReader
	cborReader *wire.CBORReader
	jsonWriter wire.JSONWriter
	cborWriter wire.CBORWriter
}

// scratchBytesMax is the largest buffer that is kept for the next call.
const scratchBytesMax = 16 << 20

var scratches = sync.Pool{New: func() any {
	return &scratch{jsonReader: wire.NewJSONReader(nil), cborReader: wire.NewCBORReader(nil)}
}}

func (s *scratch) release() {
	if cap(s.body) > scratchBytesMax || cap(s.output) > scratchBytesMax {
		return
	}
	s.jsonReader.Reset(nil)
	s.cborReader.Reset(nil)
	scratches.Put(s)
}

// Reader returns a reader of the body, at its beginning. A call has one: a second call
// begins anew with the same.
func (c *Call) Reader() wire.Reader {
	if c.Encoding == CBOR {
		c.scratch.cborReader.Reset(c.Body)
		return c.scratch.cborReader
	}
	c.scratch.jsonReader.Reset(c.Body)
	return c.scratch.jsonReader
}

// Writer returns an empty writer for the answer.
func (c *Call) Writer() wire.Writer {
	if c.Encoding == CBOR {
		c.scratch.cborWriter.Reset(c.scratch.output)
		return &c.scratch.cborWriter
	}
	c.scratch.jsonWriter.Reset(c.scratch.output)
	return &c.scratch.jsonWriter
}

// Permit asks whether the caller may do this to the resource, an ARN or "*". Every
// operation calls it once, as soon as it knows the resource. It returns the error
// to answer with.
func (c *Call) Permit(ctx context.Context, resource string) error {
	if c.front.options.Authorize == nil {
		return nil
	}
	return c.front.options.Authorize(ctx, Permission{
		Identity: c.Identity, Action: c.service.Prefix + ":" + c.Operation, Resource: resource,
	})
}

// Answer sends what was written, with status 200.
func (c *Call) Answer(w wire.Writer) { c.answer(http.StatusOK, w.Bytes()) }

// answer sends a document.
func (c *Call) answer(status int, document []byte) {
	c.scratch.output = document[:0]
	header := c.response.Header()
	header["Content-Type"] = mediaHeaders[c.Encoding]
	header.Set("Content-Length", strconv.Itoa(len(document)))
	c.began = true
	c.response.WriteHeader(status)
	c.sent += int64(len(document))
	_, _ = c.response.Write(document) // nobody is there to be told
}

var mediaHeaders = [...][]string{JSON: {mediaJSON}, CBOR: {mediaCBOR}}

// fail sends an error, unless the answer has begun.
func (c *Call) fail(err *Error) {
	if c.began {
		return
	}
	c.response.Header().Set("X-Amzn-Errortype", err.Code)
	w := c.Writer()
	w.Object()
	w.Key("__type")
	w.Text(err.Code)
	if err.Message != "" {
		w.Key(messageKey(err.Code))
		w.Text(err.Message)
	}
	w.EndObject()
	c.answer(statusOf(err), w.Bytes())
}

// messageKey is "message" but for one error, which AWS writes in a layer of its own.
func messageKey(code string) string {
	if code == CodeSerialization {
		return "Message"
	}
	return "message"
}

func statusOf(err *Error) int {
	if err.Status == 0 {
		return http.StatusBadRequest
	}
	return err.Status
}
