package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
)

// A manifest file is a header and then records. Each record is one atomic set
// of edits, written and synced before the next one is begun, so a bad record
// with a good one behind it is damage and a bad one at the end is a torn write.
// All integers are little-endian.
//
//	off size HEADER
//	  0    8  magic    "MRMAN\0\0\1"
//	  8    4  version  1
//	 12    4  begun    bytes of the record that the file had before it got its name; 0 = none
//	 16    8  number   the n of MANIFEST-<n>
//	 24    4  salt     seeds the CRC of every record
//	 28    4  crc      CRC32C of bytes 0..27
//
//	off size RECORD, 8-aligned
//	  0    4  length   of the record with this header, without padding; 0 = end
//	  4    4  crc      CRC32C seeded with salt, over bytes 8..length, then length
//	  8    .  edits, back to back
//
//	off size EDIT
//	  0    4  length   of the edit with this header, a multiple of 8
//	  4    2  type
//	  6    2  zero
//	  8    8  log
//	 16    .  fields of 8 bytes each, by type (see editShapes)
const (
	manifestMagic      = "MRMAN\x00\x00\x01"
	manifestVersion    = 1
	manifestHeaderSize = 32
	recordHeaderSize   = 8
	editHeaderSize     = 16
)

// editType says what an edit does. The numbers are frozen.
type editType uint16

const (
	editLogAdded       editType = 1 // next segment id, first sequence, last time
	editLogRemoved     editType = 2
	editSegmentAdded   editType = 3 // segment, base sequence
	editSegmentSealed  editType = 4 // segment, footer offset, next sequence, last time
	editSegmentEnds    editType = 5 // segment, end offset, next sequence, last time; a closed one, the last, is cut
	editTrimmed        editType = 6 // first sequence kept
	editKey            editType = 7 // reserved for wrapped data keys
	editSegmentDropped editType = 9 // segment, the last: it followed one that was lost in part, or was cut off
	editProducersKnown editType = 8 // next sequence, then the table as producers.go draws it
)

// editShape names an edit and its fields of 8 bytes.
type editShape struct {
	name   string
	fields []string
}

var editShapes = map[editType]editShape{
	editLogAdded:       {"log added", []string{"next_segment", "first_sequence", "last_time"}},
	editLogRemoved:     {"log removed", nil},
	editSegmentAdded:   {"segment added", []string{"segment", "base_sequence"}},
	editSegmentSealed:  {"segment sealed", []string{"segment", "footer_offset", "next_sequence", "last_time"}},
	editSegmentEnds:    {"segment ends", []string{"segment", "end_offset", "next_sequence", "last_time"}},
	editTrimmed:        {"trimmed", []string{"first_sequence"}},
	editProducersKnown: {"producers", []string{"next_sequence"}},
	editSegmentDropped: {"segment dropped", []string{"segment"}},
}

// edit is one change to the bookkeeping of one log.
type edit struct {
	kind   editType
	log    uint64
	fields [4]uint64
	table  []byte // of editProducersKnown
}

func appendEdit(b []byte, e edit) []byte {
	n := len(editShapes[e.kind].fields)
	table := (len(e.table) + 7) &^ 7
	b = binary.LittleEndian.AppendUint32(b, uint32(editHeaderSize+8*n+table))
	b = binary.LittleEndian.AppendUint16(b, uint16(e.kind))
	b = append(b, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, e.log)
	for _, field := range e.fields[:n] {
		b = binary.LittleEndian.AppendUint64(b, field)
	}
	b = append(b, e.table...)
	return append(b, make([]byte, table-len(e.table))...)
}

