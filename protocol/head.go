package protocol

import (
	"encoding/binary"

	"github.com/millrace-io/millrace/record"
)

// Heads are small tables of few shapes, encoded forwards like batches. A shape
// is one table of message.fbs; all that does not vary is laid out once when the
// program starts. A head is
//
//	off size
//	  0    4  root        offset of the table
//	  4    4  identifier  "MRM1"
//	  8    .  vtable      then zeros until the table's offset is 4 past a multiple of 8
//	  .    .  table       back to the vtable, then the fields, widest first
//	  .    .  strings and vectors in the order they were set, each at a multiple of 4
//	  .    .  zeros to a multiple of 8
//
// Every field is written, also if it holds its default.
const (
	headVtable = 8

	// headIdentifier is the file identifier of message.fbs.
	headIdentifier = "MRM1"
)

// fieldKind is the type of a field in a table.
type fieldKind uint8

const (
	field8       fieldKind = iota // bool or ubyte
	field16                       // ushort
	field32                       // uint
	field64                       // ulong or long
	fieldHash                     // Hash128, stored in the table
	fieldString                   // offset of a string
	fieldStrings                  // offset of a vector of strings
	fieldTables                   // offset of a vector of tables
)

// size returns the bytes that the field takes in its table.
func (k fieldKind) size() int {
	switch k {
	case field8:
		return 1
	case field16:
		return 2
	case field64:
		return 8
	case fieldHash:
		return 16
	default:
		return 4
	}
}

// shape is the layout of one table of message.fbs.
type shape struct {
	// fields are the types, in the order of the schema.
	fields []fieldKind
	// places are the offsets of the fields from the start of the table.
	places []int
	vtable []byte
	// size is the table's bytes, the first word included.
	size int
	// element is the shape of the tables in a vector.
	element *shape
	// complete demands that no field is absent, so that a table claims no more
	// memory than it has bytes.
	complete bool
}

// newShape lays out a table with these fields.
func newShape(fields ...fieldKind) *shape {
	s := &shape{fields: fields, places: make([]int, len(fields)), size: 4}
	for _, width := range []int{16, 8, 4, 2, 1} {
		for i, field := range fields {
			if field.size() == width {
				s.places[i] = s.size
				s.size += width
			}
		}
	}
	s.vtable = binary.LittleEndian.AppendUint16(s.vtable, uint16(4+2*len(fields)))
	s.vtable = binary.LittleEndian.AppendUint16(s.vtable, uint16(s.size))
	for _, place := range s.places {
		s.vtable = binary.LittleEndian.AppendUint16(s.vtable, uint16(place))
	}
	return s
}

// completed makes every field required.
func (s *shape) completed() *shape {
	s.complete = true
	return s
}

// containing sets the shape of the tables in the shape's vector.
func (s *shape) containing(element *shape) *shape {
	s.element = element
	return s
}

// tableOffset returns where in the head the root table stands.
func (s *shape) tableOffset() int { return (headVtable+len(s.vtable)+3)&^7 + 4 }

// headBytes returns the size of a head whose table points at nothing.
func (s *shape) headBytes() int { return (s.tableOffset() + s.size + 7) &^ 7 }

// headEncoder appends one message's prelude and head.
type headEncoder struct {
	b       []byte
	prelude int // where the message begins
	table   int // where the table being filled begins
	shape   *shape
	kind    MessageType
	request uint32
}

// beginHead appends prelude, vtable and an empty table to destination.
func beginHead(destination []byte, kind MessageType, request uint32, s *shape) headEncoder {
	e := headEncoder{prelude: len(destination), shape: s, kind: kind, request: request}
	head := e.prelude + PreludeSize
	e.table = head + s.tableOffset()
	e.b = appendZeros(destination, PreludeSize+s.tableOffset()+s.size)
	binary.LittleEndian.PutUint32(e.b[head:], uint32(s.tableOffset()))
	copy(e.b[head+4:], headIdentifier)
	copy(e.b[head+headVtable:], s.vtable)
	binary.LittleEndian.PutUint32(e.b[e.table:], uint32(s.tableOffset()-headVtable))
	return e
}

