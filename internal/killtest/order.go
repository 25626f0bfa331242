package killtest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/millrace-io/millrace/record"
)

// Order knows every record that was put under each key, one after the other, and
// checks what readers of a stream see that is split and merged meanwhile. It thinks
// as a client of Kinesis does: shards and sequence numbers are texts, and the latter
// are compared as decimal numbers. Its methods, and those of its readers, may be
// called concurrently.
type Order struct {
	mutex   sync.Mutex
	seed    maphash.Seed
	keys    map[string]*keyed
	shards  map[string]*ListedShard
	readers []*Reader
	acked   int
	findings
}

// keyed is what was put under one key, in order.
type keyed struct {
	hash record.HashKey
	puts []putFate
}

// putFate is what the writer knows about one record.
type putFate struct {
	digest          uint64
	shard, sequence string // of the acknowledgement
}

// ListedShard is a shard as a listing shows it.
type ListedShard struct {
	ID      string
	Range   record.HashRange
	Parents []string
	// First and Last are where its sequence numbers begin and end; Last is empty while it
	// is open.
	First, Last string
}

// Reader is what one consumer has read.
type Reader struct {
	of     *Order
	name   string
	keys   map[string]*readKey
	last   map[string]string   // by shard: the sequence number read last
	ended  map[string][]string // by shard that was read to its end: its children
	unread int                 // records that were acknowledged and not read so far
}

// readKey is what one consumer has read of one key.
type readKey struct {
	places   map[uint64]place // by number
	number   uint64           // the one read last; 0 is none
	sequence string
}

type place struct{ shard, sequence string }

// NewOrder returns an order of nothing.
func NewOrder() *Order {
	return &Order{seed: maphash.MakeSeed(), keys: make(map[string]*keyed), shards: make(map[string]*ListedShard)}
}

// Send makes the next record of a key, whose hash is always the same. Its number
// counts from 1. A record must be answered, or its server dead, before the next one
// of the key is put, unless both are in one batch.
func (o *Order) Send(key string, hash record.HashKey, size int) (number uint64, data []byte) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	k := o.keys[key]
	if k == nil {
		k = &keyed{hash: hash}
		o.keys[key] = k
	}
	number = uint64(len(k.puts) + 1)
	data = make([]byte, max(size, idSize))
	binary.LittleEndian.PutUint64(data, number)
	for i := idSize; i < len(data); i++ {
		data[i] = byte(number) ^ byte(i*7)
	}
	k.puts = append(k.puts, putFate{digest: maphash.Bytes(o.seed, data)})
	return number, data
}

// Acknowledge notes where the server said that it stored a record.
func (o *Order) Acknowledge(key string, number uint64, shard, sequence string) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.acked++
	k := o.keys[key]
	k.puts[number-1].shard, k.puts[number-1].sequence = shard, sequence
	for i := int(number) - 2; i >= 0; i-- {
		if before := k.puts[i].sequence; before != "" {
			if compareDecimals(sequence, before) <= 0 {
				o.report("%s#%d is acknowledged at %s, not above %s of #%d", key, number, sequence, before, i+1)
			}
			break
		}
	}
	for _, r := range o.readers {
		if at, read := r.key(key).places[number]; !read {
			r.unread++
		} else if at != (place{shard, sequence}) {
			o.report("%s: %s#%d was read at %s/%s and is acknowledged at %s/%s", r.name, key, number, at.shard, at.sequence, shard, sequence)
		}
	}
}

// Acknowledged returns how many records were.
func (o *Order) Acknowledged() int {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.acked
}

// Sent returns how many records were.
func (o *Order) Sent() int {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	sent := 0
	for _, k := range o.keys {
		sent += len(k.puts)
	}
	return sent
}

// Reader returns a consumer that has read nothing.
func (o *Order) Reader(name string) *Reader {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	r := &Reader{of: o, name: name, keys: make(map[string]*readKey), last: make(map[string]string), ended: make(map[string][]string), unread: o.acked}
	o.readers = append(o.readers, r)
	return r
}

// key returns what was read of a key. The mutex is held.
func (r *Reader) key(name string) *readKey {
	k := r.keys[name]
	if k == nil {
		k = &readKey{places: make(map[uint64]place)}
		r.keys[name] = k
	}
	return k
}

// Unread returns how many records were acknowledged that the reader has not read.
func (r *Reader) Unread() int {
	r.of.mutex.Lock()
	defer r.of.mutex.Unlock()
	return r.unread
}

