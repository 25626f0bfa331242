package auth

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The parameters of a presigned query.
const (
	queryAlgorithm     = "X-Amz-Algorithm"
	queryCredential    = "X-Amz-Credential"
	queryDate          = "X-Amz-Date"
	queryExpires       = "X-Amz-Expires"
	querySignature     = "X-Amz-Signature"
	querySignedHeaders = "X-Amz-SignedHeaders"
	queryToken         = "X-Amz-Security-Token"
)

const (
	// expiresSecondsMax is a week.
	expiresSecondsMax = 604_800
	// authorizationBytesMax is far more than any client needs.
	authorizationBytesMax = 8 << 10
)

// statement is what a request says of its signature, as it says it.
type statement struct {
	presigned     bool
	credential    string
	signedHeaders string
	signature     string
	date          string
	expires       string // presigned only
	token         string
	query         url.Values // all of it
	incomplete    *Error     // what is missing, if anything is
}

// readStatement finds the signature of a request, in its header or in its query.
func readStatement(r *http.Request) (statement, error) {
	var s statement
	if r.URL.RawQuery != "" {
		var err error
		if s.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return s, refuse(InvalidSignature, "The query string cannot be decoded.")
		}
	}
	header := r.Header["Authorization"]
	s.presigned = s.query.Has(queryAlgorithm) || s.query.Has(queryCredential) || s.query.Has(querySignature)
	switch {
	case s.presigned && len(header) > 0:
		return s, refuse(InvalidSignature, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	case s.presigned:
		return s, s.fromQuery()
	case len(header) == 0 || header[0] == "":
		return s, missing()
	case len(header) > 1:
		return s, refuse(IncompleteSignature, "The header 'Authorization' must be there once.")
	default:
		return s, s.fromHeader(header[0], r.Header)
	}
}

// fromHeader reads
//
//	AWS4-HMAC-SHA256 Credential=ID/20150830/us-east-1/kinesis/aws4_request,
//	SignedHeaders=host;x-amz-date, Signature=5d67...
//
// which is one line, the spaces after commas being optional.
func (s *statement) fromHeader(text string, header http.Header) error {
	if len(text) > authorizationBytesMax {
		return refuse(IncompleteSignature, "The header 'Authorization' is longer than %d bytes.", authorizationBytesMax)
	}
	name, rest, _ := strings.Cut(text, " ")
	switch {
	case strings.Contains(name, "="):
		return refuse(IncompleteSignature, "Authorization header must begin with the algorithm name, which cannot include an equal-sign. "+
			"(Hashed with SHA-256 and encoded with Base64) Authorization=%s", hashed(text))
	case strings.HasPrefix(name, "AWS4-") && name != algorithm:
		return refuse(IncompleteSignature, "Unsupported AWS 'algorithm': '%s'.", quoted(name))
	case name == algorithm:
		if err := s.parameters(rest); err != nil {
			return err
		}
	}
	s.date = first(header["X-Amz-Date"], header["Date"])
	s.token = first(header["X-Amz-Security-Token"])
	var lacking strings.Builder
	for _, p := range []struct{ name, value string }{
		{"Credential", s.credential}, {"Signature", s.signature}, {"SignedHeaders", s.signedHeaders},
	} {
		if p.value == "" {
			lacking.WriteString("Authorization header requires '" + p.name + "' parameter. ")
		}
	}
	if s.date == "" {
		lacking.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	if lacking.Len() > 0 {
		s.incomplete = refuse(IncompleteSignature, "%s(Hashed with SHA-256 and encoded with Base64) Authorization=%s", lacking.String(), hashed(text))
	}
	return nil
}

// parameters reads what follows the name of the algorithm.
func (s *statement) parameters(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, value, found := strings.Cut(part, "=")
		if !found {
			return refuse(IncompleteSignature, "Invalid key=value pair (missing equal-sign) in Authorization header "+
				"(hashed with SHA-256 and encoded with Base64): '%s'.", hashed(part))
		}
		var to *string
		switch name {
		case "Credential":
			to = &s.credential
		case "SignedHeaders":
			to = &s.signedHeaders
		case "Signature":
			to = &s.signature
		default:
			return refuse(IncompleteSignature, "Unknown parameter in Authorization header: '%s'.", quoted(name))
		}
		if *to != "" {
			return refuse(IncompleteSignature, "Authorization header has two '%s' parameters.", name)
		}
		*to = value
	}
	return nil
}

// fromQuery reads the parameters of a presigned query. Each may be there once.
func (s *statement) fromQuery() error {
	var lacking strings.Builder
	take := func(name string, required bool) string {
		values := s.query[name]
		if required && first(values) == "" {
			lacking.WriteString("AWS query-string parameters must include '" + name + "'. ")
		}
		return first(values)
	}
	for name, values := range s.query {
		if strings.HasPrefix(name, "X-Amz-") && len(values) != 1 {
			return refuse(InvalidSignature, "The query-string parameter '%s' must be there once.", quoted(name))
		}
	}
	method := take(queryAlgorithm, true)
	s.credential = take(queryCredential, true)
	s.signature = take(querySignature, true)
	s.signedHeaders = take(querySignedHeaders, true)
	s.date = take(queryDate, true)
	s.expires = take(queryExpires, true)
	s.token = take(queryToken, false)
	if lacking.Len() > 0 {
		s.incomplete = refuse(IncompleteSignature, "%sRe-examine the query-string parameters.", lacking.String())
	}
	if method != "" && method != algorithm {
		return refuse(IncompleteSignature, "Unsupported AWS 'algorithm': '%s'.", quoted(method))
	}
	return nil
}

// lifetime returns how long a presigned query is good for.
func (s *statement) lifetime() (time.Duration, error) {
	seconds, err := strconv.ParseUint(s.expires, 10, 32)
	if err != nil || seconds < 1 || seconds > expiresSecondsMax {
		return 0, refuse(InvalidSignature, "X-Amz-Expires must be a number of seconds from 1 to %d. Got '%s'.", expiresSecondsMax, quoted(s.expires))
	}
	return time.Duration(seconds) * time.Second, nil
}

// first returns the first value of the first list that has any.
func first(lists ...[]string) string {
	for _, values := range lists {
		if len(values) > 0 {
			return values[0]
		}
	}
	return ""
}
