package load

import (
	"context"
	"io"
	"math/rand/v2"
	"strconv"

	"github.com/millrace-io/millrace/record"
)

// Source gives records until it returns io.EOF, which it also does when ctx is
// done and nothing is left that was read before. The records are the caller's.
type Source interface {
	Next(ctx context.Context) (record.Record, error)
}

// keysMax is how many partition keys a synthetic load has: enough to be even
// over any number of shards.
const keysMax = 1024

// Synthetic is a source of records of one size whose data does not compress.
type Synthetic struct {
	size   int
	left   int64
	random []byte
	keys   []string
	next   int
}

// NewSynthetic returns a source of about total bytes of data in records of
// recordSize bytes; the last one may be shorter.
func NewSynthetic(total int64, recordSize int) *Synthetic {
	s := &Synthetic{size: recordSize, left: total, random: make([]byte, recordSize+keysMax)}
	generator := rand.NewPCG(1, 2)
	for i := range s.random {
		s.random[i] = byte(generator.Uint64())
	}
	for i := range keysMax {
		s.keys = append(s.keys, strconv.Itoa(i))
	}
	return s
}

// Next returns the next record. Its data is a window of one array, which is
// never written again: making the data costs nothing that would be measured.
func (s *Synthetic) Next(ctx context.Context) (record.Record, error) {
	if s.left <= 0 || ctx.Err() != nil {
		return record.Record{}, io.EOF
	}
	at := s.next % keysMax
	size := int(min(int64(s.size), s.left))
	s.next++
	s.left -= int64(size)
	return record.Record{PartitionKey: s.keys[at], Data: s.random[at : at+size : at+size]}, nil
}
