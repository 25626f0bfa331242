package requests

import (
	"fmt"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// ClientOption is the option that says which client is meant, and Thin the value
// that means this one.
const (
	ClientOption = "client"
	Thin         = "thin"
)

// encoding is how the documents that carry records are written.
type encoding struct {
	media  string
	writer func() wire.Writer
	reader func(document []byte) wire.Reader
}

var (
	jsonEncoding = encoding{
		"application/x-amz-json-1.1", func() wire.Writer { return new(wire.JSONWriter) },
		func(document []byte) wire.Reader { return wire.NewJSONReader(document) },
	}
	cborEncoding = encoding{
		"application/x-amz-cbor-1.1", func() wire.Writer { return new(wire.CBORWriter) },
		func(document []byte) wire.Reader { return wire.NewCBORReader(document) },
	}
)

// choice is what options choose.
type choice struct {
	encoding
	tls bool
}

// readOptions reads options. One that has no effect is an error: it would be in a
// report as if it had.
func readOptions(given map[string]string) (choice, error) {
	chosen := choice{encoding: jsonEncoding}
	for name, value := range given {
		switch {
		case name == ClientOption && value == Thin, name == "encoding" && value == "json", name == "tls" && value == "false":
		case name == "encoding" && value == "cbor":
			chosen.encoding = cborEncoding
		case name == "tls" && value == "true":
			chosen.tls = true
		default:
			return chosen, fmt.Errorf("requests: option %s=%s: there are client=thin, encoding=json or cbor, and tls=true or false", name, value)
		}
	}
	return chosen, nil
}
