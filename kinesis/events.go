package kinesis

import (
	"net/http"
	"time"

	"github.com/millrace-io/millrace/kinesis/wire"
)

const (
	mediaEvents = "application/vnd.amazon.eventstream"
	// eventPatience is how long a client may take to accept an event.
	eventPatience = 30 * time.Second
)

// Events is an answer that is a stream of events. It serves one goroutine.
type Events struct {
	call    *Call
	control *http.ResponseController
	frame   []byte
}

// Events begins an answer of events: status 200, and the event that clients wait for before they
// take any other. From here on errors are events, too.
func (c *Call) Events() (*Events, error) {
	c.response.Header().Set("Content-Type", mediaEvents)
	c.began = true
	c.response.WriteHeader(http.StatusOK)
	e := &Events{call: c, control: http.NewResponseController(c.response)}
	return e, e.Send("initial-response", func(w wire.Writer) {
		w.Object()
		w.EndObject()
	})
}

// Send sends an event, whose document write writes.
func (e *Events) Send(name string, write func(wire.Writer)) error {
	_, err := e.SendIf(name, write, func() bool { return true })
	return err
}

// SendIf is Send if, once the document was written, wanted says so. It reports whether an event
// was sent, or could not be.
func (e *Events) SendIf(name string, write func(wire.Writer), wanted func() bool) (sent bool, err error) {
	w := e.call.Writer()
	write(w)
	if !wanted() {
		e.call.scratch.output = w.Bytes()[:0]
		return false, nil
	}
	return true, e.put([]wire.Header{
		{Name: ":event-type", Value: name},
		{Name: ":content-type", Value: eventMedia[e.call.Encoding]},
		{Name: ":message-type", Value: "event"},
	}, w)
}

// Fail sends an error as the last event.
func (e *Events) Fail(err error) error {
	shown := errorOf(err)
	if shown.Code == CodeInternalFailure {
		shown = &Error{Code: codeInternalFailureListed, Message: shown.Message} // which streams of events list
	}
	w := e.call.Writer()
	w.Object()
	w.Key("message")
	w.Text(shown.Message)
	w.EndObject()
	return e.put([]wire.Header{
		{Name: ":exception-type", Value: shown.Code},
		{Name: ":content-type", Value: eventMedia[e.call.Encoding]},
		{Name: ":message-type", Value: "exception"},
	}, w)
}

var eventMedia = [...]string{JSON: "application/json", CBOR: "application/cbor"}

// put sends one frame at once.
func (e *Events) put(headers []wire.Header, w wire.Writer) error {
	document := w.Bytes()
	e.call.scratch.output = document[:0]
	frame, err := wire.AppendEvent(e.frame[:0], headers, func(dst []byte) []byte { return append(dst, document...) })
	e.frame = frame[:0]
	if err != nil {
		return err
	}
	// A server that cannot set deadlines leaves a slow client to its own timeouts.
	_ = e.control.SetWriteDeadline(time.Now().Add(eventPatience))
	n, err := e.call.response.Write(frame)
	e.call.sent += int64(n)
	if err != nil {
		return err
	}
	if err := e.control.Flush(); err != nil {
		return err
	}
	// The next event may be later than that: until then there is nothing to be late with.
	_ = e.control.SetWriteDeadline(time.Time{})
	return nil
}
