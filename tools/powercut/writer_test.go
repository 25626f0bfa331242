package powercut

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

// writerEnvironment makes the test binary a writer: a process of its own, which
// appends to logs on the disk and tells its parent what was acknowledged.
const writerEnvironment = "POWERCUT_WRITER"

func TestMain(m *testing.M) {
	if text := os.Getenv(writerEnvironment); text != "" {
		var w writer
		if err := json.Unmarshal([]byte(text), &w); err != nil {
			panic(err)
		}
		w.run(os.NewFile(3, "messages"))
		return
	}
	goleak.VerifyTestMain(m)
}

// writer is what the process is told to do.
type writer struct {
	Dir     string
	Epoch   uint32 // number of this process on its disk
	Seed    uint64
	Backend wal.Backend
	Store   wal.Store
	// VerifyOnly ends the process, properly, once it has shown what is there.
	VerifyOnly bool

	mu  sync.Mutex // guards out
	out io.Writer
}

// writerLogs are the logs of a disk by id-1, and how many appenders each has.
var writerLogs = []struct {
	durability record.Durability
	appenders  int
}{
	{record.Group, 3},
	{record.Group, 1},
	{record.Interval, 2},
	{record.None, 2},
}

// identity says which record it is; the rest of its content follows from it.
type identity struct {
	epoch, appender uint32
	counter         uint64
}

const identitySize = 16

// content is the record's data: its identity, and up to 700 bytes that look
// random or, now and then, are zeroes, which must not pass for a hole.
func (i identity) content() []byte {
	random := rand.New(rand.NewPCG(uint64(i.epoch)<<32|uint64(i.appender), i.counter))
	b := make([]byte, identitySize, identitySize+700)
	binary.LittleEndian.PutUint32(b, i.epoch)
	binary.LittleEndian.PutUint32(b[4:], i.appender)
	binary.LittleEndian.PutUint64(b[8:], i.counter)
	n := random.IntN(700)
	if random.IntN(8) == 0 {
		return b[:identitySize+n]
	}
	for range n {
		b = append(b, byte(random.Uint32()))
	}
	return b
}

// identify returns whose content b is.
func identify(b []byte) (identity, bool) {
	if len(b) < identitySize {
		return identity{}, false
	}
	i := identity{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint64(b[8:])}
	return i, bytes.Equal(b, i.content())
}

// The kinds of messages from a writer to its parent.
const (
	messageRecovered    = 'r' // a record that was there when the log was opened
	messageOpened       = 'o' // all of them were shown; sequence is the next, counter the first
	messageAcknowledged = 'a'
	messageSeen         = 's' // a cursor at the tail of a log that shows durable records only
	messageTrims        = 't' // about to trim records before sequence
	messageForeign      = 'x' // the record with that sequence number holds what nobody wrote
	messageFailed       = 'e' // something returned an error, which is on standard error
)

// message is one of them.
type message struct {
	kind     byte
	log      byte
	sequence uint64
	identity
}

const messageSize = 32

func (w *writer) send(m message) {
	var b [messageSize]byte
	b[0], b[1] = m.kind, m.log
	binary.LittleEndian.PutUint64(b[8:], m.sequence)
	binary.LittleEndian.PutUint32(b[16:], m.epoch)
	binary.LittleEndian.PutUint32(b[20:], m.appender)
	binary.LittleEndian.PutUint64(b[24:], m.counter)
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.out.Write(b[:]); err != nil {
		os.Exit(3) // the parent is gone
	}
}

// readMessages hands every message to visit until the writer has ended.
func readMessages(from io.Reader, visit func(message)) {
	in := bufio.NewReader(from)
	for {
		var b [messageSize]byte
		if _, err := io.ReadFull(in, b[:]); err != nil {
			return
		}
		visit(message{b[0], b[1], binary.LittleEndian.Uint64(b[8:]), identity{
			binary.LittleEndian.Uint32(b[16:]), binary.LittleEndian.Uint32(b[20:]), binary.LittleEndian.Uint64(b[24:]),
		}})
	}
}

// fail reports an error. What it means is for the parent to say: after a power
// cut every request fails.
func (w *writer) fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	w.send(message{kind: messageFailed})
	select {} // until the parent kills the process
}

