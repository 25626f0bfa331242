package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// Rot is what a device does to bytes that nobody asked it to change: a flipped
// bit, a lost or misplaced sector, a file cut short. The tests of rot build
// small data directories (a rotSet each), change one thing in one file, open
// the directory as the engine does, and compare what it serves with what was
// appended.
//
// What must happen depends on where the change is. A map of every file, made
// from docs/format and not by the engine's own reader, puts each byte into one of
// these classes:
//
//   - dead: the format says that nobody looks at it (the padding of a frame, the
//     space behind the last one). Everything is served, and no error.
//
//   - live: an error with the name of damage, from opening or from reading, and
//     only right records before it.
//
//   - unpromised: a frame of the last, unsealed segment that no later frame
//     vouches for. Its damage cannot be told from a write that power cut off.
//     Exactly the records from it on are missing, and the recovery reports torn
//     bytes, if anything but zeroes is left to report.
//
//   - last edit: the newest record of the MANIFEST, for the same reason. It is
//     either damage, or everything is served all the same: what it said is found
//     again in the segments.
//
//   - compressed: the blocks and tables of a compressed segment. What a flipped bit
//     does to a block depends on what it held, and may be nothing. It is either
//     damage, or everything is served.
//
// There is no other class. Something acknowledged may be missing without an error
// only where it is unpromised.
type rotClass uint8

const (
	rotDead rotClass = iota
	rotLive
	rotUnpromised
	rotLastEdit
	rotCompressed
	rotClasses
)

func (c rotClass) String() string {
	return [...]string{"dead space", "live", "unpromised", "last edit", "compressed"}[c]
}

// rotRegion is a range of bytes that is good or bad as a whole: a header page, a
// frame, a record of the MANIFEST; or dead space.
type rotRegion struct {
	from, to int64
	dead     bool
	frame    bool
	packed   bool
	first    uint64 // of a frame with records: its sequence number
	promise  int64  // of a frame: everything before it was durable when it was written
}

// rotFile is one file of a set, and its map.
type rotFile struct {
	name     string
	bytes    []byte
	manifest bool
	active   bool        // an unsealed segment
	begun    int64       // of a manifest: what lies before it was complete before the file got its name
	regions  []rotRegion // they cover the file, in order
}

// rotExpected is what must come of a change.
type rotExpected struct {
	class rotClass
	at    rotRegion // the first region that changed
	blank bool      // unpromised: only zeroes are left, as if nothing had been written
	moved bool      // good frames stand elsewhere: damage may be reported where none need be
}

// expect says what must come of replacing the file by content, nil being its
// removal.
func (f *rotFile) expect(content []byte) rotExpected {
	var touched []int
	for i, r := range f.regions {
		if !r.dead && (int64(len(content)) < r.to || !bytes.Equal(content[r.from:r.to], f.bytes[r.from:r.to])) {
			touched = append(touched, i)
		}
	}
	cut := f.active && len(content) < len(f.bytes) // a segment has its length before it has a name
	if len(touched) == 0 {
		return rotExpected{class: map[bool]rotClass{false: rotDead, true: rotLive}[cut]}
	}
	first := f.regions[touched[0]]
	expected := rotExpected{class: rotLive, at: first}
	switch {
	case f.manifest:
		records := slices.DeleteFunc(slices.Clone(f.regions), func(r rotRegion) bool { return r.dead || r.from < first.from })
		if first.from >= f.begun && len(records) == len(touched) {
			expected.class = rotLastEdit
		}
	case first.packed:
		expected.class = rotCompressed
	case f.active && first.frame && !cut && !f.vouched(touched):
		expected.class = rotUnpromised
		expected.blank = len(bytes.Trim(content[first.from:], "\x00")) == 0
	}
	return expected
}

// vouched reports whether a frame that is as it was promises the first of the
// touched regions.
func (f *rotFile) vouched(touched []int) bool {
	for i := touched[0] + 1; i < len(f.regions); i++ {
		if !slices.Contains(touched, i) && f.regions[i].promise > f.regions[touched[0]].from {
			return true
		}
	}
	return false
}

// rotRecord is what was appended.
type rotRecord struct {
	key  string
	data []byte
	time int64
}

// rotSet is a data directory with one log, as a process that ended left it.
type rotSet struct {
	name    string
	options Options
	log     LogOptions
	disk    *crashfs.FS // everything on it is durable; never opened itself
	files   []*rotFile
	records []rotRecord // of sequence numbers 1, 2, ...
	first   uint64      // oldest record kept
	probes  []uint64    // sequence numbers to seek: they use every index
}

// next is the sequence number behind everything that was acknowledged.
func (s *rotSet) next() uint64 { return uint64(len(s.records)) + 1 }

// size returns the bytes of all files.
func (s *rotSet) size() (n int64) {
	for _, f := range s.files {
		n += int64(len(f.bytes))
	}
	return n
}

// image returns the directory with one file replaced; nil removes it.
func (s *rotSet) image(name string, content []byte) (*crashfs.FS, error) {
	disk := s.disk.Crash(rand.New(rand.NewPCG(1, 1)))
	if content == nil {
		return disk, disk.Remove(name)
	}
	return disk, putFile(disk, name, content)
}

