package powercut

import (
	"errors"
	"fmt"
	"testing"
)

// ledger is what the writers of one disk have been promised, over all its power
// cuts.
type ledger struct {
	logs       []logLedger
	violations []error

	acknowledged, seen, recovered int
}

// logLedger is that of one log.
type logLedger struct {
	epoch    uint32              // of the writer at work
	required map[uint64]identity // what must be there, by sequence number
	last     uint64              // the highest number in required
	settled  uint64              // numbers up to it were shown by the last complete opening
	trimmed  uint64              // records before it may be gone

	open    bool                // the writer has shown everything
	shown   map[uint64]identity // by the opening in progress
	from    uint64              // the first sequence number shown
	next    uint64              // the sequence number to be shown next; 0: none was shown
	counter map[identity]uint64 // by epoch and appender: the record to be shown next, of those not settled
}

func newLedger(logs int) *ledger {
	l := &ledger{logs: make([]logLedger, logs)}
	for i := range l.logs {
		l.logs[i] = logLedger{required: map[uint64]identity{}, trimmed: 1}
	}
	return l
}

// begin is the start of the next writer.
func (l *ledger) begin(epoch uint32) {
	for i := range l.logs {
		of := &l.logs[i]
		of.epoch, of.shown, of.next, of.counter, of.open = epoch, map[uint64]identity{}, 0, map[identity]uint64{}, false
	}
}

// complete reports whether the writer has opened all logs.
func (l *ledger) complete() bool {
	for i := range l.logs {
		if !l.logs[i].open {
			return false
		}
	}
	return true
}

func (l *ledger) report(format string, args ...any) {
	if len(l.violations) < 20 {
		l.violations = append(l.violations, fmt.Errorf(format, args...))
	}
}

func (l *ledger) err() error { return errors.Join(l.violations...) }

// note takes a message of the writer.
func (l *ledger) note(m message) {
	of := &l.logs[m.log]
	switch m.kind {
	case messageRecovered:
		l.recovered++
		l.show(of, m)
	case messageOpened:
		l.opened(of, m)
	case messageAcknowledged, messageSeen:
		if m.kind == messageSeen {
			l.seen++
		} else {
			l.acknowledged++
		}
		if before, known := of.required[m.sequence]; known && before != m.identity {
			l.report("log %d: record %d is %v and %v", m.log+1, m.sequence, before, m.identity)
		}
		of.required[m.sequence] = m.identity
		of.last = max(of.last, m.sequence)
	case messageTrims:
		of.trimmed = max(of.trimmed, m.sequence)
	case messageForeign:
		l.report("log %d: record %d holds what nobody wrote", m.log+1, m.sequence)
	}
}

// show judges one record of an opening.
func (l *ledger) show(of *logLedger, m message) {
	if of.next == 0 {
		of.next, of.from = m.sequence, m.sequence
	}
	if m.sequence != of.next {
		l.report("log %d: record %d follows, %d was due", m.log+1, m.sequence, of.next)
	}
	of.next = m.sequence + 1
	of.shown[m.sequence] = m.identity
	if want, known := of.required[m.sequence]; known && want != m.identity {
		l.report("log %d: record %d is %v, acknowledged was %v", m.log+1, m.sequence, m.identity, want)
	}
	if m.sequence <= of.settled {
		if _, known := of.required[m.sequence]; !known && m.sequence >= of.trimmed {
			l.report("log %d: record %d was not there before", m.log+1, m.sequence)
		}
		return
	}
	// It was written after the last opening that was shown to its end, each
	// appender's records in their order and without a gap.
	stream := identity{epoch: m.epoch, appender: m.appender}
	due, begun := of.counter[stream]
	if !begun && of.from > of.settled+1 {
		due = m.counter // those before it are trimmed
	}
	if m.epoch >= of.epoch || m.counter != due {
		l.report("log %d: phantom: record %d is %v, the next of its appender would be %d", m.log+1, m.sequence, m.identity, due)
	}
	of.counter[stream] = m.counter + 1
}

// opened concludes an opening: everything required was shown, and what was
// shown is required from now on, because recovery has made it durable.
func (l *ledger) opened(of *logLedger, m message) {
	first, next := m.counter, m.sequence
	if first > of.trimmed {
		l.report("log %d: begins with %d, but %d was not trimmed", m.log+1, first, of.trimmed)
	}
	for sequence, want := range of.required {
		if _, there := of.shown[sequence]; !there && sequence >= first {
			l.report("log %d: lost: record %d, %v, was acknowledged (the log ends before %d)", m.log+1, sequence, want, next)
		}
	}
	if of.next != 0 && of.next != next {
		l.report("log %d: shows records up to %d, and says that %d is next", m.log+1, of.next, next)
	}
	if next <= of.last {
		l.report("log %d: the next record is %d, but %d was acknowledged", m.log+1, next, of.last)
	}
	of.required, of.settled, of.last = of.shown, next-1, next-1
	of.shown, of.open = map[uint64]identity{}, true
}

// TestTheLedgerIsNotAsleep shows that broken promises are found.
func TestTheLedgerIsNotAsleep(t *testing.T) {
	a, b := identity{1, 0, 0}, identity{1, 0, 1}
	honest := []message{{messageRecovered, 0, 1, a}, {messageRecovered, 0, 2, b}, {messageOpened, 0, 3, identity{counter: 1}}}
	for name, c := range map[string]struct {
		messages []message
		fine     bool
	}{
		"honest":     {honest, true},
		"lost":       {[]message{honest[0], {messageOpened, 0, 2, identity{counter: 1}}}, false},
		"all lost":   {[]message{{messageOpened, 0, 1, identity{counter: 1}}}, false},
		"swapped":    {[]message{{messageRecovered, 0, 1, b}, {messageRecovered, 0, 2, a}, honest[2]}, false},
		"hole":       {[]message{honest[0], {messageRecovered, 0, 3, b}, {messageOpened, 0, 4, identity{counter: 1}}}, false},
		"phantom":    {append(honest[:2:2], message{messageRecovered, 0, 3, identity{1, 5, 7}}, message{messageOpened, 0, 4, identity{counter: 1}}), false},
		"duplicate":  {append(honest[:2:2], message{messageRecovered, 0, 3, b}, message{messageOpened, 0, 4, identity{counter: 1}}), false},
		"from later": {append(honest[:2:2], message{messageRecovered, 0, 3, identity{2, 0, 0}}, message{messageOpened, 0, 4, identity{counter: 1}}), false},
		"trimmed":    {[]message{honest[1], {messageOpened, 0, 3, identity{counter: 2}}}, false},
		"foreign":    {append(honest, message{messageForeign, 0, 3, identity{}}), false},
		"not acked":  {append(honest[:2:2], message{messageRecovered, 0, 3, identity{1, 0, 2}}, message{messageOpened, 0, 4, identity{counter: 1}}), true},
	} {
		l := newLedger(1)
		l.begin(1)
		l.note(message{messageOpened, 0, 1, identity{counter: 1}})
		l.note(message{messageAcknowledged, 0, 1, a})
		l.note(message{messageSeen, 0, 2, b})
		l.begin(2)
		for _, m := range c.messages {
			l.note(m)
		}
		if err := l.err(); (err == nil) != c.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}
