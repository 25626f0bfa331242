package model

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// Encode writes the struct that out points to as one value, its members in the order of
// the table. Absent members are left out, but for a list, map or blob that is required
// and nil: it is written as an empty one, since clients count on it.
func (p *Plan) Encode(w wire.Writer, out any) {
	encode(w, p.root, p.structOf(out))
}

func encode(w wire.Writer, n *node, v reflect.Value) {
	switch n.shape.Kind {
	case Structure:
		w.Object()
		for i := range n.fields {
			encodeField(w, &n.fields[i], v)
		}
		w.EndObject()
	case List:
		w.List()
		for i := range v.Len() {
			encode(w, n.element, v.Index(i))
		}
		w.EndList()
	case Map:
		w.Object()
		pairs := v.Interface().(map[string]string)
		for _, key := range slices.Sorted(maps.Keys(pairs)) {
			w.Key(key)
			w.Text(pairs[key])
		}
		w.EndObject()
	case String:
		w.Text(v.String())
	case Integer, Long:
		w.Int(v.Int())
	case Float, Double:
		w.Float(v.Float())
	case Blob:
		w.Blob(v.Bytes())
	case Boolean:
		w.Bool(v.Bool())
	case Timestamp:
		w.Time(v.Interface().(time.Time))
	}
}

func encodeField(w wire.Writer, f *field, in reflect.Value) {
	v, present := f.get(in)
	if f.Location != "" || !present && !f.emptyIfNil() {
		return
	}
	w.Key(f.Wire)
	encode(w, f.node, v)
}

// get returns the value that a field holds, and whether it is there. Only what may be
// nil, or is a string, can be absent.
func (f *field) get(in reflect.Value) (v reflect.Value, present bool) {
	v = in.Field(f.index)
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	case reflect.Slice, reflect.Map:
		return v, !v.IsNil()
	case reflect.String:
		return v, v.Len() > 0
	default:
		return v, true
	}
}

// emptyIfNil reports whether nil is written as an empty value.
func (f *field) emptyIfNil() bool {
	kind := f.Shape.Kind
	return f.Required && (kind == List || kind == Map || kind == Blob)
}