// rotServed is what came out of a directory.
type rotServed struct {
	wrong string // a record that was never appended, or at the wrong place
	err   error  // what was reported, by whichever call
	last  uint64 // the newest record served, or where serving stopped
	torn  int64  // bytes that a recovery cut off
}

// rotServer opens a directory and reads it: the engine, or a twin with a
// planted bug.
type rotServer func(s *rotSet, disk *crashfs.FS) rotServed

// report keeps the first error.
func (r *rotServed) report(err error) {
	if r.err == nil {
		r.err = err
	}
}

// see compares one record with what was appended under its number.
func (r *rotServed) see(s *rotSet, v View, due uint64) {
	switch {
	case r.wrong != "":
	case v.Sequence != due:
		r.wrong = fmt.Sprintf("record %d where %d was due", v.Sequence, due)
	case v.Sequence == 0 || v.Sequence >= s.next():
		r.wrong = fmt.Sprintf("record %d was never appended", v.Sequence)
	default:
		want := s.records[v.Sequence-1]
		if want.key != string(v.Key) || want.time != v.Time || !bytes.Equal(want.data, v.Data) {
			r.wrong = fmt.Sprintf("record %d has other content", v.Sequence)
		}
	}
}

// serveLog is the engine: it opens the directory for writing, reads all of it in
// order, seeks into every segment, and takes the frames as they would be sent on.
func serveLog(s *rotSet, disk *crashfs.FS) (served rotServed) {
	o := s.options
	o.FS = disk
	o.Events.Recovered = func(_ uint64, report Recovery) { served.torn += report.Torn }
	d, err := OpenDir(crashDir, o)
	if err != nil {
		served.report(err)
		return served
	}
	defer func() {
		disk.Kill()
		closeQuietly(d)
	}()
	served.readFrom(s, d)
	return served
}

// serveUnmapped reads with pread.
func serveUnmapped(s *rotSet, disk *crashfs.FS) rotServed {
	unmapped := *s
	unmapped.options.Backend = BackendPread
	return serveLog(&unmapped, disk)
}

// serveReadOnly is the engine too, as a tool beside a writer uses it.
func serveReadOnly(s *rotSet, disk *crashfs.FS) (served rotServed) {
	o := s.options
	o.FS = disk
	d, err := OpenDirReadOnly(crashDir, o)
	if err != nil {
		served.report(err)
		return served
	}
	defer closeQuietly(d)
	served.readFrom(s, d)
	served.torn = 1 // it reports no recovery
	return served
}

func (r *rotServed) readFrom(s *rotSet, d *Dir) {
	if len(d.Logs()) == 0 {
		return
	}
	l, err := d.OpenLog(1, s.log)
	if err != nil {
		r.report(err)
		return
	}
	if err := l.Err(); err != nil && !errors.Is(err, errReadOnly) {
		r.report(err)
	}
	r.last = r.read(s, l, record.TrimHorizon(), s.first, ^uint64(0))
	for _, sequence := range s.probes {
		if sequence >= l.Next() {
			continue
		}
		r.read(s, l, record.AtSequence(sequence), sequence, 3)
		at := s.records[sequence-1].time
		for sequence > s.first && s.records[sequence-2].time == at {
			sequence--
		}
		r.read(s, l, record.AtTime(time.Unix(0, at)), sequence, 3)
	}
	r.frames(s, l)
}

// read follows a cursor over at most limit records and returns the last one.
func (r *rotServed) read(s *rotSet, l *Log, start record.Start, due, limit uint64) uint64 {
	c, err := l.Cursor(start)
	if err != nil {
		r.report(err)
		return due - 1
	}
	defer c.Close()
	n := uint64(0)
	for ; n < limit && c.TryNext(); n++ {
		r.see(s, *c.View(), due)
		due++
	}
	r.report(c.Err())
	if n < limit && c.Err() == nil && due != l.Next() && r.wrong == "" {
		r.wrong = fmt.Sprintf("a cursor ended before record %d, but the log says that %d is the next", due, l.Next())
	}
	return due - 1
}

// frames reads what the server would send to a consumer.
func (r *rotServed) frames(s *rotSet, l *Log) {
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		r.report(err)
		return
	}
	defer c.Close()
	due := s.first
	for f, ok := c.Frames(4 << 10); ok && r.wrong == ""; f, ok = c.Frames(4 << 10) {
		for b := f.Bytes; len(b) > 0 && r.wrong == ""; {
			h, err := protocol.CheckFrame(b, f.Salt)
			if err != nil {
				r.wrong = fmt.Sprintf("a frame due with record %d: %v", due, err)
				return
			}
			if h.Type == protocol.FrameData {
				batch := protocol.OpenBatch(h.Payload(b))
				for i := range int(h.Count) {
					r.see(s, View{Sequence: h.Sequence + uint64(i), Time: h.Time, RecordView: batch.Record(i)}, due)
					due++
				}
			}
			b = b[h.Span():]
		}
	}
	r.report(c.Err())
}