// end pads the head, completes the prelude and returns the message up to where
// a body of bodyBytes belongs.
func (e *headEncoder) end(bodyBytes int) []byte {
	e.align(8)
	head := len(e.b) - e.prelude - PreludeSize
	putPrelude(e.b[e.prelude:], e.kind, e.request, head, bodyBytes)
	return e.b
}

// align appends zeros until the head has a multiple of n bytes.
func (e *headEncoder) align(n int) {
	head := len(e.b) - e.prelude - PreludeSize
	e.b = appendZeros(e.b, -head&(n-1))
}

func (e *headEncoder) place(field int) []byte { return e.b[e.table+e.shape.places[field]:] }

func (e *headEncoder) set8(field int, v uint8) { e.place(field)[0] = v }

func (e *headEncoder) setBool(field int, v bool) {
	if v {
		e.place(field)[0] = 1
	}
}

func (e *headEncoder) set16(field int, v uint16) { binary.LittleEndian.PutUint16(e.place(field), v) }

func (e *headEncoder) set32(field int, v uint32) { binary.LittleEndian.PutUint32(e.place(field), v) }

func (e *headEncoder) set64(field int, v uint64) { binary.LittleEndian.PutUint64(e.place(field), v) }

func (e *headEncoder) setHash(field int, v record.HashKey) {
	binary.LittleEndian.PutUint64(e.place(field), v.Hi)
	binary.LittleEndian.PutUint64(e.place(field)[8:], v.Lo)
}

// setString appends a string and points the field at it.
func (e *headEncoder) setString(field int, text string) {
	e.align(4)
	e.point(e.table + e.shape.places[field])
	e.appendString(text)
}

// setStrings appends a vector of strings and points the field at it.
func (e *headEncoder) setStrings(field int, texts []string) {
	vector := e.appendVector(field, len(texts))
	for i, text := range texts {
		e.align(4)
		e.point(vector + 4*i)
		e.appendString(text)
	}
}

// setTables appends a vector of count tables and points the field at it; fill
// sets the fields of table i. All share one vtable.
func (e *headEncoder) setTables(field, count int, fill func(e *headEncoder, i int)) {
	vector := e.appendVector(field, count)
	element, parent := e.shape.element, *e
	e.align(4)
	vtable := len(e.b)
	e.b = append(e.b, element.vtable...)
	e.shape = element
	for i := range count {
		// The widest fields come first in a table, so 4 past a multiple of 8
		// aligns them.
		e.align(4)
		if head := len(e.b) - e.prelude - PreludeSize; head&4 == 0 {
			e.b = appendZeros(e.b, 4)
		}
		e.table = len(e.b)
		e.point(vector + 4*i)
		e.b = appendZeros(e.b, element.size)
		binary.LittleEndian.PutUint32(e.b[e.table:], uint32(e.table-vtable))
		fill(e, i)
	}
	e.table, e.shape = parent.table, parent.shape
}

// appendVector appends a vector of count empty offsets, points the field at it
// and returns where the first offset stands.
func (e *headEncoder) appendVector(field, count int) int {
	e.align(4)
	e.point(e.table + e.shape.places[field])
	e.b = binary.LittleEndian.AppendUint32(e.b, uint32(count))
	vector := len(e.b)
	e.b = appendZeros(e.b, 4*count)
	return vector
}

// appendString appends a string's length, bytes and NUL.
func (e *headEncoder) appendString(text string) {
	e.b = binary.LittleEndian.AppendUint32(e.b, uint32(len(text)))
	e.b = append(e.b, text...)
	e.b = append(e.b, 0)
}

// point makes the offset stored at the given place lead to the end of the bytes.
func (e *headEncoder) point(at int) {
	binary.LittleEndian.PutUint32(e.b[at:], uint32(len(e.b)-at))
}

// appendZeros appends n zero bytes; the capacity behind b may hold anything.
func appendZeros(b []byte, n int) []byte {
	const block = 64
	var zeros [block]byte
	for n > block {
		b, n = append(b, zeros[:]...), n-block
	}
	return append(b, zeros[:n]...)
}
