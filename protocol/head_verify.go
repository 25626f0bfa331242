package protocol

import (
	"encoding/binary"

	"github.com/millrace-io/millrace/failure"
)

// headVerifier checks a head before the generated accessors, which check nothing,
// may touch it. It accepts any FlatBuffer of the shape, not only the encoding of
// this package: other languages build heads with their own libraries, and later
// versions add fields.
//
// Sharing is not accepted: tables, strings and vectors together may be no longer
// than the head, so that a few bytes repeated by reference cannot claim much memory.
// All arithmetic is in int64, where sums of 32-bit offsets cannot wrap.
type headVerifier struct {
	b []byte
	// budget is the bytes of the head that nothing has claimed yet.
	budget int64
}

// verifyHead returns an error of kind Malformed unless head is a sound table of
// the shape, and otherwise the table's offset.
func verifyHead(head []byte, s *shape) (table uint32, err error) {
	reason := "shorter than the smallest head"
	if len(head) >= headVtable {
		reason = "the identifier is not MRM1"
		if string(head[4:headVtable]) == headIdentifier {
			verifier := headVerifier{b: head, budget: int64(len(head))}
			table = binary.LittleEndian.Uint32(head)
			reason = verifier.table(int64(table), s)
		}
	}
	if reason != "" {
		return 0, failure.New(failure.Malformed, "protocol: verify head", "%s", reason)
	}
	return table, nil
}

// in reports whether n bytes at offset at lie within the head.
func (v *headVerifier) in(at, n int64) bool {
	return at >= 0 && n >= 0 && at <= int64(len(v.b)) && n <= int64(len(v.b))-at
}

// claim takes n bytes at offset at from the budget.
func (v *headVerifier) claim(at, n int64) bool {
	if !v.in(at, n) || n > v.budget {
		return false
	}
	v.budget -= n
	return true
}

// table checks the table at offset at and all that it points to. It returns what
// is wrong, or nothing.
func (v *headVerifier) table(at int64, s *shape) string {
	if !v.in(at, 4) {
		return "a table passes the end"
	}
	vtable := at - int64(int32(binary.LittleEndian.Uint32(v.b[at:])))
	if !v.in(vtable, 4) {
		return "a vtable is out of bounds"
	}
	vtableSize := int64(binary.LittleEndian.Uint16(v.b[vtable:]))
	size := int64(binary.LittleEndian.Uint16(v.b[vtable+2:]))
	if vtableSize < 4 || vtableSize%2 != 0 || !v.in(vtable, vtableSize) {
		return "a vtable is out of bounds"
	}
	if size < 4 || !v.claim(at, size) {
		return "a table passes the end or shares its bytes"
	}
	for i, kind := range s.fields {
		place := int64(0)
		if entry := int64(4 + 2*i); entry < vtableSize {
			place = int64(binary.LittleEndian.Uint16(v.b[vtable+entry:]))
		}
		if place == 0 {
			if s.complete {
				return "a required field is absent"
			}
			continue
		}
		if place < 4 || place+int64(kind.size()) > size {
			return "a field lies outside its table"
		}
		if reason := v.field(at+place, kind, s.element); reason != "" {
			return reason
		}
	}
	return ""
}

// field checks what the field at an offset within bounds points to.
func (v *headVerifier) field(at int64, kind fieldKind, element *shape) string {
	switch kind {
	case fieldString:
		return v.text(at)
	case fieldStrings, fieldTables:
		vector, count, reason := v.vector(at)
		for i := int64(0); i < count && reason == ""; i++ {
			slot := vector + 4*i
			if kind == fieldStrings {
				reason = v.text(slot)
			} else {
				reason = v.table(slot+wordAt(v.b, slot), element)
			}
		}
		return reason
	default:
		return ""
	}
}

// text checks the string that the offset stored at slot leads to.
func (v *headVerifier) text(slot int64) string {
	at := slot + wordAt(v.b, slot)
	if !v.in(at, 4) {
		return "a string passes the end"
	}
	length := wordAt(v.b, at)
	if !v.claim(at, 4+length+1) {
		return "a string passes the end or shares its bytes"
	}
	if v.b[at+4+length] != 0 {
		return "a string does not end in NUL"
	}
	return ""
}

// vector checks the vector of offsets that the offset stored at slot leads to,
// and returns where its first element stands.
func (v *headVerifier) vector(slot int64) (first, count int64, reason string) {
	at := slot + wordAt(v.b, slot)
	if !v.in(at, 4) {
		return 0, 0, "a vector passes the end"
	}
	count = wordAt(v.b, at)
	if !v.claim(at, 4+4*count) {
		return 0, 0, "a vector passes the end or shares its bytes"
	}
	return at + 4, count, ""
}
