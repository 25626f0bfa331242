package runner

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// stampBytes is how much of each record is the harness's. scenario.Check makes
// sure that there is so much.
//
//	0        8       16
//	+--------+--------+-------
//	| planned| number | noise
//	+--------+--------+-------
//
// planned is the nanoseconds from the start of the measurement to the planned
// time of sending, number counts operations; both little endian, and both -1
// in records that were there before.
const stampBytes = 16

// stamp marks a record.
func stamp(record []byte, planned time.Duration, number int64) {
	binary.LittleEndian.PutUint64(record, uint64(planned))
	binary.LittleEndian.PutUint64(record[8:], uint64(number))
}

// readStamp returns what stamp wrote; ok is false for a backlog's record and
// for bytes that are no record of ours.
func readStamp(record []byte) (planned time.Duration, number int64, ok bool) {
	if len(record) < stampBytes {
		return 0, 0, false
	}
	planned = time.Duration(binary.LittleEndian.Uint64(record))
	number = int64(binary.LittleEndian.Uint64(record[8:]))
	return planned, number, planned >= 0 && number >= 0
}

// payload is the records of one operation, reused by the worker it belongs to.
type payload struct{ records [][]byte }

// newPayload returns records of noise, which no peer can compress. The bytes
// are the same in every run: the seed is the worker's number.
func newPayload(worker, count, size int) *payload {
	source := rand.New(rand.NewPCG(uint64(worker), 0x9e3779b97f4a7c15))
	p := &payload{records: make([][]byte, count)}
	for i := range p.records {
		record := make([]byte, (size+7)/8*8)
		for at := 0; at < len(record); at += 8 {
			binary.LittleEndian.PutUint64(record[at:], source.Uint64())
		}
		p.records[i] = record[:size]
	}
	return p
}

// stamped marks all records and returns them.
func (p *payload) stamped(planned time.Duration, number int64) [][]byte {
	for _, record := range p.records {
		stamp(record, planned, number)
	}
	return p.records
}
