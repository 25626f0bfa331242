package model

import (
	"reflect"
	"time"

	"github.com/millrace-io/millrace/failure"
)

// Plan reads, checks and writes one structure as one Go struct. It is made once, by
// [Bind], and may be used by several goroutines at a time.
type Plan struct {
	root *node
	into reflect.Type
}

// node is what a plan does with the values of one shape.
type node struct {
	shape   *Shape
	element *node          // of a list
	value   *node          // of a map
	fields  []field        // of a structure
	byName  map[string]int // the fields that are in the body, by their name there
	scalars uint64         // the fields, as bits, that are absent only in documents; see unheld
}

// field is a member and the Go field that holds it.
type field struct {
	*Member
	*node
	index   int    // in the Go struct
	path    string // the member's name in messages
	pointer bool
	// emptyIsWrong: an empty string is refused, but is as good as absent in the Go field.
	emptyIsWrong bool
}

// fieldsMax is how many members a structure may have: a bit of a word each.
const fieldsMax = 64

// Bind pairs the structure of that name with a Go struct, whose fields are called as
// the members are. A string is a string, an integer of any size an int64, a float of any
// size a float64, a boolean a bool, a blob a []byte, a time a time.Time, a list a slice,
// a map a map[string]string and a structure a struct; [Member.Pointer] says which fields
// are pointers to that. Event streams have no field.
//
// Bind fails with failure.InvalidArgument if the service has no such structure, if it
// and the struct disagree, or if the table has what cannot be bound: a map of other than
// strings, or more than 64 members.
func Bind(service *Service, shape string, into reflect.Type) (*Plan, error) {
	found := service.Shape(shape)
	if found == nil || found.Kind != Structure {
		return nil, failure.New(failure.InvalidArgument, place, "%s has no structure %s", service.Name, shape)
	}
	b := binder{done: make(map[pair]*node)}
	root := b.bind(found, into)
	if b.err != nil {
		return nil, b.err
	}
	return &Plan{root: root, into: into}, nil
}

const place = "kinesis/model: bind"

// binder makes the node of each structure and struct once. The first error stays.
type binder struct {
	done map[pair]*node
	err  error
}

type pair struct {
	shape *Shape
	into  reflect.Type
}

func (b *binder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = failure.New(failure.InvalidArgument, place, format, args...)
	}
}

var goTypes = map[Kind]reflect.Type{
	String:    reflect.TypeFor[string](),
	Integer:   reflect.TypeFor[int64](),
	Long:      reflect.TypeFor[int64](),
	Float:     reflect.TypeFor[float64](),
	Double:    reflect.TypeFor[float64](),
	Blob:      reflect.TypeFor[[]byte](),
	Boolean:   reflect.TypeFor[bool](),
	Timestamp: reflect.TypeFor[time.Time](),
	Map:       reflect.TypeFor[map[string]string](),
}

func (b *binder) bind(shape *Shape, into reflect.Type) *node {
	switch shape.Kind {
	case Structure:
		return b.structure(shape, into)
	case List:
		if into.Kind() != reflect.Slice {
			b.fail("%s is a list, %s is none", shape.Name, into)
			return nil
		}
		return &node{shape: shape, element: b.bind(shape.Element, into.Elem())}
	case Map:
		if shape.Value.Kind != String {
			b.fail("%s is a map of other than strings", shape.Name)
			return nil
		}
	case String, Integer, Long, Float, Double, Blob, Boolean, Timestamp:
	}
	if want := goTypes[shape.Kind]; into != want {
		b.fail("%s is held by %s, not %s", shape.Name, want, into)
	}
	n := &node{shape: shape}
	if shape.Kind == Map {
		n.value = &node{shape: shape.Value}
	}
	return n
}

func (b *binder) structure(shape *Shape, into reflect.Type) *node {
	if into.Kind() != reflect.Struct {
		b.fail("%s is a structure, %s is none", shape.Name, into)
		return nil
	}
	if n := b.done[pair{shape, into}]; n != nil {
		return n
	}
	n := &node{shape: shape, byName: make(map[string]int)}
	b.done[pair{shape, into}] = n // before its members: it may hold itself
	for i := range shape.Members {
		if member := &shape.Members[i]; !member.Shape.EventStream {
			b.field(n, member, into)
		}
	}
	if len(n.fields) != into.NumField() {
		b.fail("%s has fields that %s has not", into, shape.Name)
	}
	if len(n.fields) > fieldsMax {
		b.fail("%s has more than %d members", shape.Name, fieldsMax)
	}
	return n
}

func (b *binder) field(n *node, member *Member, into reflect.Type) {
	found, ok := into.FieldByName(member.Name)
	if !ok || len(found.Index) != 1 || !found.IsExported() {
		b.fail("%s has no field %s", into, member.Name)
		return
	}
	holds, pointer := found.Type, member.Pointer()
	if pointer != (holds.Kind() == reflect.Pointer) {
		b.fail("field %s of %s: it is wrong that it is %s", member.Name, into, holds)
		return
	}
	if pointer {
		holds = holds.Elem()
	}
	at := len(n.fields)
	f := field{Member: member, node: b.bind(member.Shape, holds), index: found.Index[0], path: lowerCamel(member.Name), pointer: pointer}
	f.emptyIsWrong = member.Shape.Kind == String && !pointer && len(violated(member.Shape, "")) > 0
	n.fields = append(n.fields, f)
	if member.Location != "" {
		return
	}
	n.byName[member.Wire] = at
	switch member.Shape.Kind {
	case Integer, Long, Float, Double, Boolean:
		if member.Required {
			n.scalars |= 1 << at
		}
	case Structure, List, Map, String, Blob, Timestamp:
	}
}

// lowerCamel is how AWS's messages spell a member: StreamARN is streamARN.
func lowerCamel(name string) string {
	first := name[0]
	if 'A' <= first && first <= 'Z' {
		first |= 0x20
	}
	return string(first) + name[1:]
}

// find returns the field of that name in documents, or -1. Clients write members in
// an order of their own, but always in the same: the guess is the one after the last.
func (n *node) find(name []byte, guess int) int {
	if guess < len(n.fields) && n.fields[guess].Location == "" && n.fields[guess].Wire == string(name) {
		return guess
	}
	if at, found := n.byName[string(name)]; found {
		return at
	}
	return -1
}

// New returns a pointer to a new Go struct of the plan's type.
func (p *Plan) New() any { return reflect.New(p.into).Interface() }

// Shape returns the structure of the table.
func (p *Plan) Shape() *Shape { return p.root.shape }

// structOf returns what in points to, which must be a struct of the plan's type.
func (p *Plan) structOf(in any) reflect.Value {
	v := reflect.ValueOf(in)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem() != p.into {
		panic("kinesis/model: the plan of " + p.into.String() + " was given something else")
	}
	return v.Elem()
}
