package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// The codes of an [Error], as the JSON protocols name them. The query protocol of STS
// has its own: InvalidClientTokenId for UnrecognizedClient, SignatureDoesNotMatch for
// InvalidSignature, and the others without "Exception"; all with status 403 but
// IncompleteSignature.
const (
	// MissingAuthenticationToken: nobody signed the request.
	MissingAuthenticationToken = "MissingAuthenticationTokenException"
	// IncompleteSignature: what is there is not a signature.
	IncompleteSignature = "IncompleteSignatureException"
	// InvalidSignature: it is one, but not of this request, or not now.
	InvalidSignature = "InvalidSignatureException"
	// UnrecognizedClient: there is no such access key, or it is disabled, or its
	// session token is another one.
	UnrecognizedClient = "UnrecognizedClientException"
)

// Error is why a request is refused, as AWS puts it. It never holds a secret: what
// came in an Authorization header is only quoted as a hash.
type Error struct {
	// Code is one of the constants of this package.
	Code string
	// Message is for people, and for SDKs that look for their clock in it.
	Message string
	// Status is the HTTP status of the JSON protocols.
	Status int
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(code, format string, arguments ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, arguments...), Status: http.StatusBadRequest}
}

func missing() *Error {
	return &Error{MissingAuthenticationToken, "Missing Authentication Token", http.StatusBadRequest}
}

func unrecognized() *Error {
	return &Error{UnrecognizedClient, "The security token included in the request is invalid.", http.StatusBadRequest}
}

func mismatch() *Error {
	const message = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	return &Error{InvalidSignature, message, http.StatusBadRequest}
}

// quoted is text of a request in a message: cut where it becomes unreasonable, and
// without what is not to be printed.
func quoted(text string) string {
	const most = 128
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, text)
}

// hashed stands for an Authorization header in a message: it may be a password that
// was sent to the wrong place.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}
