package machine

import (
	"errors"
	"hash/crc32"

	"github.com/millrace-io/millrace/mmap"
)

// castagnoli is the polynomial of the checksum that logs use.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordBytes is how much is stored or checked at once in a mapping.
const recordBytes = 1 << 10

// mapped measures stores into a mapping whose pages are there and dirty, and
// checking what a warm mapping holds. Where there are no mappings, the rows are
// missing.
func (p *prober) mapped() error {
	file, done, err := p.create(fileBytes)
	if err != nil {
		return err
	}
	defer done()
	m, err := mmap.Open(file.Fd(), fileBytes, true)
	if errors.Is(err, mmap.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	err = mmap.Guard("limits", func() { p.mapping(m.Bytes()) })
	return errors.Join(err, m.Close())
}

// mapping is the part of mapped that touches memory.
func (p *prober) mapping(memory []byte) {
	record := make([]byte, recordBytes)
	for i := range record {
		record[i] = byte(i * 7)
	}
	for at := 0; at < len(memory); at += recordBytes {
		copy(memory[at:], record) // the faults, before anything is timed
	}
	const perCall = 1 << 20 / recordBytes
	at := 0
	step := func(do func(piece []byte)) float64 {
		rate, _ := p.repeat(func(int) error {
			for range perCall {
				do(memory[at : at+recordBytes])
				at = (at + recordBytes) % len(memory)
			}
			return nil
		})
		return rate * perCall * recordBytes
	}
	p.add("mapped-write", step(func(piece []byte) { copy(piece, record) }), "B/s")
	p.add("crc32c-scan", step(func(piece []byte) { p.sum ^= crc32.Checksum(piece, castagnoli) }), "B/s")
}
