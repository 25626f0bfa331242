package auth

import (
	"net/http"
	"slices"
	"strings"
)

const (
	contentHash = "x-amz-content-sha256"

	// The host is signed by its name in HTTP/1.1 or in HTTP/2; the SDK for JavaScript takes
	// the latter. net/http keeps both in one place.
	hostHeader      = "host"
	authorityHeader = ":authority"
)

// signedHeadersMax bounds the list of signed headers.
const signedHeadersMax = 128

// readSignedHeaders takes "content-type;host;x-amz-date" apart. Names are in lower case,
// sorted, and there once: it is the form that is signed.
func readSignedHeaders(text string) ([]string, error) {
	if strings.Count(text, ";") >= signedHeadersMax {
		return nil, refuse(InvalidSignature, "'SignedHeaders' has more than %d names.", signedHeadersMax)
	}
	names := strings.Split(text, ";")
	for i, name := range names {
		if name == "" || name != strings.ToLower(name) || i > 0 && name <= names[i-1] {
			return nil, refuse(InvalidSignature, "'SignedHeaders' must be sorted names in lower case, separated by ';'. Got '%s'.", quoted(text))
		}
	}
	return names, nil
}

// mustBeSigned reports whether a server acts upon the header, so that one that was
// added on the way would do harm: the operation is one, and so is what tells how to
// read the body.
func mustBeSigned(name string) bool {
	return strings.HasPrefix(name, "x-amz-") || name == "content-type" || name == "content-encoding"
}

// checkHeaders refuses a request with a header that has to be signed and is not, or
// that is there twice: a reader of the first would not see what was signed.
func checkHeaders(r *http.Request, signed []string) error {
	if !slices.Contains(signed, hostHeader) && !slices.Contains(signed, authorityHeader) {
		return refuse(InvalidSignature, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	var unsigned, repeated string // the first by name: answers do not change
	for key, values := range r.Header {
		name := strings.ToLower(key)
		if !mustBeSigned(name) {
			continue
		}
		if name != contentHash && !slices.Contains(signed, name) && (unsigned == "" || name < unsigned) {
			unsigned = name
		}
		if len(values) != 1 && (repeated == "" || name < repeated) {
			repeated = name
		}
	}
	switch {
	case unsigned != "":
		return refuse(InvalidSignature, "'%s' must be a 'SignedHeader' in the AWS Authorization.", quoted(unsigned))
	case repeated != "":
		return refuse(InvalidSignature, "The header '%s' must be there once.", quoted(repeated))
	}
	return nil
}

// toSign returns the names of the headers that have to be signed, sorted.
func toSign(header http.Header) []string {
	names := []string{hostHeader}
	for key := range header {
		if name := strings.ToLower(key); mustBeSigned(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
