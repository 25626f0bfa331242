package killtest

import (
	"encoding/binary"
	"hash/maphash"
	"strconv"
	"sync"

	"github.com/millrace-io/millrace/record"
)

// idSize is the bytes at the start of every record's data that hold its id.
const idSize = 8

// fate is what the ledger knows about one record that was sent.
type fate struct {
	digest   uint64
	sequence uint64 // where it was acknowledged or read; 0 = neither
	shard    record.ShardID
	acked    bool
	read     bool
	absent   bool // a restart has shown that it was not stored
}

// shardState is what was read from one shard.
type shardState struct {
	ids  []uint64 // by sequence-1, in the order of the first read
	next uint64   // the sequence that the current pass must read next
}

// Ledger is the memory of everything sent. Its methods may be called
// concurrently.
type Ledger struct {
	mutex   sync.Mutex
	seed    maphash.Seed
	fates   []fate // by id
	shards  map[record.ShardID]*shardState
	settled uint64 // ids below it were read or found absent by an earlier pass
	acked   int
	findings
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{seed: maphash.MakeSeed(), shards: map[record.ShardID]*shardState{}}
}

// Send makes the next record to send: its content is unique, of the given size
// or a little more, and spread over keys partition keys.
func (l *Ledger) Send(size, keys int) (id uint64, rec record.Record) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	id = uint64(len(l.fates))
	data := make([]byte, max(size, idSize))
	binary.LittleEndian.PutUint64(data, id)
	for i := idSize; i < len(data); i++ {
		data[i] = byte(id>>(i%8*8)) ^ byte(i*7)
	}
	rec = record.Record{PartitionKey: strconv.FormatUint(id%uint64(keys), 10), Data: data}
	l.fates = append(l.fates, fate{digest: l.digest(rec.PartitionKey, data)})
	return id, rec
}

// digest identifies a record's content.
func (l *Ledger) digest(key string, data []byte) uint64 {
	return maphash.String(l.seed, key) ^ maphash.Bytes(l.seed, data)
}

// Acknowledge notes where the server said that it stored the record.
func (l *Ledger) Acknowledge(id uint64, shard record.ShardID, sequence uint64) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	f := &l.fates[id]
	if f.acked {
		l.report("record %d is acknowledged twice, at %s/%d and %s/%d", id, f.shard, f.sequence, shard, sequence)
		return
	}
	f.acked, f.shard, f.sequence = true, shard, sequence
	l.acked++
}

// Acknowledged returns how many records were.
func (l *Ledger) Acknowledged() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.acked
}

// Sent returns how many records were.
func (l *Ledger) Sent() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return len(l.fates)
}

// StartPass begins to read the shards: all of them from the first record on if
// full, otherwise each from where reading ended last.
func (l *Ledger) StartPass(full bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, s := range l.shards {
		s.next = uint64(len(s.ids)) + 1
		if full {
			s.next = 1
		}
	}
}

// Next returns the sequence number that the current pass reads next of a shard.
func (l *Ledger) Next(shard record.ShardID) uint64 {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.shard(shard).next
}

// shard returns the state of a shard. The mutex is held.
func (l *Ledger) shard(id record.ShardID) *shardState {
	s := l.shards[id]
	if s == nil {
		s = &shardState{next: 1}
		l.shards[id] = s
	}
	return s
}

// Read shows the ledger the next record of a shard.
func (l *Ledger) Read(shard record.ShardID, sequence uint64, key string, data []byte) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	s := l.shard(shard)
	if sequence != s.next {
		l.report("%s: sequence %d follows, expected %d", shard, sequence, s.next)
		return
	}
	s.next++
	id, known := l.identify(key, data)
	if !known {
		l.report("%s/%d: phantom: nothing of key %q and these %d bytes was sent", shard, sequence, key, len(data))
		id = uint64(len(l.fates)) // no record
	}
	if known := uint64(len(s.ids)); sequence <= known {
		if before := s.ids[sequence-1]; before != id {
			l.report("%s/%d: was record %d at an earlier read, is record %d now", shard, sequence, before, id)
		}
		return
	}
	s.ids = append(s.ids, id)
	if known {
		l.place(id, shard, sequence)
	}
}

// identify returns which sent record the content is.
func (l *Ledger) identify(key string, data []byte) (id uint64, known bool) {
	if len(data) < idSize {
		return 0, false
	}
	id = binary.LittleEndian.Uint64(data)
	return id, id < uint64(len(l.fates)) && l.fates[id].digest == l.digest(key, data)
}

// place checks the first reading of a record against its fate.
func (l *Ledger) place(id uint64, shard record.ShardID, sequence uint64) {
	f := &l.fates[id]
	switch {
	case f.read:
		l.report("%s/%d: duplicate of record %d, which is at %s/%d", shard, sequence, id, f.shard, f.sequence)
		return
	case f.absent:
		l.report("%s/%d: record %d was absent after an earlier restart", shard, sequence, id)
	case f.acked && (f.shard != shard || f.sequence != sequence):
		l.report("%s/%d: record %d was acknowledged at %s/%d", shard, sequence, id, f.shard, f.sequence)
	}
	f.read, f.shard, f.sequence = true, shard, sequence
}

// EndPass concludes that what was not read is not there. Nothing may be in
// flight.
func (l *Ledger) EndPass() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for ; l.settled < uint64(len(l.fates)); l.settled++ {
		f := &l.fates[l.settled]
		if f.acked && !f.read {
			l.report("%s/%d: lost: record %d was acknowledged and is not there", f.shard, f.sequence, l.settled)
		}
		f.absent = !f.read
	}
	for shard, s := range l.shards {
		if known := uint64(len(s.ids)); s.next <= known {
			l.report("%s: ends at %d, held %d records at an earlier read", shard, s.next-1, known)
		}
	}
}

// Err returns the violations found so far, or nil.
func (l *Ledger) Err() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.err()
}
