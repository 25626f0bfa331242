package ours

import (
	"context"
	"time"

	"github.com/millrace-io/millrace/record"
)

// Get implements target.Getter. Sequence numbers of a log begin at 1.
func (s *walSession) Get(_ context.Context, shard int, number uint64, visit func([]byte)) error {
	return s.first(shard, record.AtSequence(number+1), visit)
}

// GetAt implements target.TimeGetter.
func (s *walSession) GetAt(_ context.Context, shard int, at time.Time, visit func([]byte)) error {
	return s.first(shard, record.AtTime(at), visit)
}

// first visits the first record from start on: the one way in which single
// records are read, a cursor for each.
func (s *walSession) first(shard int, start record.Start, visit func([]byte)) error {
	c, err := s.logs[shard].Cursor(start)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.TryNext() {
		visit(c.View().Data)
	}
	return c.Err()
}
