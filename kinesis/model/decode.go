package model

import (
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// Decode reads one value, the body of a request, into the struct that into points to, all
// of which is overwritten. Whether anything follows is for the caller to ask the reader. Members that the table does not know are skipped, null is absent,
// and of several members of one name the last counts. The struct shares no memory with
// the reader.
//
// A value of a wrong type is a [*SerializationError], the first that there is. What the
// struct cannot hold and would be refused anyhow is a [*ValidationError] with everything
// that [Plan.Validate] finds too: a required number or boolean that is absent, and an
// empty string where there must be more. Other errors are the reader's.
//
// Of a list or map that is longer than its max, one element more is kept than it may
// have, and the others are skipped unseen: enough to refuse it, and no more memory. One
// that has no max, or a greater one, may have 10,000 elements.
func (p *Plan) Decode(r wire.Reader, into any) error {
	d := decoder{Reader: r}
	target := p.structOf(into)
	target.SetZero()
	present, err := d.value(p.root, target)
	switch {
	case err != nil:
		return err
	case !present:
		return &SerializationError{Message: unexpected}
	case len(d.unheld) > 0:
		return p.validate(target, d.unheld)
	}
	return nil
}

// decoder is the state of one call of Decode.
type decoder struct {
	wire.Reader
	path   path
	unheld unheld
}

// unheld is what a document says and a struct cannot hold, by path.
type unheld map[string]lack

// lack is what such a member is.
type lack uint8

const (
	isEmpty   lack = iota + 1 // a string that is there, and empty
	isMissing                 // a number or boolean that is not there
)

func (d *decoder) note(what lack) {
	if d.unheld == nil {
		d.unheld = make(unheld)
	}
	d.unheld[d.path.String()] = what
}

// forget drops what was noted of a member that comes a second time.
func (d *decoder) forget() {
	if len(d.unheld) == 0 {
		return
	}
	here := d.path.String()
	for noted := range d.unheld {
		if noted == here || strings.HasPrefix(noted, here+".") {
			delete(d.unheld, noted)
		}
	}
}

// value reads the next value into a Go value that is zero, and reports false for null.
func (d *decoder) value(n *node, into reflect.Value) (present bool, err error) {
	kind, err := d.Peek()
	if err != nil {
		return false, err
	}
	if kind == wire.Null {
		return false, d.Null()
	}
	if !fits(n.shape.Kind, kind) {
		return false, d.mismatch(n.shape.Kind, kind)
	}
	if err := d.known(n, into); err != nil {
		return false, d.translate(n.shape.Kind, kind, err)
	}
	return true, nil
}

// known reads a value of a kind that fits.
func (d *decoder) known(n *node, into reflect.Value) error {
	switch n.shape.Kind {
	case Structure:
		return d.structure(n, into)
	case List:
		return d.list(n, into)
	case Map:
		return d.mapping(n, into)
	case String:
		text, err := d.Text()
		into.SetString(string(text))
		return err
	case Integer:
		number, err := d.Int()
		if err == nil && (number < math.MinInt32 || number > math.MaxInt32) {
			return d.unconvertible(Integer, wire.Number, "not a whole number of 32 bits")
		}
		into.SetInt(number)
		return err
	case Long:
		number, err := d.Int()
		into.SetInt(number)
		return err
	case Float, Double:
		number, err := d.Float()
		into.SetFloat(number)
		return err
	case Blob:
		data, err := d.Blob(nil)
		if data == nil {
			data = []byte{}
		}
		into.SetBytes(data)
		return err
	case Boolean:
		truth, err := d.Bool()
		into.SetBool(truth)
		return err
	case Timestamp:
		moment, err := d.Time()
		into.Set(reflect.ValueOf(moment))
		return err
	}
	panic("kinesis/model: a shape without a kind")
}

func (d *decoder) structure(n *node, into reflect.Value) error {
	if err := d.Object(); err != nil {
		return err
	}
	var seen uint64
	guess := 0
	for {
		name, more, err := d.Key()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		at := n.find(name, guess)
		if at < 0 {
			if err := d.Skip(); err != nil {
				return err
			}
			continue
		}
		guess = at + 1
		bit := uint64(1) << at
		d.path.push(n.fields[at].path)
		if seen&bit != 0 {
			d.forget()
		}
		present, err := d.field(&n.fields[at], into)
		if err != nil {
			return err
		}
		d.path.pop()
		seen |= bit
		if !present && n.scalars&bit != 0 {
			seen &^= bit
		}
	}
	if n.scalars&^seen != 0 {
		d.noteMissing(n, n.scalars&^seen)
	}
	return nil
}

func (d *decoder) noteMissing(n *node, fields uint64) {
	for at := range n.fields {
		if fields&(1<<at) != 0 {
			d.path.push(n.fields[at].path)
			d.note(isMissing)
			d.path.pop()
		}
	}
}

// field reads the next value into a field of the struct.
func (d *decoder) field(f *field, into reflect.Value) (present bool, err error) {
	target := into.Field(f.index)
	target.SetZero()
	holds := target
	if f.pointer {
		holds = reflect.New(target.Type().Elem()).Elem()
	}
	present, err = d.value(f.node, holds)
	if present && f.pointer {
		target.Set(holds.Addr())
	}
	if present && f.emptyIsWrong && holds.Len() == 0 {
		d.note(isEmpty)
	}
	return present, err
}

// elementsMax is how many elements a list or map may have that has no max, or a greater one.
const elementsMax = 10_000

// surplus skips an element that is one too many. It is an error if nothing else will
// refuse the list or map.
func (d *decoder) surplus(shape *Shape) error {
	if shape.Max == nil || *shape.Max > elementsMax {
		return &SerializationError{Member: d.path.String(), Message: "more than " + strconv.Itoa(elementsMax) + " elements"}
	}
	return d.Skip()
}

// kept is how many elements of a value are looked at: one more than it may have by the
// table, which refuses it, or elementsMax.
func kept(shape *Shape) int {
	if shape.Max != nil && *shape.Max <= elementsMax {
		return int(*shape.Max) + 1
	}
	return elementsMax
}

func (d *decoder) list(n *node, into reflect.Value) error {
	if err := d.List(); err != nil {
		return err
	}
	into.Set(reflect.MakeSlice(into.Type(), 0, 0))
	for limit := kept(n.shape); ; {
		more, err := d.More()
		if err != nil || !more {
			return err
		}
		at := into.Len()
		if at >= limit {
			if err := d.surplus(n.shape); err != nil {
				return err
			}
			continue
		}
		if at == into.Cap() {
			into.Grow(1)
		}
		into.SetLen(at + 1)
		d.path.index(at + 1)
		element := into.Index(at)
		element.SetZero()
		if _, err := d.value(n.element, element); err != nil {
			return err
		}
		d.path.pop()
	}
}

func (d *decoder) mapping(n *node, into reflect.Value) error {
	if err := d.Object(); err != nil {
		return err
	}
	result := make(map[string]string)
	into.Set(reflect.ValueOf(result))
	for limit := kept(n.shape); ; {
		name, more, err := d.Key()
		if err != nil || !more {
			return err
		}
		key := string(name)
		if _, again := result[key]; !again && len(result) >= limit {
			if err := d.surplus(n.shape); err != nil {
				return err
			}
			continue
		}
		var text string
		d.path.push(key)
		if _, err := d.value(n.value, reflect.ValueOf(&text).Elem()); err != nil {
			return err
		}
		d.path.pop()
		result[key] = text
	}
}

// fits reports whether a value of that kind may be of the shape's. JSON has blobs as
// text and times as numbers.
func fits(want Kind, got wire.Kind) bool {
	switch want {
	case Structure, Map:
		return got == wire.Object
	case List:
		return got == wire.List
	case String:
		return got == wire.Text
	case Integer, Long, Float, Double:
		return got == wire.Number
	case Blob:
		return got == wire.Blob || got == wire.Text
	case Boolean:
		return got == wire.Bool
	case Timestamp:
		return got == wire.Time || got == wire.Number
	}
	return false
}
