package wal

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/millrace-io/millrace/failure"
)

var (
	errClosed = failure.New(failure.Closed, "wal", "it is closed")
	// errMisplaced is a good frame that does not follow the one before it.
	errMisplaced = failure.New(failure.Corrupt, "frame", "a frame of this segment stands at the place of another one")
	errReadOnly  = failure.New(failure.InvalidArgument, "wal", "the directory was opened read-only")
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

// spaceOr names err: an error that has a kind keeps it, and a full disk is
// failure.NoSpace, which clears by itself once there is room. A log that a full
// disk has poisoned stays poisoned: that does not clear.
func spaceOr(kind failure.Kind, operation string, err error) error {
	if err == nil {
		return nil
	}
	var has failure.Kind
	if errors.As(err, &has) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) {
		return failure.Wrap(failure.NoSpace, operation, err)
	}
	return failure.Wrap(kind, operation, err)
}
