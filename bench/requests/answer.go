package requests

import (
	"bytes"
	"encoding/base64"
	"errors"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// block is what an answer of GetRecords, or an event, has.
type block struct {
	records, bytes int64
	// next is where the next request goes on; empty at the end of a shard, and in
	// events.
	next string
}

// readBlock visits the records of an answer. It uses the memory of data and
// returns it.
func readBlock(r wire.Reader, data []byte, visit func(record []byte)) (block, []byte, error) {
	var found block
	err := members(r, func(name string) error {
		switch name {
		case "Records":
			return elements(r, func() (err error) {
				data, err = readRecord(r, data[:0])
				found.records++
				found.bytes += int64(len(data))
				if err == nil {
					visit(data)
				}
				return err
			})
		case "NextShardIterator":
			if kind, err := r.Peek(); err != nil || kind != wire.Text {
				return r.Skip() // null at the end of a shard
			}
			text, err := r.Text()
			found.next = string(text)
			return err
		}
		return r.Skip()
	})
	return found, data, err
}

// readRecord appends the data of a record.
func readRecord(r wire.Reader, data []byte) ([]byte, error) {
	err := members(r, func(name string) (err error) {
		if name == "Data" {
			data, err = r.Blob(data)
			return err
		}
		return r.Skip()
	})
	return data, err
}

// members calls read for every member of an object.
func members(r wire.Reader, read func(name string) error) error {
	if err := r.Object(); err != nil {
		return err
	}
	for {
		name, more, err := r.Key()
		if err != nil || !more {
			return err
		}
		if err := read(string(name)); err != nil {
			return err
		}
	}
}

// elements calls read for every element of a list.
func elements(r wire.Reader, read func() error) error {
	if err := r.List(); err != nil {
		return err
	}
	for {
		more, err := r.More()
		if err != nil || !more {
			return err
		}
		if err := read(); err != nil {
			return err
		}
	}
}

// Members of an answer in JSON as servers write them. White space behind the colon
// would be legal; a server that puts any has no records here, which is an error.
var (
	dataMember = []byte(`"Data":"`)
	nextMember = []byte(`"NextShardIterator":"`)
)

// errUnended is a text without its end.
var errUnended = errors.New("a text has no end")

// countJSON finds the data of records by its name and its end: base64 has neither
// quotes nor, as servers write it, anything escaped.
func countJSON(document []byte) (block, error) {
	var found block
	rest := document
	for {
		at := bytes.Index(rest, dataMember)
		if at < 0 {
			break
		}
		rest = rest[at+len(dataMember):]
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			return found, errUnended
		}
		found.records++
		found.bytes += int64(decodedLength(rest[:end]))
		rest = rest[end:]
	}
	if at := bytes.LastIndex(document, nextMember); at >= 0 {
		text := document[at+len(nextMember):]
		end := bytes.IndexByte(text, '"')
		if end < 0 {
			return found, errUnended
		}
		found.next = string(text[:end])
	}
	return found, nil
}

// decodedLength is how many bytes base64 stands for.
func decodedLength(text []byte) int {
	return base64.RawStdEncoding.DecodedLen(len(bytes.TrimRight(text, "=")))
}
