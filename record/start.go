package record

import (
	"fmt"
	"time"
)

// StartKind says how a Start is to be read.
type StartKind uint8

// The kinds of starting point. The numbers travel over the wire and are frozen.
const (
	// StartTrimHorizon is the oldest record that retention has left.
	StartTrimHorizon StartKind = 0
	// StartLatest is just past the newest record.
	StartLatest StartKind = 1
	// StartAtSequence is the record with the given sequence.
	StartAtSequence StartKind = 2
	// StartAfterSequence is the record that follows the given sequence.
	StartAfterSequence StartKind = 3
	// StartAtTime is the first record that arrived at or after the given time.
	StartAtTime StartKind = 4
)

// String returns the Kinesis name of the kind.
func (k StartKind) String() string {
	switch k {
	case StartTrimHorizon:
		return "TRIM_HORIZON"
	case StartLatest:
		return "LATEST"
	case StartAtSequence:
		return "AT_SEQUENCE_NUMBER"
	case StartAfterSequence:
		return "AFTER_SEQUENCE_NUMBER"
	case StartAtTime:
		return "AT_TIMESTAMP"
	default:
		return fmt.Sprintf("StartKind(%d)", uint8(k))
	}
}

// Start is where in a shard reading begins. The zero value is the trim horizon.
type Start struct {
	Kind StartKind
	// Sequence is read by StartAtSequence and StartAfterSequence.
	Sequence uint64
	// Time is read by StartAtTime: Unix nanoseconds.
	Time int64
}

// TrimHorizon starts at the oldest record there is.
func TrimHorizon() Start { return Start{Kind: StartTrimHorizon} }

// Latest starts just past the newest record.
func Latest() Start { return Start{Kind: StartLatest} }

// AtSequence starts at the record with this sequence.
func AtSequence(sequence uint64) Start { return Start{Kind: StartAtSequence, Sequence: sequence} }

// AfterSequence starts at the record that follows this sequence.
func AfterSequence(sequence uint64) Start {
	return Start{Kind: StartAfterSequence, Sequence: sequence}
}

// AtTime starts at the first record that arrived at or after t.
func AtTime(t time.Time) Start { return Start{Kind: StartAtTime, Time: t.UnixNano()} }

// String renders the start for people.
func (s Start) String() string {
	switch s.Kind {
	case StartAtSequence, StartAfterSequence:
		return fmt.Sprintf("%v(%d)", s.Kind, s.Sequence)
	case StartAtTime:
		return fmt.Sprintf("%v(%s)", s.Kind, time.Unix(0, s.Time).UTC().Format(time.RFC3339Nano))
	default:
		return s.Kind.String()
	}
}
