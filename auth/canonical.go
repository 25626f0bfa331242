package auth

import (
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// appendCanonical appends the canonical form of a request without its last line, which
// is the hash of the body in hexadecimal. It reports whether every signed header is
// there.
//
//	POST                                       method
//	/                                          path: normal form, encoded once more
//	a=1&b=2                                    query: encoded, sorted
//	content-type:application/x-amz-json-1.1    signed headers, sorted:
//	host:kinesis.us-east-1.amazonaws.com         values trimmed, joined by commas
//	x-amz-target:Kinesis_20131202.PutRecord
//	                                           an empty line
//	content-type;host;x-amz-target             the names again
func appendCanonical(to []byte, r *http.Request, host string, query url.Values, signed []string) ([]byte, bool) {
	to = append(append(to, r.Method...), '\n')
	to = append(appendPath(to, sentPath(r)), '\n')
	to = append(appendQuery(to, query), '\n')
	for _, name := range signed {
		values, ok := headerValues(r, host, name)
		if !ok {
			return to, false
		}
		to = append(append(to, name...), ':')
		for i, value := range values {
			if i > 0 {
				to = append(to, ',')
			}
			to = appendTrimmed(to, value)
		}
		to = append(to, '\n')
	}
	to = append(to, '\n')
	for i, name := range signed {
		if i > 0 {
			to = append(to, ';')
		}
		to = append(to, name...)
	}
	return append(to, '\n'), true
}

// headerValues returns the values of a header, also of those that net/http keeps
// elsewhere.
func headerValues(r *http.Request, host, name string) ([]string, bool) {
	if name == hostHeader || name == authorityHeader {
		return []string{host}, host != ""
	}
	values := r.Header[textproto.CanonicalMIMEHeaderKey(name)]
	if len(values) == 0 && name == "content-length" && r.ContentLength >= 0 {
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	return values, len(values) > 0
}

// appendTrimmed appends a header's value without spaces around it, and with one space
// where there are more inside, also between quotes.
func appendTrimmed(to []byte, value string) []byte {
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if value[i] != ' ' || value[i-1] != ' ' {
			to = append(to, value[i])
		}
	}
	return to
}

// sentPath returns the path as it stands in the request line, because it is signed
// byte by byte: RequestURI, and the URL for requests that did not come from a socket.
func sentPath(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return path
	}
	return r.URL.EscapedPath()
}

// appendPath appends the normal form of a path: no empty segments, no dots, and
// percent signs encoded once more, as all services but S3 have it.
func appendPath(to []byte, path string) []byte {
	if path == "/" || path == "" { // nearly always
		return append(to, '/')
	}
	var segments []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			segments = segments[:max(0, len(segments)-1)]
		default:
			segments = append(segments, segment)
		}
	}
	for _, segment := range segments {
		to = appendEncoded(append(to, '/'), segment)
	}
	if len(segments) == 0 || strings.HasSuffix(path, "/") {
		to = append(to, '/')
	}
	return to
}

// appendQuery appends the query: names and values encoded, then sorted, without the
// signature itself.
func appendQuery(to []byte, query url.Values) []byte {
	type pair struct{ name, value string }
	var pairs []pair
	for name, values := range query {
		if name == querySignature {
			continue
		}
		encoded := string(appendEncoded(nil, name))
		for _, value := range values {
			pairs = append(pairs, pair{encoded, string(appendEncoded(nil, value))})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if order := strings.Compare(a.name, b.name); order != 0 {
			return order
		}
		return strings.Compare(a.value, b.value)
	})
	for i, p := range pairs {
		if i > 0 {
			to = append(to, '&')
		}
		to = append(append(append(to, p.name...), '='), p.value...)
	}
	return to
}

// appendEncoded appends text with everything encoded but what RFC 3986 calls
// unreserved.
func appendEncoded(to []byte, text string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		if b := text[i]; isLower(b) || isDigit(b) || 'A' <= b && b <= 'Z' || strings.IndexByte("-._~", b) >= 0 {
			to = append(to, b)
		} else {
			to = append(to, '%', digits[b>>4], digits[b&15])
		}
	}
	return to
}
