package wal

import (
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// Repeated returns where a batch of an idempotent producer stands, if the log has it
// already. An append of it would return the same, but here nothing is appended if
// there is no such batch: for logs whose end is not to move any more. The errors
// are those of an append, but not that the log takes none.
func (l *Log) Repeated(p protocol.Producer, count int) (found Pending, repeated bool, err error) {
	if p.ID == 0 {
		return Pending{}, false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	found.durable = l.options.Durability == record.Group
	found.Range, repeated, err = l.producers.check(p, count)
	return found, repeated, err
}
