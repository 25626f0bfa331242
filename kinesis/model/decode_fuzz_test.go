package model_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/kinesis/wire"
)

// FuzzDecode reads anything as a structure, in JSON and in CBOR. It either fails by one
// of the named errors, or the struct can be written and is read again as it was.
func FuzzDecode(f *testing.F) {
	plan := bind[all](f, parse(f, planTable), "All")
	var binary wire.CBORWriter
	plan.Encode(&binary, full())
	f.Add([]byte(fullJSON))
	f.Add(binary.Bytes())
	f.Add([]byte(`{"Must":"must","Needed":1,"Set":true,"Inner":{},"Inner":null,"Names":[null,""],"Inners":[null],"Pairs":{"a":null}}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		roundTrip(t, plan, wire.NewJSONReader(document), new(wire.JSONWriter), func(b []byte) wire.Reader { return wire.NewJSONReader(b) })
		roundTrip(t, plan, wire.NewCBORReader(document), new(wire.CBORWriter), func(b []byte) wire.Reader { return wire.NewCBORReader(b) })
	})
}

func roundTrip(t *testing.T, plan *model.Plan, r wire.Reader, w wire.Writer, reader func([]byte) wire.Reader) {
	first := plan.New()
	if err := plan.Decode(r, first); err != nil {
		var (
			validation    *model.ValidationError
			serialization *model.SerializationError
			syntax        *wire.SyntaxError
		)
		if !errors.As(err, &validation) && !errors.As(err, &serialization) && !errors.As(err, &syntax) {
			t.Fatalf("%T: %v", err, err)
		}
		return
	}
	if err := plan.Validate(first); err != nil && len(violations(t, err)) > 10 {
		t.Fatal("more than 10 violations")
	}
	plan.Encode(w, first)
	written := bytes.Clone(w.Bytes())
	second := plan.New()
	if err := plan.Decode(reader(written), second); err != nil {
		t.Fatalf("%q was written and cannot be read: %v", written, err)
	}
	w.Reset(nil)
	plan.Encode(w, second)
	if diff := cmp.Diff(written, w.Bytes()); diff != "" {
		t.Fatalf("written a second time (-first +second)\n%s", diff)
	}
}
