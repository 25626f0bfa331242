package wal

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/millrace-io/millrace/failure"
)

var (
	errClosed   = failure.New(failure.Closed, "wal", "it is closed")
	errReadOnly = failure.New(failure.InvalidArgument, "wal", "the directory was opened read-only")
)

// CorruptionError says that bytes which were durable are not what was written.
// Nothing is deleted because of it: the log takes no appends, reads work up to
// Offset, and a human decides.
type CorruptionError struct {
	Log     uint64
	Segment uint64
	Offset  int64
	Err     error
}

// Error implements error.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("wal: log %d, segment %016x is damaged at offset %d: %v; restore a backup, or end the log before the damage with 'millrace repair'",
		e.Log, e.Segment, e.Offset, e.Err)
}

// Unwrap returns the kind failure.Corrupt and the cause.
func (e *CorruptionError) Unwrap() []error { return []error{failure.Corrupt, e.Err} }

// spaceOr names err: a full disk is failure.NoSpace, which clears by itself
// once there is room, and an error that has a kind keeps it.
func spaceOr(kind failure.Kind, operation string, err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return failure.Wrap(failure.NoSpace, operation, err)
	}
	var named *failure.Error
	if errors.As(err, &named) {
		return err
	}
	return failure.Wrap(kind, operation, err)
}