// isDamage reports whether err names damage.
func isDamage(err error) bool {
	if err == nil {
		return false
	}
	switch failure.KindOf(err) {
	case failure.Corrupt, failure.NotOurs, failure.NewerVersion:
		return true
	}
	return false
}

// judge says what is wrong about what was served, given what is expected.
func (s *rotSet) judge(e rotExpected, served rotServed) error {
	if e.moved && isDamage(served.err) && served.wrong == "" && e.class != rotLive {
		return nil
	}
	complete := served.err == nil && served.last == s.next()-1
	switch {
	case served.wrong != "":
		return fmt.Errorf("served wrongly: %s", served.wrong)
	case served.err != nil && !isDamage(served.err):
		return fmt.Errorf("the error does not name damage: %w", served.err)
	}
	switch e.class {
	case rotDead:
		if !complete {
			return fmt.Errorf("dead space matters: served up to %d of %d, error %v", served.last, s.next()-1, served.err) //nolint:errorlint // it may be nil
		}
	case rotLive:
		if served.err == nil {
			return fmt.Errorf("not detected: served up to %d of %d without an error", served.last, s.next()-1)
		}
	case rotUnpromised:
		last := s.next() - 1
		if e.at.first != 0 {
			last = e.at.first - 1
		}
		if served.err != nil || served.last != last || served.torn == 0 && !e.blank {
			return fmt.Errorf("served up to %d and not %d, %d torn bytes reported, error %v", served.last, last, served.torn, served.err) //nolint:errorlint // it may be nil
		}
	case rotLastEdit, rotCompressed:
		if served.err == nil && !complete {
			return fmt.Errorf("something is missing, and nobody says so: served up to %d of %d", served.last, s.next()-1)
		}
	}
	return nil
}

// try serves the directory with one file changed and judges that. A panic is
// an error.
func (s *rotSet) try(serve rotServer, f *rotFile, content []byte, moved bool) (e rotExpected, err error) {
	e = f.expect(content)
	e.moved = moved
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = fmt.Errorf("set %q, %s, region %d to %d of %d, which is %v: %w", s.name, f.name, e.at.from, e.at.to, len(f.bytes), e.class, err)
		}
	}()
	disk, err := s.image(f.name, content)
	if err != nil {
		return e, err
	}
	return e, s.judge(e, serve(s, disk))
}

// mapFiles makes the maps of all files.
func (s *rotSet) mapFiles() error {
	_, logs, err := readManifest(s.disk, crashDir)
	if err != nil {
		return err
	}
	for _, f := range s.files {
		if strings.HasPrefix(filepath.Base(f.name), manifestPrefix) {
			f.mapManifest()
			continue
		}
		_, id, _ := parseSegmentName(filepath.Base(f.name))
		for _, e := range logs[1].segments {
			if e.id == id {
				f.mapSegment(e)
			}
		}
		if f.regions == nil {
			return fmt.Errorf("%s is not in the MANIFEST", f.name)
		}
	}
	return nil
}

func (f *rotFile) mapManifest() {
	f.manifest = true
	f.regions = []rotRegion{{from: 0, to: manifestHeaderSize}}
	off := int64(manifestHeaderSize)
	f.begun = off + int64(binary.LittleEndian.Uint32(f.bytes[12:]))
	for off+recordHeaderSize <= int64(len(f.bytes)) {
		length := int64(binary.LittleEndian.Uint32(f.bytes[off:]))
		if length == 0 {
			break
		}
		f.regions = append(f.regions, rotRegion{from: off, to: off + length})
		off += length
	}
	f.regions = append(f.regions, rotRegion{from: off, to: int64(len(f.bytes)), dead: true})
}

// mapSegment walks the frames of a segment that is as it was written.
func (f *rotFile) mapSegment(e segmentEntry) {
	f.active = e.state == stateActive
	f.regions = []rotRegion{{from: 0, to: segment.HeaderSize}}
	off, limit := int64(segment.HeaderSize), int64(len(f.bytes))
	if h, err := segment.ParseHeader(f.bytes); err == nil && h.Packing.Codec != segment.CodecNone {
		f.regions = append(f.regions, rotRegion{from: off, to: limit, packed: true})
		return
	}
	switch e.state {
	case stateSealed:
		limit = e.at + segment.FooterSize
	case stateEnded:
		limit = e.at
	}
	for off+protocol.FrameHeaderSize <= limit {
		h := f.bytes[off:]
		length := int64(binary.LittleEndian.Uint32(h))
		if length == 0 {
			break
		}
		r := rotRegion{from: off, to: off + length, frame: true, promise: 8 * int64(binary.LittleEndian.Uint32(h[24:]))}
		if kind := protocol.FrameType(h[30]); kind != protocol.FrameIndex && kind != protocol.FrameFooter {
			r.first = binary.LittleEndian.Uint64(h[8:])
		}
		off += (length + 7) &^ 7
		f.regions = append(f.regions, r, rotRegion{from: r.to, to: off, dead: true})
	}
	f.regions = append(f.regions, rotRegion{from: off, to: int64(len(f.bytes)), dead: true})
}
