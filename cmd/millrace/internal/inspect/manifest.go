package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
)

const (
	manifestMagic   = "MRMAN\x00\x00\x01"
	manifestVersion = 1
	manifestHeader  = 32 // magic 8, version 4, zero 4, number 8, salt 4, CRC 4
	recordHeader    = 8  // length 4, CRC 4
	editHeader      = 16 // length 4, type 2, zero 2, log 8
)

// editShape is the name of a type of edit and of its fields of 8 bytes.
type editShape struct {
	name   string
	fields []string
}

var editShapes = map[uint16]editShape{
	1: {"log added", []string{"next_segment", "first_sequence", "last_time"}},
	2: {"log removed", nil},
	3: {"segment added", []string{"segment", "base_sequence"}},
	4: {"segment sealed", []string{"segment", "footer_offset", "next_sequence", "last_time"}},
	5: {"segment ends", []string{"segment", "end_offset", "next_sequence", "last_time"}},
	6: {"trimmed", []string{"first_sequence"}},
	7: {"key", nil},
	8: {"producers", []string{"next_sequence"}},
}

// Edit is one change that a manifest notes.
type Edit struct {
	Kind   string            `json:"kind"`
	Offset int64             `json:"offset"`
	Edit   string            `json:"edit"`
	Log    uint64            `json:"log"`
	Fields map[string]uint64 `json:"fields"`
	Bytes  int               `json:"bytes"`
}

// readManifest hands out the edits of a manifest file up to its end or the
// first record that is not good, and returns where that is.
func readManifest(b []byte, emit func(Edit) error) (end int64, err error) {
	if len(b) < manifestHeader || !bytes.Equal(b[:len(manifestMagic)], []byte(manifestMagic)) {
		return 0, failure.New(failure.NotOurs, "inspect: manifest", "the file does not begin with the magic of a manifest")
	}
	if protocol.Checksum(0, b[:28]) != binary.LittleEndian.Uint32(b[28:]) {
		return 0, failure.New(failure.Corrupt, "inspect: manifest", "the header does not match its checksum")
	}
	if version := binary.LittleEndian.Uint32(b[8:]); version != manifestVersion {
		return 0, failure.New(failure.NewerVersion, "inspect: manifest", "version %d is newer than %d; upgrade to read it", version, manifestVersion)
	}
	salt := binary.LittleEndian.Uint32(b[24:])
	offset := int64(manifestHeader)
	for {
		record, good := manifestRecord(b[offset:], salt)
		if !good {
			return offset, nil
		}
		if err := readEdits(record[recordHeader:], offset, emit); err != nil {
			return offset, err
		}
		offset = min(offset+(int64(len(record))+7)&^7, int64(len(b)))
	}
}

// manifestRecord returns the record at the start of b if its length and its
// checksum are good.
func manifestRecord(b []byte, salt uint32) ([]byte, bool) {
	if len(b) < recordHeader {
		return nil, false
	}
	length := int64(binary.LittleEndian.Uint32(b))
	if length <= recordHeader || length > int64(len(b)) {
		return nil, false
	}
	record := b[:length]
	crc := protocol.Checksum(protocol.Checksum(salt, record[recordHeader:]), record[:4])
	return record, crc == binary.LittleEndian.Uint32(record[4:])
}

var errEdit = errors.New("an edit is out of bounds")

// readEdits hands out the edits of one record. An unknown type is shown by its
// number.
func readEdits(b []byte, offset int64, emit func(Edit) error) error {
	for len(b) > 0 {
		if len(b) < editHeader {
			return fmt.Errorf("inspect: manifest: record at offset %d: %w", offset, errEdit)
		}
		length := int64(binary.LittleEndian.Uint32(b))
		number := binary.LittleEndian.Uint16(b[4:])
		shape, known := editShapes[number]
		if !known {
			shape.name = fmt.Sprintf("type %d of a newer version", number)
		}
		if length < editHeader+8*int64(len(shape.fields)) || length > int64(len(b)) {
			return fmt.Errorf("inspect: manifest: record at offset %d: %w", offset, errEdit)
		}
		edit := Edit{
			Kind: "edit", Offset: offset, Edit: shape.name, Log: binary.LittleEndian.Uint64(b[8:]),
			Fields: map[string]uint64{}, Bytes: int(length),
		}
		for i, field := range shape.fields {
			edit.Fields[field] = binary.LittleEndian.Uint64(b[editHeader+8*i:])
		}
		if err := emit(edit); err != nil {
			return err
		}
		b = b[length:]
	}
	return nil
}
