package failure

import (
	"fmt"
	"strings"
	"time"
)

// Error is a failure with its place. Every field but Kind may be empty.
type Error struct {
	// Kind is what errors.Is compares.
	Kind Kind
	// Operation is the place, package first: "wal: append".
	Operation string
	// Stream and Shard name what was being worked on.
	Stream string
	Shard  string
	// Detail is one sentence for people, without the kind in it.
	Detail string
	// RetryAfter is the server's advice; it wins over the caller's own backoff.
	RetryAfter time.Duration
	// Err is the error underneath, if any. It does not travel over the wire.
	Err error
}

// New returns an Error whose detail is formatted from format and args.
func New(kind Kind, operation, format string, args ...any) *Error {
	return &Error{Kind: kind, Operation: operation, Detail: fmt.Sprintf(format, args...)}
}

// Wrap returns an Error of the given kind over err. It returns an Error also
// for a nil err: the kind alone is then the message.
func Wrap(kind Kind, operation string, err error) *Error {
	return &Error{Kind: kind, Operation: operation, Err: err}
}

// Error renders "operation stream/shard: kind: detail: cause".
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.Operation)
	if e.Stream != "" {
		separate(&text, " ")
		text.WriteString(e.Stream)
	}
	if e.Shard != "" {
		separator := " "
		if e.Stream != "" {
			separator = "/"
		}
		separate(&text, separator)
		text.WriteString(e.Shard)
	}
	separate(&text, ": ")
	text.WriteString(e.Kind.String())
	if e.Detail != "" {
		text.WriteString(": ")
		text.WriteString(e.Detail)
	}
	if e.Err != nil {
		text.WriteString(": ")
		text.WriteString(e.Err.Error())
	}
	return text.String()
}

// Unwrap returns the kind and the cause, so that errors.Is and errors.As find
// both.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// separate writes a separator unless nothing has been written yet.
func separate(text *strings.Builder, separator string) {
	if text.Len() > 0 {
		text.WriteString(separator)
	}
}