// Read shows the next record of a shard, which must have been listed.
func (r *Reader) Read(shard, sequence, key string, data []byte) {
	o := r.of
	o.mutex.Lock()
	defer o.mutex.Unlock()
	at := fmt.Sprintf("%s: %s/%s", r.name, shard, sequence)
	r.checkPlace(at, shard, sequence)
	number, put := o.identify(key, data)
	if put == nil {
		o.report("%s: phantom: nothing of key %q and these %d bytes was sent", at, key, len(data))
		return
	}
	if s := o.shards[shard]; s != nil && !s.Range.Contains(o.keys[key].hash) {
		o.report("%s: %s#%d has the hash %s, the shard's are %s to %s", at, key, number, o.keys[key].hash, s.Range.Start, s.Range.End)
	}
	k := r.key(key)
	if before, read := k.places[number]; read {
		o.report("%s: duplicate of %s#%d, which was read at %s/%s", at, key, number, before.shard, before.sequence)
		return
	}
	k.places[number] = place{shard, sequence}
	if put.sequence != "" {
		r.unread--
		if put.shard != shard || put.sequence != sequence {
			o.report("%s: %s#%d was acknowledged at %s/%s", at, key, number, put.shard, put.sequence)
		}
	}
	if number < k.number {
		o.report("%s: reordered: %s#%d is read after #%d", at, key, number, k.number)
	}
	if k.sequence != "" && compareDecimals(sequence, k.sequence) <= 0 {
		o.report("%s: %s#%d is not above %s of #%d", at, key, number, k.sequence, k.number)
	}
	k.number, k.sequence = max(k.number, number), sequence
}

// checkPlace checks where a record was read, whatever it is. The mutex is held.
func (r *Reader) checkPlace(at, shard, sequence string) {
	o := r.of
	s := o.shards[shard]
	if s == nil {
		o.report("%s: the shard was never listed", at)
		return
	}
	for _, parent := range s.Parents {
		if _, ended := r.ended[parent]; !ended {
			o.report("%s: read before the end of its parent %s", at, parent)
		}
	}
	if _, ended := r.ended[shard]; ended {
		o.report("%s: read behind the end of the shard", at)
	}
	if compareDecimals(sequence, s.First) < 0 || s.Last != "" && compareDecimals(sequence, s.Last) > 0 {
		o.report("%s: outside of the shard's %s to %s", at, s.First, s.Last)
	}
	if before := r.last[shard]; before != "" && compareDecimals(sequence, before) <= 0 {
		o.report("%s: not above %s, read before in the same shard", at, before)
	}
	r.last[shard] = sequence
}

// End notes that a shard was read to its end, and which children that showed.
func (r *Reader) End(shard string, children []string) {
	r.of.mutex.Lock()
	defer r.of.mutex.Unlock()
	r.ended[shard] = slices.Clone(children)
}

// identify returns which record of the key the data is, or nil.
func (o *Order) identify(key string, data []byte) (number uint64, found *putFate) {
	k := o.keys[key]
	if k == nil || len(data) < idSize {
		return 0, nil
	}
	number = binary.LittleEndian.Uint64(data)
	if number == 0 || number > uint64(len(k.puts)) || k.puts[number-1].digest != maphash.Bytes(o.seed, data) {
		return 0, nil
	}
	return number, &k.puts[number-1]
}

// Err returns the violations found so far, or nil.
func (o *Order) Err() error {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.err()
}

// Conclude is called when every reader should have read all, the last record of every
// key included. It returns all violations.
func (o *Order) Conclude() error {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for _, r := range o.readers {
		for name, k := range o.keys {
			r.concludeKey(name, k)
		}
		for shard, children := range r.ended {
			if want := o.childrenOf(shard); !slices.Equal(children, want) {
				o.report("%s: the end of %s shows the children %v, listed are %v", r.name, shard, children, want)
			}
		}
	}
	return o.err()
}

// concludeKey looks for records of one key that were not read though they should have
// been: they were acknowledged, or another reader has them. The mutex is held.
func (r *Reader) concludeKey(name string, k *keyed) {
	read := r.key(name).places
	for i, put := range k.puts {
		number := uint64(i + 1)
		at, found := read[number]
		if put.sequence != "" {
			if !found {
				r.of.report("%s: lost: %s#%d was acknowledged at %s/%s", r.name, name, number, put.shard, put.sequence)
			}
			continue
		}
		first := r.of.readers[0]
		if other, has := first.key(name).places[number]; has != found || other != at {
			r.of.report("%s and %s disagree: %s#%d, not acknowledged, was read at %q and %q", first.name, r.name, name, number, other, at)
		}
	}
}

// compareDecimals compares decimal numbers without leading zeros.
func compareDecimals(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