// encodeRecord returns the record that holds the edits, padded to 8.
func encodeRecord(salt uint32, edits []edit) []byte {
	b := make([]byte, recordHeaderSize, 256)
	for _, e := range edits {
		b = appendEdit(b, e)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	binary.LittleEndian.PutUint32(b[4:], recordCRC(salt, b))
	return b
}

func recordCRC(salt uint32, record []byte) uint32 {
	return protocol.Checksum(protocol.Checksum(salt, record[recordHeaderSize:]), record[:4])
}

func encodeManifestHeader(number uint64, salt, begun uint32) []byte {
	b := make([]byte, manifestHeaderSize)
	copy(b, manifestMagic)
	binary.LittleEndian.PutUint32(b[8:], manifestVersion)
	binary.LittleEndian.PutUint32(b[12:], begun)
	binary.LittleEndian.PutUint64(b[16:], number)
	binary.LittleEndian.PutUint32(b[24:], salt)
	binary.LittleEndian.PutUint32(b[28:], protocol.Checksum(0, b[:28]))
	return b
}

// parseManifestHeader returns the salt of a manifest's records.
func parseManifestHeader(b []byte) (salt uint32, err error) {
	if len(b) < manifestHeaderSize || !bytes.Equal(b[:8], []byte(manifestMagic)) {
		return 0, failure.New(failure.NotOurs, "manifest", "the file does not begin with the magic of a manifest")
	}
	if binary.LittleEndian.Uint32(b[28:]) != protocol.Checksum(0, b[:28]) {
		return 0, failure.New(failure.Corrupt, "manifest", "the header does not match its checksum")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != manifestVersion {
		return 0, failure.New(failure.NewerVersion, "manifest", "version %d is newer than %d; upgrade to read it", v, manifestVersion)
	}
	return binary.LittleEndian.Uint32(b[24:]), nil
}

// walkManifest hands the edits of a manifest to visit and returns the end of
// the last good record.
func walkManifest(b []byte, visit func(offset int, e edit) error) (end int, salt uint32, err error) {
	salt, err = parseManifestHeader(b)
	if err != nil {
		return 0, 0, err
	}
	off := manifestHeaderSize
	for off+recordHeaderSize <= len(b) {
		record, ok := recordAt(b, off, salt)
		if !ok {
			break
		}
		if err := walkRecord(record[recordHeaderSize:], func(e edit) error { return visit(off, e) }); err != nil {
			return off, salt, fmt.Errorf("manifest: record at offset %d: %w", off, err)
		}
		off += (len(record) + 7) &^ 7
	}
	return off, salt, nil
}

// parseManifest replays the bytes of a manifest into a fresh catalogue.
func parseManifest(b []byte) (catalogue, error) {
	logs := make(catalogue)
	end, salt, err := walkManifest(b, func(_ int, e edit) error { return logs.apply(e) })
	if err != nil {
		return nil, err
	}
	if begun := int64(binary.LittleEndian.Uint32(b[12:])); int64(end) < manifestHeaderSize+begun {
		return nil, failure.New(failure.Corrupt, "manifest",
			"the record at offset %d is damaged: it was complete before the file got its name", end)
	}
	for later := end + 8; later+recordHeaderSize <= len(b); later += 8 {
		if _, ok := recordAt(b, later, salt); ok {
			return nil, failure.New(failure.Corrupt, "manifest",
				"the record at offset %d is damaged: the one at %d was written after it", end, later)
		}
	}
	return logs, nil
}

// Edit is one change that a manifest notes, for tools that show it.
type Edit struct {
	// Offset is that of the record that holds the edit.
	Offset int64
	// Name says what it does: "segment sealed".
	Name string
	// Log is the log it is about.
	Log uint64
	// Fields are its numbers by name, for instance "next_sequence".
	Fields map[string]uint64
	// TableBytes is the size of the producer table in it.
	TableBytes int
}

// ReadManifest hands the edits in the bytes of a MANIFEST file to visit, up to
// the end or the first record that is not good, and returns where that is. It
// does not judge what follows, and may look at the file of a live writer.
func ReadManifest(b []byte, visit func(Edit) error) (end int64, err error) {
	off, _, err := walkManifest(b, func(offset int, e edit) error {
		shape := editShapes[e.kind]
		shown := Edit{
			Offset: int64(offset), Name: shape.name, Log: e.log,
			Fields: make(map[string]uint64, len(shape.fields)), TableBytes: len(e.table),
		}
		for i, name := range shape.fields {
			shown.Fields[name] = e.fields[i]
		}
		return visit(shown)
	})
	return int64(off), err
}

// CheckManifest returns why a directory with this MANIFEST file would not open,
// or nil: the torn end of a record is no reason.
func CheckManifest(b []byte) error {
	_, err := parseManifest(b)
	return err
}

// recordAt returns the record at off if its length and CRC are good.
func recordAt(b []byte, off int, salt uint32) ([]byte, bool) {
	length := int64(binary.LittleEndian.Uint32(b[off:]))
	if length <= recordHeaderSize || length > int64(len(b)-off) {
		return nil, false
	}
	record := b[off : off+int(length)]
	return record, recordCRC(salt, record) == binary.LittleEndian.Uint32(record[4:])
}

// walkRecord hands the edits of one record to visit.
func walkRecord(b []byte, visit func(edit) error) error {
	for len(b) > 0 {
		if len(b) < editHeaderSize {
			return failure.New(failure.Corrupt, "edit", "%d bytes are too few", len(b))
		}
		length := int64(binary.LittleEndian.Uint32(b))
		e := edit{kind: editType(binary.LittleEndian.Uint16(b[4:])), log: binary.LittleEndian.Uint64(b[8:])}
		shape, known := editShapes[e.kind]
		if !known {
			return failure.New(failure.NewerVersion, "edit", "type %d is of a newer version; upgrade to read it", e.kind)
		}
		n := len(shape.fields)
		least := int64(editHeaderSize + 8*n)
		if length < least || length > int64(len(b)) || length%8 != 0 {
			return failure.New(failure.Corrupt, "edit", "length %d is out of bounds", length)
		}
		for i := range n {
			e.fields[i] = binary.LittleEndian.Uint64(b[editHeaderSize+8*i:])
		}
		e.table = b[least:length:length]
		if err := visit(e); err != nil {
			return err
		}
		b = b[length:]
	}
	return nil
}
