package ours

import (
	"context"
	"errors"
	"time"

	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

// Get implements target.Getter. Sequence numbers of a log begin at 1.
func (s *walSession) Get(_ context.Context, shard int, number uint64, visit func([]byte)) error {
	return s.first(shard, record.AtSequence(number+1), visit)
}

// GetAt implements target.TimeGetter.
func (s *walSession) GetAt(_ context.Context, shard int, at time.Time, visit func([]byte)) error {
	return s.first(shard, record.AtTime(at), visit)
}

// cursorsMax is how many cursors a shard keeps for single reads.
const cursorsMax = 64

// first visits the first record from start on: the one way in which single
// records are read. Cursors are kept and moved, as a program would that reads
// much.
func (s *walSession) first(shard int, start record.Start, visit func([]byte)) error {
	c, err := s.cursor(shard, start)
	if err != nil {
		return err
	}
	if c.TryNext() {
		visit(c.View().Data)
	}
	err = c.Err()
	select {
	case s.cursors[shard] <- c:
		return err
	default:
		return errors.Join(err, c.Close())
	}
}

// cursor returns one that stands at start.
func (s *walSession) cursor(shard int, start record.Start) (*wal.Cursor, error) {
	select {
	case c := <-s.cursors[shard]:
		if err := c.Seek(start); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	default:
		return s.logs[shard].Cursor(start)
	}
}

// closeCursors closes those that are kept. Nobody may read any more.
func (s *walSession) closeCursors() (err error) {
	for _, kept := range s.cursors {
		close(kept)
		for c := range kept {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}
