package gate

import (
	"context"
	"time"

	"github.com/millrace-io/millrace/bench/target"
)

// Planted returns the targets with every append made slower by the factor: 1.1
// for ten percent. Their sessions can do nothing but append.
func Planted(targets []target.Target, factor float64) []target.Target {
	planted := make([]target.Target, len(targets))
	for i, t := range targets {
		planted[i] = slowed{t, factor}
	}
	return planted
}

// slowed is a target whose appends take longer.
type slowed struct {
	target.Target
	factor float64
}

// Open implements target.Target.
func (s slowed) Open(ctx context.Context, c target.Config) (target.Session, error) {
	session, err := s.Target.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	return slowedSession{session, s.factor}, nil
}

// slowedSession hides everything but appending.
type slowedSession struct {
	inner  target.Session
	factor float64
}

// Append implements target.Session. It spins: a sleep is longer than what there
// is to add.
func (s slowedSession) Append(ctx context.Context, shard int, records [][]byte) error {
	start := time.Now()
	err := s.inner.Append(ctx, shard, records)
	end := time.Duration(float64(time.Since(start)) * s.factor)
	for time.Since(start) < end {
	}
	return err
}

// Close implements target.Session.
func (s slowedSession) Close() error { return s.inner.Close() }
