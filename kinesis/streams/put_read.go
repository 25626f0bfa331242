package streams

import (
	"errors"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/millrace-io/millrace/kinesis/wire"
	"github.com/millrace-io/millrace/record"
)

// put is the memory of one PutRecord or PutRecords, used again by the next one. Data and keys lie
// one behind the other in arena, so that a request is a handful of allocations at most however
// many records it has.
type put struct {
	name, arn string
	dryRun    bool
	ordering  string
	arena     []byte
	entries   []putEntry
	records   []record.Record
	hashes    []record.HashKey
	text      []byte
	// sequences render the numbers of records that follow each other in a shard. Shards that
	// share one are in each other's way, and right.
	sequences [sequencesKept]record.SequenceText
}

// putEntry is where a record lies in the arena. The data is at data:key, the key at key:end.
type putEntry struct {
	data, key, end int
	hash           record.HashKey
	explicit       bool
	has            uint8 // which members were there
}

// Members of a record.
const (
	hasData uint8 = 1 << iota
	hasKey
)

const (
	sequencesKept = 16
	// putArenaMax is the largest arena that is kept.
	putArenaMax = 16 << 20
	// nameMax and dataMax are the table's, plainARNMax is less than it has.
	nameMax     = 128
	dataMax     = 10 << 20
	plainARNMax = 512
)

var puts = sync.Pool{New: func() any { return new(put) }}

func newPut() *put {
	p := puts.Get().(*put)
	p.name, p.arn, p.dryRun, p.ordering = "", "", false, ""
	p.arena, p.entries, p.records, p.hashes, p.text = p.arena[:0], p.entries[:0], p.records[:0], p.hashes[:0], p.text[:0]
	return p
}

func (p *put) release() {
	if cap(p.arena) <= putArenaMax {
		clear(p.records)
		puts.Put(p)
	}
}

// errDeclined: the fast way of reading met what it does not know how to judge. The long way,
// by the table, then takes the request or says what is wrong with it.
var errDeclined = errors.New("streams: not a plain request")

// takeRecords makes records of a PutRecords input, unless it declines.
func (p *put) takeRecords(r wire.Reader) bool {
	if p.readRecords(r) != nil || r.End() != nil || len(p.entries) == 0 {
		return false
	}
	p.take()
	return true
}

// takeRecord makes a record of a PutRecord input, unless it declines.
func (p *put) takeRecord(r wire.Reader) bool {
	if p.readRecord(r, true) != nil || r.End() != nil {
		return false
	}
	p.take()
	return true
}

// isName reports whether a text may be the name of a stream.
func isName(text []byte) bool {
	for _, b := range text {
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') && b != '_' && b != '.' && b != '-' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= nameMax
}

// readRecords reads a PutRecords input.
func (p *put) readRecords(r wire.Reader) error {
	if err := r.Object(); err != nil {
		return err
	}
	for {
		name, more, err := r.Key()
		if err != nil || !more {
			return err
		}
		if string(name) == "Records" {
			if len(p.entries) > 0 {
				return errDeclined // given twice: the last one counts
			}
			err = p.readEntries(r)
		} else {
			err = p.readCommon(r, name)
		}
		if err != nil {
			return err
		}
	}
}

// readCommon reads a member that is not part of a record.
func (p *put) readCommon(r wire.Reader, name []byte) error {
	var err error
	var text []byte
	switch string(name) {
	case "StreamName":
		if text, err = r.Text(); err == nil && !isName(text) {
			return errDeclined
		}
		p.name = string(text)
	case "StreamARN":
		text, err = r.Text()
		p.arn = string(text)
		if named, ok := parseARN(p.arn); err == nil && (!ok || named.consumer != "" || len(p.arn) > plainARNMax) {
			return errDeclined
		}
	case "DryRun":
		p.dryRun, err = r.Bool()
	case "SequenceNumberForOrdering", "StreamId":
		return errDeclined // rare, and not worth a second way
	default:
		return r.Skip()
	}
	return err
}

func (p *put) readEntries(r wire.Reader) error {
	if err := r.List(); err != nil {
		return err
	}
	for {
		more, err := r.More()
		if err != nil || !more {
			return err
		}
		if len(p.entries) == putRecordsMax {
			return errDeclined
		}
		if err := p.readRecord(r, false); err != nil {
			return err
		}
	}
}

// readRecord reads a record of a PutRecords input or, alone, a PutRecord input, where the members
// of the request stand among those of the record.
func (p *put) readRecord(r wire.Reader, alone bool) error {
	if err := r.Object(); err != nil {
		return err
	}
	e := putEntry{}
	for {
		name, more, err := r.Key()
		if err != nil {
			return err
		}
		if !more {
			return p.add(e)
		}
		if err := p.readMember(r, name, &e, alone); err != nil {
			return err
		}
	}
}

// readMember reads a member of a record or, alone, of its request. The key is put behind the
// data: whichever comes first waits in p.text if it must.
func (p *put) readMember(r wire.Reader, name []byte, e *putEntry, alone bool) error {
	var err error
	switch string(name) {
	case "Data":
		if e.has&hasData != 0 {
			return errDeclined // given twice
		}
		e.data = len(p.arena)
		p.arena, err = r.Blob(p.arena)
		e.key = len(p.arena)
		e.has |= hasData
		if err == nil && e.key-e.data > dataMax {
			return errDeclined
		}
	case "PartitionKey":
		text, failed := r.Text()
		if failed != nil {
			return failed
		}
		p.text = append(p.text[:0], text...)
		e.has |= hasKey
	case "ExplicitHashKey":
		text, failed := r.Text()
		if failed != nil {
			return failed
		}
		if e.hash, err = record.ParseHashKey(string(text)); err != nil {
			return errDeclined
		}
		e.explicit = true
	default:
		if alone {
			return p.readCommon(r, name)
		}
		return r.Skip()
	}
	return err
}

// add takes a record whose members were read.
func (p *put) add(e putEntry) error {
	if e.has != hasData|hasKey || len(p.text) == 0 || utf8.RuneCount(p.text) > record.PartitionKeyMax || len(p.text) > record.PartitionKeyBytesMax {
		return errDeclined
	}
	p.arena = append(p.arena, p.text...)
	e.end = len(p.arena)
	p.entries = append(p.entries, e)
	return nil
}

// take makes the records of what was read by the fast way. The arena does not grow any more.
func (p *put) take() {
	p.hashes = slices.Grow(p.hashes, len(p.entries)) // records point into it
	for _, e := range p.entries {
		r := record.Record{Data: p.arena[e.data:e.key:e.key], PartitionKey: textOf(p.arena[e.key:e.end])}
		if e.explicit {
			p.hashes = append(p.hashes, e.hash)
			r.ExplicitHash = &p.hashes[len(p.hashes)-1]
		}
		p.records = append(p.records, r)
	}
}

// takeInput makes a record of what was read by the long way.
func (p *put) takeInput(data []byte, key, hash string) error {
	r := record.Record{Data: data, PartitionKey: key}
	if hash != "" {
		parsed, err := record.ParseHashKey(hash)
		if err != nil {
			return invalidHashKey(hash)
		}
		r.ExplicitHash = &parsed
	}
	p.records = append(p.records, r)
	return nil
}
