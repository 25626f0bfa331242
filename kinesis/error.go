package kinesis

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/millrace-io/millrace/failure"
)

// Error is an error as AWS shows it. Operations return one to choose code and text; other
// errors are translated by [errorOf].
type Error struct {
	// Code is the exception's name: ResourceNotFoundException.
	Code string
	// Message is the text.
	Message string
	// Status is the HTTP status. Zero is 400.
	Status int
	// Err is the cause, for the log. It is not shown.
	Err error
}

// Errorf returns an error with HTTP status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

// Error returns code and text.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Codes that any operation may answer with, whether its table names them or not.
const (
	CodeInternalFailure    = "InternalFailure"
	CodeServiceUnavailable = "ServiceUnavailable"
	CodeThrottling         = "ThrottlingException"
	CodeSerialization      = "SerializationException"
	CodeValidation         = "ValidationException"
	CodeUnknownOperation   = "UnknownOperationException"
	CodeAccessDenied       = "AccessDeniedException"
	CodeTooLarge           = "RequestEntityTooLargeException"
)

// codeInternalFailureListed is what InternalFailure is called where a table lists it.
const codeInternalFailureListed = "InternalFailureException"

// errorOf returns err as AWS shows it. What nobody foresaw is an InternalFailure whose
// cause is for the log only: it may name files.
func errorOf(err error) *Error {
	var shown *Error
	if errors.As(err, &shown) {
		return shown
	}
	switch kind := failure.KindOf(err); {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), kind == failure.Timeout:
		return &Error{Code: CodeServiceUnavailable, Message: "The request was not finished in time; its outcome is unknown.", Status: http.StatusServiceUnavailable, Err: err}
	case kind == failure.Unavailable || kind == failure.Closed:
		return &Error{Code: CodeServiceUnavailable, Message: "The server is starting or stopping.", Status: http.StatusServiceUnavailable, Err: err}
	default:
		return &Error{Code: CodeInternalFailure, Message: "The request processing has failed because of an unknown error, exception or failure.", Status: http.StatusInternalServerError, Err: err}
	}
}
