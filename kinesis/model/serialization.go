package model

import (
	"errors"
	"strconv"
	"strings"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// SerializationError is a value of a document that is not of its member's type.
type SerializationError struct {
	// Member is the place, spelled as in a [ValidationError]; empty for the document.
	Member string
	// Message is AWS's text, which does not name the member.
	Message string
}

// Error returns the text that AWS's SerializationException carries.
func (e *SerializationError) Error() string { return e.Message }

// translate turns the reader's error about a value of a fitting kind into AWS's words.
func (d *decoder) translate(want Kind, got wire.Kind, err error) error {
	var wrong *wire.TypeError
	if !errors.As(err, &wrong) {
		return err
	}
	if conversions[want] == "" { // the key of a member that is no text
		return &SerializationError{Member: d.path.String(), Message: unexpected}
	}
	return d.unconvertible(want, got, wrong.Detail)
}

// unexpected is AWS's text for a plain value where there are members.
const unexpected = "Unexpected field type"

// mismatch returns AWS's text for a value whose kind does not fit. The texts are those
// that its JSON services give their users today, as reports of them quote them.
func (d *decoder) mismatch(want Kind, got wire.Kind) error {
	message := ""
	switch {
	case got == wire.Object:
		message = "Start of structure or map found where not expected."
	case got == wire.List:
		message = "Start of list found where not expected"
	case want == List:
		message = "Expected list or null"
	case want == Map:
		message = "Expected map or null"
	case want == Structure:
		message = unexpected
	default:
		return d.unconvertible(want, got, "")
	}
	return &SerializationError{Member: d.path.String(), Message: message}
}

var conversions = map[Kind]string{
	String: "an String", Integer: "an Integer", Long: "an Long", Float: "an Float", Double: "an Double",
	Blob: "a Blob", Boolean: "an Boolean", Timestamp: "milliseconds since epoch",
}

// unconvertible returns AWS's text for one plain value in place of another. Detail, if
// there is any, is ours.
func (d *decoder) unconvertible(want Kind, got wire.Kind, detail string) error {
	found := ""
	switch got {
	case wire.Bool:
		truth, err := d.Bool()
		if err != nil {
			return err
		}
		found = strings.ToUpper(strconv.FormatBool(truth)) + "_VALUE"
	case wire.Number:
		found = "NUMBER_VALUE"
	case wire.Text:
		found = "STRING_VALUE"
	case wire.Blob:
		found = "BINARY_VALUE"
	case wire.Time:
		found = "TIMESTAMP_VALUE"
	case wire.Null, wire.List, wire.Object:
	}
	message := found + " can not be converted to " + conversions[want]
	if detail != "" {
		message += ": " + detail
	}
	return &SerializationError{Member: d.path.String(), Message: message}
}
