package record

import (
	"fmt"

	"github.com/millrace-io/millrace/failure"
)

// Durability says what an acknowledgement means. A lower number is a stronger
// promise; the numbers are stored and travel over the wire, so they are frozen.
type Durability uint8

// The modes.
const (
	// Group acknowledges, and shows to readers, after fdatasync has returned.
	// It is the default.
	Group Durability = 0
	// Interval acknowledges once the record is written and syncs every so often:
	// a crash of the process loses nothing, a power cut at most the interval.
	Interval Durability = 1
	// None acknowledges once the record is written and leaves syncing to the
	// operating system.
	None Durability = 2
)

// String returns the mode as flags and configuration spell it.
func (d Durability) String() string {
	switch d {
	case Group:
		return "group"
	case Interval:
		return "interval"
	case None:
		return "none"
	default:
		return fmt.Sprintf("Durability(%d)", uint8(d))
	}
}

// Valid reports whether d is one of the modes.
func (d Durability) Valid() bool { return d <= None }

// Stronger returns the stronger promise of the two. A request may strengthen
// what its stream promises, never weaken it.
func (d Durability) Stronger(other Durability) Durability { return min(d, other) }

// ParseDurability reads a mode as String writes it.
func ParseDurability(text string) (Durability, error) {
	for d := Group; d <= None; d++ {
		if text == d.String() {
			return d, nil
		}
	}
	return 0, failure.New(failure.InvalidArgument, "record: parse durability",
		"%q is not one of group, interval, none", text)
}