func (w *writer) run(out io.Writer) {
	w.out = out
	d, err := wal.OpenDir(filepath.Join(w.Dir, "data"), wal.Options{
		Backend: w.Backend, Store: w.Store, SegmentBytesMin: 32 << 10, SegmentBytesMax: 256 << 10, StagingBytes: 16 << 10,
	})
	if err != nil {
		w.fail(err)
	}
	if len(d.Logs()) == 0 {
		if err := d.CreateLogs(1, 2, 3, 4); err != nil {
			w.fail(err)
		}
	}
	var logs []*wal.Log
	for i, of := range writerLogs {
		l, err := d.OpenLog(uint64(i+1), wal.LogOptions{Durability: of.durability})
		if err == nil {
			err = l.Err()
		}
		if err != nil {
			w.fail(err)
		}
		w.show(byte(i), l)
		logs = append(logs, l)
	}
	if w.VerifyOnly {
		if err := d.Close(); err != nil {
			w.fail(err)
		}
		return
	}
	for i, l := range logs {
		go w.follow(byte(i), l)
		for appender := range writerLogs[i].appenders {
			go w.append(byte(i), l, uint32(appender))
		}
	}
	select {}
}

// show sends everything that is in the log.
func (w *writer) show(log byte, l *wal.Log) {
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		w.fail(err)
	}
	defer c.Close()
	for c.TryNext() {
		w.sendView(messageRecovered, log, c.View())
	}
	if c.Err() != nil {
		w.fail(c.Err())
	}
	w.send(message{messageOpened, log, l.Next(), identity{counter: l.Stats().First}})
}

func (w *writer) sendView(kind, log byte, v *wal.View) {
	id, ours := identify(v.Data)
	if !ours {
		kind = messageForeign
	}
	w.send(message{kind, log, v.Sequence, id})
}

// follow reads what is appended, through the mapping that the writes go around.
func (w *writer) follow(log byte, l *wal.Log) {
	for start := record.Latest(); ; start = record.TrimHorizon() {
		c, err := l.Cursor(start)
		if err != nil {
			w.fail(err)
		}
		for c.Next(context.Background()) {
			v := c.View()
			// What a weaker log shows may be lost with the power, and must
			// be what was written all the same.
			if _, ours := identify(v.Data); !ours || l.Durability() == record.Group {
				w.sendView(messageSeen, log, v)
			}
		}
		if !errors.Is(c.Err(), failure.Trimmed) { // a trim overtook it
			w.fail(c.Err())
		}
		c.Close()
	}
}

// append appends batches and tells which are durable.
func (w *writer) append(log byte, l *wal.Log, appender uint32) {
	random := rand.New(rand.NewPCG(w.Seed, uint64(w.Epoch)<<32|uint64(log)<<16|uint64(appender)))
	ctx := context.Background()
	next := identity{w.Epoch, appender, 0}
	var waiting []message // appended, not known durable
	for {
		batch := make([]record.Record, 1+random.IntN(4))
		first := next
		for i := range batch {
			batch[i] = record.Record{PartitionKey: "k", Data: next.content()}
			next.counter++
		}
		got, err := l.Append(ctx, batch, protocol.Producer{})
		if err != nil {
			w.fail(err)
		}
		for i := range batch {
			waiting = append(waiting, message{messageAcknowledged, log, got.First + uint64(i), first})
			first.counter++
		}
		if l.Durability() != record.Group {
			if random.IntN(8) != 0 {
				continue
			}
			if err := l.WaitDurable(ctx, got.Last); err != nil {
				w.fail(err)
			}
		}
		for _, m := range waiting {
			w.send(m)
		}
		waiting = waiting[:0]
		w.maintain(log, l, random)
	}
}

// maintain seals or trims now and then.
func (w *writer) maintain(log byte, l *wal.Log, random *rand.Rand) {
	switch random.IntN(100) {
	case 0:
		if err := l.Seal(context.Background()); err != nil {
			w.fail(err)
		}
	case 1, 2:
		next, first := l.Next(), l.Stats().First
		w.send(message{kind: messageTrims, log: log, sequence: next})
		if err := l.TrimBefore(first + (next-first)/2); err != nil {
			w.fail(err)
		}
	}
}
