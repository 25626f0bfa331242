package protocol

import (
	"errors"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol/fb"
)

var errorShape = newShape(field16, fieldString, fieldString, fieldString, fieldString, field64)

// Error answers any request that failed. Under request number 0 it concerns the
// connection as a whole, which the server then closes.
type Error struct {
	Kind       failure.Kind
	Operation  string
	Stream     string
	Shard      string
	Detail     string
	RetryAfter time.Duration
}

// errorTextBytesMax bounds each text of an error message: chains of errors may
// quote what a client sent.
const errorTextBytesMax = 4 << 10

// ErrorOf turns an error into its message. What travels of a chain of errors is
// its outermost [failure.Error]; of others, the text. Texts are cut to 4 KiB.
func ErrorOf(err error) Error {
	known, ok := errors.AsType[*failure.Error](err)
	if !ok {
		return Error{Kind: failure.KindOf(err), Detail: cut(err.Error())}
	}
	detail := known.Detail
	if known.Err != nil {
		if detail != "" {
			detail += ": "
		}
		detail += known.Err.Error()
	}
	return Error{
		Kind: known.Kind, Operation: cut(known.Operation), Stream: cut(known.Stream), Shard: cut(known.Shard),
		Detail: cut(detail), RetryAfter: known.RetryAfter,
	}
}

// cut bounds a text.
func cut(text string) string { return text[:min(len(text), errorTextBytesMax)] }

// Failure returns the error that the message carries.
func (m Error) Failure() *failure.Error {
	return &failure.Error{
		Kind: m.Kind, Operation: m.Operation, Stream: m.Stream, Shard: m.Shard,
		Detail: m.Detail, RetryAfter: m.RetryAfter,
	}
}

// AppendTo appends the message to destination.
func (m Error) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeError, request, errorShape)
	e.set16(0, uint16(m.Kind))
	e.set64(5, uint64(m.RetryAfter))
	for i, text := range [...]string{m.Operation, m.Stream, m.Shard, m.Detail} {
		e.setString(1+i, text)
	}
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Error) Parse(message Message) error {
	at, err := message.verify(TypeError, errorShape)
	if err != nil {
		return err
	}
	var head fb.Error
	head.Init(message.Head, at)
	*m = Error{
		Kind: failure.Kind(head.Kind()), Operation: string(head.Operation()), Stream: string(head.Stream()),
		Shard: string(head.Shard()), Detail: string(head.Detail()), RetryAfter: time.Duration(head.RetryAfter()),
	}
	return nil
}
