package killtest

import (
	"bytes"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stored is a record as a server would return it.
type stored struct {
	key  string
	data []byte
}

// pass shows the ledger all records of one shard, as a read from the given
// sequence number on.
func pass(l *Ledger, shard []stored, full bool) {
	l.StartPass(full)
	next := l.Next(1)
	for i := next; i <= uint64(len(shard)); i++ {
		l.Read(1, i, shard[i-1].key, shard[i-1].data)
	}
	l.EndPass()
}

// sendAll sends and acknowledges n records to shard 1 and returns what an
// honest server would have stored.
func sendAll(l *Ledger, n int) []stored {
	var shard []stored
	for range n {
		id, rec := l.Send(32, 3)
		shard = append(shard, stored{rec.PartitionKey, rec.Data})
		l.Acknowledge(id, 1, uint64(len(shard)))
	}
	return shard
}

func TestHonestServerPasses(t *testing.T) {
	l := NewLedger()
	shard := sendAll(l, 10)
	pass(l, shard, false)
	// Sent, not acknowledged, stored all the same.
	_, rec := l.Send(32, 3)
	shard = append(shard, stored{rec.PartitionKey, rec.Data})
	// Sent, not acknowledged, not stored.
	l.Send(32, 3)
	pass(l, shard, false)
	pass(l, shard, true)
	if err := l.Err(); err != nil {
		t.Fatal(err)
	}
	if l.Acknowledged() != 10 || l.Sent() != 12 {
		t.Errorf("%d acknowledged of %d sent", l.Acknowledged(), l.Sent())
	}
}

// TestPlantedFaultsAreFound is why the harness may be believed: each server
// here breaks one promise, and must be caught.
func TestPlantedFaultsAreFound(t *testing.T) {
	cases := []struct {
		name  string
		plant func(l *Ledger, shard []stored) []stored
		want  string
	}{
		{"dropped at the end", func(_ *Ledger, s []stored) []stored { return s[:9] }, "lost: record 9"},
		{"dropped in the middle", func(_ *Ledger, s []stored) []stored { return append(s[:4:4], s[5:]...) }, "record 5 was acknowledged at"},
		{"duplicated", func(_ *Ledger, s []stored) []stored { return append(s, s[2]) }, "duplicate of record 2"},
		{"reordered", func(_ *Ledger, s []stored) []stored { s[3], s[4] = s[4], s[3]; return s }, "record 4 was acknowledged at"},
		{"phantom", func(_ *Ledger, s []stored) []stored { return append(s, stored{"0", bytes.Repeat([]byte{7}, 32)}) }, "phantom"},
		{"short phantom", func(_ *Ledger, s []stored) []stored { return append(s, stored{"0", nil}) }, "phantom"},
		{"flipped bit", func(_ *Ledger, s []stored) []stored { s[7].data[20] ^= 1; return s }, "phantom"},
		{"other key", func(_ *Ledger, s []stored) []stored { s[7].key = "9"; return s }, "phantom"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := NewLedger()
			pass(l, c.plant(l, sendAll(l, 10)), false)
			if err := l.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("found %v, want %q", err, c.want)
			}
		})
	}
}

func TestFaultsOfLaterReadsAreFound(t *testing.T) {
	_, unsent := NewLedger().Send(32, 3)
	cases := []struct {
		name  string
		plant func(s []stored) []stored
		want  string
	}{
		{"shrinks", func(s []stored) []stored { return s[:8] }, "ends at 8, held 10 records"},
		{"changes", func(s []stored) []stored { s[3] = s[4]; return s }, "was record 3 at an earlier read, is record 4 now"},
		{"turns into something else", func(s []stored) []stored { s[3] = stored{"x", unsent.Data}; return s }, "phantom"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := NewLedger()
			shard := sendAll(l, 10)
			pass(l, shard, false)
			pass(l, c.plant(shard), true)
			if err := l.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("found %v, want %q", err, c.want)
			}
		})
	}
}

func TestAbsentRecordMustStayAbsent(t *testing.T) {
	l := NewLedger()
	shard := sendAll(l, 3)
	_, late := l.Send(32, 3)
	pass(l, shard, false)
	pass(l, append(shard, stored{late.PartitionKey, late.Data}), false)
	if err := l.Err(); err == nil || !strings.Contains(err.Error(), "was absent after an earlier restart") {
		t.Errorf("found %v", err)
	}
}

func TestSequenceGapIsFound(t *testing.T) {
	l := NewLedger()
	shard := sendAll(l, 3)
	l.StartPass(false)
	l.Read(1, 1, shard[0].key, shard[0].data)
	l.Read(1, 3, shard[2].key, shard[2].data)
	if err := l.Err(); err == nil || !strings.Contains(err.Error(), "sequence 3 follows, expected 2") {
		t.Errorf("found %v", err)
	}
}

func TestSecondAcknowledgementIsFound(t *testing.T) {
	l := NewLedger()
	id, _ := l.Send(32, 3)
	l.Acknowledge(id, 1, 1)
	l.Acknowledge(id, 2, 1)
	if err := l.Err(); err == nil || !strings.Contains(err.Error(), "acknowledged twice") {
		t.Errorf("found %v", err)
	}
}

func TestViolationsAreBounded(t *testing.T) {
	l := NewLedger()
	sendAll(l, violationsMax+5)
	pass(l, nil, false)
	if err := l.Err(); err == nil || !strings.HasSuffix(err.Error(), "and 5 more") {
		t.Errorf("found %v", err)
	}
}

func TestShardsCountByThemselves(t *testing.T) {
	l := NewLedger()
	for i := range 6 {
		id, rec := l.Send(32, 3)
		shard, sequence := record.ShardID(i%2), uint64(i/2+1)
		l.Acknowledge(id, shard, sequence)
		l.Read(shard, sequence, rec.PartitionKey, rec.Data)
	}
	l.EndPass()
	if err := l.Err(); err != nil {
		t.Fatal(err)
	}
}
