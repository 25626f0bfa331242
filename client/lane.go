package client

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// lane is the records on their way to one shard, in order: those of the batch
// that is filling, of batches that are full, and of the window of batches that
// are encoded and under way.
//
// Invariant: the batches of a window have consecutive producer sequences under
// one producer id, and are sent in that order. So a batch can only have been
// written if all before it were, and a refusal for a SequenceGap proves that
// neither the batch nor any behind it was.
type lane struct {
	routing *routing
	shard   ShardDescription

	// Guarded by Producer.mutex.
	filling *batch
	ready   []*batch

	// Touched by the sender only.
	window   []*batch
	producer protocol.Producer // id, and the sequence of the next batch to enter
	awaiting int               // batches of the window without an answer
	// known is set once a batch is acknowledged under the producer id. Until then
	// the first batch goes alone: to a log that has not heard of a producer any
	// sequence may look like its first, and a second batch could overtake a first
	// one that was throttled.
	known bool
	// recovering is set by the first refusal: nothing more is sent until every
	// batch under way is answered, and then the first of them decides.
	recovering bool
	attempt    int
	resume     time.Time // nothing is sent before
	// after are the lanes of earlier routings that may hold records of the same
	// keys. Nothing is sent while they do: it would come before what is older.
	after []*lane
}

// newLane returns a lane to a shard, with a producer id of its own. An id per
// lane lets one start anew without touching the others.
func newLane(r *routing, shard ShardDescription) *lane {
	l := &lane{routing: r, shard: shard}
	l.renew()
	return l
}

// renew takes a new producer id and numbers the window from 0. It is right only
// when no batch of the window can have been written.
func (l *lane) renew() {
	l.producer, l.known = protocol.Producer{ID: 1 + rand.Uint64N(1<<64-1)}, false
	for _, b := range l.window {
		l.number(b)
	}
}

// number gives a batch the next sequences of the lane.
func (l *lane) number(b *batch) {
	b.producer, b.encoded = l.producer, false
	l.producer.Sequence += uint32(len(b.stored()))
}

// idle reports whether the lane holds no records. The caller holds the
// producer's mutex and is the sender.
func (l *lane) idle() bool { return l.filling == nil && len(l.ready) == 0 && len(l.window) == 0 }

// waits reports whether a lane that the lane follows still holds records. Once it says
// no it never says yes again: retired lanes take none. So a lane that waits has sent
// nothing yet. The caller is as for idle.
func (l *lane) waits() bool {
	l.after = slices.DeleteFunc(l.after, (*lane).idle)
	return len(l.after) > 0
}

// batchState is where a batch of a window stands.
type batchState uint8

const (
	batchQueued  batchState = iota // to be sent
	batchSent                      // awaiting its answer
	batchDone                      // acknowledged
	batchRefused                   // answered by err, or lost with its connection
)

// completion is whom to tell about a record: a function, or a group of Put.
type completion struct {
	notify func(Result)
	group  *group
	index  int
}

// batch is records that travel together. The records stay until the outcome is
// known, since they may have to be encoded again.
type batch struct {
	owner       *Producer
	lane        *lane
	records     []record.Record
	completions []completion
	// aggregates go in place of the records if the producer makes some.
	aggregates aggregates
	// size is an upper bound of the encoded batch, and what the batch takes of
	// the producer's buffer.
	size int
	// opened is when the first record came; the retry budget runs from here.
	opened time.Time
	// generation orders batches by their making, for Flush.
	generation uint64

	state    batchState
	producer protocol.Producer
	// message is head and body, encoded once unless the lane is renewed. It is
	// changed only before it is sent and after it is answered; written says that
	// the connection has let go of it too, and the batch may serve other records.
	message []byte
	encoded bool
	crc     uint32
	written atomic.Bool
	sent    time.Time
	acked   record.Range
	failed  attempts
}

// batchPrefixBytes is what a batch takes before its first record: a bound of the
// encoding of none.
var batchPrefixBytes = protocol.BatchSize(nil)

// add appends a record that takes size bytes at most.
func (b *batch) add(r *record.Record, size int, c completion) {
	b.records = append(b.records, *r)
	b.completions = append(b.completions, c)
	b.size += size
}

// encode makes the message for the given request number. The body is encoded
// only if it is not there yet.
func (b *batch) encode(number uint32, durability protocol.DurabilityRequest) {
	if !b.encoded {
		if need := protocol.AppendHeadBytes + b.size; cap(b.message) < need {
			b.message = make([]byte, 0, need)
		}
		b.message = protocol.AppendBatch(b.message[:protocol.AppendHeadBytes], b.stored(), b.producer)
		b.crc = protocol.Checksum(0, b.message[protocol.AppendHeadBytes:])
		b.encoded = true
	}
	head := protocol.Append{
		StreamID: b.lane.routing.stream, Shard: b.lane.shard.ID, CRC: b.crc,
		Count: uint16(len(b.stored())), Durability: durability,
	}
	head.AppendTo(b.message[:0], number, len(b.message)-protocol.AppendHeadBytes)
}

// receive takes the answer to an Append, on the connection's reader.
func (b *batch) receive(message protocol.Message) bool {
	err := errorIn(message)
	var ack protocol.Ack
	if err == nil {
		err = ack.Parse(message)
	}
	if err == nil && ack.Last-ack.First+1 != uint64(len(b.stored())) {
		err = failure.New(failure.Malformed, "client: receive",
			"sequences %d to %d for %d records", ack.First, ack.Last, len(b.stored()))
	}
	b.owner.answered(event{batch: b, acked: ack.Range(), err: err})
	return true
}

// fail takes the loss of the connection.
func (b *batch) fail(err error) {
	b.written.Store(true) // or never will be
	b.owner.answered(event{batch: b, err: err})
}

// event is an answer on its way from the connection's reader to the sender.
type event struct {
	batch *batch
	acked record.Range
	err   error
}
