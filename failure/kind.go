package failure

import (
	"errors"
	"strconv"
)

// Kind says what sort of failure an error is. It implements error, so it can be
// the target of errors.Is and can be returned bare where no detail is known.
type Kind uint16

// The kinds. The numbers are part of the native protocol: never renumber, only
// append.
const (
	// InvalidArgument is a request that no state of the server could satisfy.
	InvalidArgument Kind = 1
	// NotFound is a stream, shard or consumer that does not exist.
	NotFound Kind = 2
	// AlreadyExists is a name that is taken.
	AlreadyExists Kind = 3
	// TooLarge is a record, batch or message beyond its limit.
	TooLarge Kind = 4
	// Throttled is a rate limit; the same request may succeed later.
	Throttled Kind = 5
	// Trimmed is a position that retention has already removed.
	Trimmed Kind = 6
	// Expired is a token, lease or iterator past its life.
	Expired Kind = 7
	// WrongShard is a record whose hash key lies outside the shard's range.
	WrongShard Kind = 8
	// Closed is a use after Close, or of a shard that takes no more records.
	Closed Kind = 9
	// NoSpace is a full disk. It clears when space can be had again.
	NoSpace Kind = 10
	// Poisoned is a log made read-only by an earlier I/O error.
	Poisoned Kind = 11
	// Corrupt is stored data that fails its checks.
	Corrupt Kind = 12
	// NewerVersion is a format written by a later release.
	NewerVersion Kind = 13
	// NotOurs is a file or peer that is not Millrace at all.
	NotOurs Kind = 14
	// SequenceGap is an idempotent producer that skipped records.
	SequenceGap Kind = 15
	// SequenceDuplicate is a producer sequence that was used for another batch
	// or is too old to be remembered.
	SequenceDuplicate Kind = 16
	// Fenced is a producer or owner replaced by one with a higher epoch.
	Fenced Kind = 17
	// Malformed is bytes from a peer that break the protocol.
	Malformed Kind = 18
	// Unavailable is a server that cannot serve now: starting, stopping, moving.
	Unavailable Kind = 19
	// Timeout is a wait that ran out of time; the outcome may be unknown.
	Timeout Kind = 20
	// Conflict is a state that forbids the request, such as a stream in use.
	Conflict Kind = 21
	// Internal is a fault of Millrace itself.
	Internal Kind = 22
	// Disconnected is a connection lost before the reply; the outcome is unknown.
	Disconnected Kind = 23
)

// kindNames holds the text of each kind, indexed by its number.
var kindNames = [...]string{
	InvalidArgument:   "invalid argument",
	NotFound:          "not found",
	AlreadyExists:     "already exists",
	TooLarge:          "too large",
	Throttled:         "throttled",
	Trimmed:           "trimmed",
	Expired:           "expired",
	WrongShard:        "wrong shard",
	Closed:            "closed",
	NoSpace:           "no space",
	Poisoned:          "poisoned",
	Corrupt:           "corrupt",
	NewerVersion:      "newer version",
	NotOurs:           "not ours",
	SequenceGap:       "sequence gap",
	SequenceDuplicate: "sequence duplicate",
	Fenced:            "fenced",
	Malformed:         "malformed",
	Unavailable:       "unavailable",
	Timeout:           "timeout",
	Conflict:          "conflict",
	Internal:          "internal error",
	Disconnected:      "disconnected",
}

// String returns the kind in words, or "kind N" for a number this release does
// not know (a later server may send one).
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Error makes a kind an error; the text is that of String.
func (k Kind) Error() string { return k.String() }

// Retryable reports whether the same request may succeed if it is simply sent
// again soon: a rate limit, a server that is not ready, a lost connection. A
// retried append must be idempotent, since the outcome of a lost one is unknown.
// NoSpace is not among them: a full disk rarely clears within a caller's patience.
func (k Kind) Retryable() bool {
	switch k {
	case Throttled, Unavailable, Disconnected:
		return true
	default:
		return false
	}
}

// KindOf returns the kind of the outermost error in err's tree that has one: 0
// for nil, and Internal when no error in the tree has a kind.
func KindOf(err error) Kind {
	if err == nil {
		return 0
	}
	if kind, ok := errors.AsType[Kind](err); ok {
		return kind
	}
	return Internal
}
