package wal

import (
	"fmt"
	"sync"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
)

// A roll is written down in the MANIFEST when the records that made it
// necessary have their sequence numbers already, so that it must not meet a
// full disk: the log would have to refuse appends for good. Room for its edits
// is therefore promised before anything else happens, and an append that gets
// no promise is refused. Promises are summed over all logs of the directory.

const (
	// manifestSlack is promised to nobody. It is for trims and removals, which
	// make room where there is none.
	manifestSlack = 16 << 10
	// addedRoom is what the edit of a new segment takes in a record of its own.
	addedRoom = recordHeaderSize + editHeaderSize + 8*2
	// sealedRoom is what the edits of a sealed segment take, without the
	// producer table.
	sealedRoom = recordHeaderSize + editHeaderSize + 8*4 + editHeaderSize + 8
)

// room is how much of a manifest's file is used, allocated and spoken for. Its
// lock is the innermost one and is never held during I/O, so that an append may
// ask for a promise while another log's edit is being synced.
type room struct {
	mu        sync.Mutex
	end       int64 // where the next record goes
	allocated int64
	promised  int64 // bytes behind end that belong to edits to come
}

// lacks returns how many bytes must be allocated for n more and the slack.
func (r *room) lacks(n, slack int64) int64 {
	return r.end + r.promised + n + slack + recordHeaderSize - r.allocated
}

// promise keeps n bytes for a commitPromised to come, if they are allocated.
func (r *room) promise(n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lacks(n, manifestSlack) > 0 {
		return false
	}
	r.promised += n
	return true
}

// release takes back a promise that is not needed.
func (r *room) release(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.promised -= n
}

// use notes that a record of size bytes was written with that promise and
// returns the new end.
func (r *room) use(size, promised int64) (end int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end += size
	r.promised -= promised
	return r.end
}

// reset describes a new file; promises stay.
func (r *room) reset(end, allocated int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end, r.allocated = end, allocated
}

func (r *room) endOffset() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.end
}

func (r *room) promisedBytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.promised
}

// reserve allocates n bytes beyond what is promised, so that a promise of that
// size will probably be had. Its error is that of a full disk, and harmless.
func (m *manifest) reserve(n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed != nil {
		return m.failed
	}
	return m.makeRoomLocked(n, false)
}

// makeRoomLocked makes sure that n bytes are there that nobody was promised.
// Edits that free space may take the last ones.
func (m *manifest) makeRoomLocked(n int64, frees bool) error {
	slack := int64(manifestSlack)
	if frees {
		slack = 0
	}
	m.room.mu.Lock()
	lacks, size := m.room.lacks(n, slack), m.room.allocated
	m.room.mu.Unlock()
	if n <= 0 || lacks <= 0 {
		return nil
	}
	size += lacks + manifestRoom
	if err := m.file.Allocate(size); err != nil {
		return fmt.Errorf("wal: manifest: %w", err)
	}
	m.room.mu.Lock()
	m.room.allocated = size
	m.room.mu.Unlock()
	return nil
}

// freesSpace reports whether the edits make files go away.
func freesSpace(edits []edit) bool {
	for _, e := range edits {
		if e.kind != editTrimmed && e.kind != editLogRemoved {
			return false
		}
	}
	return true
}

// tableSizeLocked bounds the bytes of the producer table in the manifest.
func (l *Log) tableSizeLocked() int64 {
	return int64(len(l.producers.known)+1) * (producerHeaderSize + protocol.ProducerBatchesMax*producerBatchSize)
}

// promiseLocked gets room for the edits of leaving the tail, if there is one,
// and n bytes more. It does one step and reports whether that was enough; it
// may let go of mu meanwhile.
func (l *Log) promiseLocked(n int64) (seal int64, ready bool, err error) {
	if l.tail != nil {
		seal = (sealedRoom + l.tableSizeLocked() + 7) &^ 7
	}
	if l.dir.manifest.room.promise(seal + n) {
		return seal, true, nil
	}
	l.mu.Unlock()
	defer l.mu.Lock()
	if err := l.dir.manifest.reserve(seal + n); err != nil {
		return 0, false, spaceOr(failure.Poisoned, "append: note the next segment", err)
	}
	return 0, false, nil
}
