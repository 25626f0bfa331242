package load

import (
	"context"
	"io"
	"sync"

	"github.com/millrace-io/millrace/record"
)

// aheadMax is how many records are read before they are asked for.
const aheadMax = 1024

// next is what a source returned.
type next struct {
	rec record.Record
	err error
}

// Reader gives records until it returns io.EOF; it may wait for them for ever.
type Reader interface {
	Next() (record.Record, error)
}

// background is a source that reads ahead.
type background struct {
	reader  Reader
	begin   sync.Once
	records chan next
}

// Background makes a source of a reader by reading in a goroutine, so that
// waiting for input does not keep a command from ending. It serves one context,
// that of the first call. A read of standard input that is under way cannot be
// called off: the goroutine ends with that read, or with the process.
func Background(reader Reader) Source {
	return &background{reader: reader, records: make(chan next, aheadMax)}
}

// Next implements Source.
func (b *background) Next(ctx context.Context) (record.Record, error) {
	b.begin.Do(func() { go b.read(ctx) })
	select {
	case n := <-b.records:
		return n.rec, n.err
	case <-ctx.Done():
	}
	select {
	case n := <-b.records: // it was read before
		return n.rec, n.err
	default:
		return record.Record{}, io.EOF
	}
}

func (b *background) read(ctx context.Context) {
	for ctx.Err() == nil {
		rec, err := b.reader.Next()
		select {
		case b.records <- next{rec, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}
