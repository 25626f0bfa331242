package wal

import (
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/segment"
)

// rawTwin reads the segments by the lengths of their frames and believes
// everything: with checksums, or without.
func rawTwin(checksums bool) rotServer {
	return func(s *rotSet, disk *crashfs.FS) (served rotServed) {
		names, err := disk.ReadDir(crashDir + "/log-1")
		served.report(err)
		due := s.first
		for _, name := range names {
			b, err := readFile(disk, filepath.Join(crashDir, "log-1", name))
			served.report(err)
			due = served.raw(s, b, due, checksums)
		}
		served.last = due - 1
		return served
	}
}

// raw walks the frames of one segment from the sequence number due.
func (r *rotServed) raw(s *rotSet, b []byte, due uint64, checksums bool) uint64 {
	if len(b) < segment.HeaderSize {
		return due
	}
	salt := binary.LittleEndian.Uint32(b[88:])
	for b = b[segment.HeaderSize:]; len(b) >= protocol.FrameHeaderSize; {
		h := protocol.ParseFrameHeader(b)
		if h.Length < protocol.FrameHeaderSize || h.Span() > int64(len(b)) {
			break
		}
		_, err := protocol.CheckFrame(b, salt)
		if h.Type == protocol.FrameData && (err == nil || !checksums) && protocol.VerifyBatch(h.Payload(b), int(h.Count)) == nil {
			batch := protocol.OpenBatch(h.Payload(b))
			for i := range int(h.Count) {
				r.see(s, View{Sequence: h.Sequence + uint64(i), Time: h.Time, RecordView: batch.Record(i)}, due)
				due++
			}
		}
		b = b[h.Span():]
	}
	return due
}

// silentTwin is the engine, but it keeps damage for itself.
func silentTwin(s *rotSet, disk *crashfs.FS) rotServed {
	served := serveLog(s, disk)
	if isDamage(served.err) {
		served.err, served.torn = nil, 1
	}
	return served
}

// hastyTwin cuts torn tails and does not say so.
func hastyTwin(s *rotSet, disk *crashfs.FS) rotServed {
	served := serveLog(s, disk)
	served.torn = 0
	return served
}

// anxiousTwin calls everything damage.
func anxiousTwin(s *rotSet, disk *crashfs.FS) rotServed {
	served := serveLog(s, disk)
	served.report(failure.Corrupt)
	return served
}

// TestRotIsNoticedInTwins plants bugs: the checks above must fail for each, for
// the right reason.
func TestRotIsNoticedInTwins(t *testing.T) {
	sets := rotSets(t, 1)
	for name, c := range map[string]struct {
		twin   rotServer
		reason string
	}{
		"no checksums":             {rawTwin(false), "served wrongly"},
		"checksums, but no damage": {rawTwin(true), "not detected"},
		"damage is not reported":   {silentTwin, "not detected"},
		"torn tails are not":       {hastyTwin, "0 torn bytes reported"},
		"everything is damage":     {anxiousTwin, "dead space matters"},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range uint64(20_000) {
				s := sets[i%uint64(len(sets))]
				f, bit := s.randomBit(rand.New(rand.NewPCG(i, 3)))
				if _, err := s.flip(c.twin, f, bit); err != nil && strings.Contains(err.Error(), c.reason) {
					t.Logf("noticed by flip %d: %v", i+1, err)
					return
				}
			}
			t.Fatalf("nobody said: %s", c.reason)
		})
	}
	t.Run("frames may stand anywhere", func(t *testing.T) {
		s := sets[slices.IndexFunc(sets, func(s *rotSet) bool { return s.name == "sectors" })]
		f := s.files[slices.IndexFunc(s.files, func(f *rotFile) bool { return !f.manifest })]
		_, err := s.try(rawTwin(true), f, swapped(f.bytes, 10, 14), true)
		if err == nil || !strings.Contains(err.Error(), "served wrongly") {
			t.Fatalf("%v, want records served wrongly", err)
		}
		t.Logf("noticed: %v", err)
	})
}
