package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// modelOperation is one step of a model.
type modelOperation uint8

// The operations that the crash enumeration combines, and behind them those that
// only the fuzzer uses.
const (
	modelAppendSmall modelOperation = iota
	modelAppendLarge                // two of them do not fit in one segment
	modelSeal
	modelTrim // everything that is sealed
	modelReopen
	modelProduce // an append from an idempotent producer
	modelEnumerated
	modelRepeat = iota - 1 // the producer's last batch once more
	modelRest              // timers fire: interval syncs, SYNC frames
	modelKill              // the process dies and starts again
	modelCut               // the power fails, and the process starts again
	modelOperations
)

func (o modelOperation) String() string {
	return [...]string{"append small", "append large", "seal", "trim", "reopen", "produce", "repeat", "rest", "kill", "cut power"}[o]
}

// modelLog is a log beside the slice that says what must be in it. One goroutine
// gives it operations; others may ask for bounds.
type modelLog struct {
	disk    *crashfs.FS
	wrap    func(vfs.FS) vfs.FS
	options Options
	log     LogOptions
	clock   *handClock
	d       *Dir
	l       *Log

	mu      sync.Mutex // guards the fields below
	records [][]byte   // what was given to sequence numbers 1, 2, ... last
	bounds  modelBounds
	made    int // records ever made: a number that is used again gets other content
	batch   *modelBatch
	next    protocol.Producer
}

// modelBounds are what a log may have become.
type modelBounds struct {
	first   uint64 // the oldest record that must be kept
	acked   uint64 // the newest that survives the death of the process
	durable uint64 // the newest that survives a power cut
}

// modelBatch is the last acknowledged batch of the idempotent producer.
type modelBatch struct {
	records  []record.Record
	producer protocol.Producer
	got      record.Range
}

func newModel(d record.Durability, wrap func(vfs.FS) vfs.FS) *modelLog {
	m := &modelLog{
		disk: crashfs.New(crashfs.Options{}), wrap: wrap, clock: &handClock{now: 1}, log: LogOptions{Durability: d},
		bounds: modelBounds{first: 1}, next: protocol.Producer{ID: 7, Epoch: 1},
	}
	m.options = Options{
		Clock: m.clock, Backend: BackendHeap, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10,
		StagingBytes: 4 << 10, UnsyncedBytesMax: 1 << 20, Seed: 1,
	}
	return m
}

// openImage opens log 1 of a disk; the log is nil if it does not exist.
func (m *modelLog) openImage(disk vfs.FS) (*Dir, *Log, error) {
	o := m.options
	o.FS = m.wrap(disk)
	d, err := OpenDir(crashDir, o)
	if err != nil {
		return nil, nil, err
	}
	if len(d.Logs()) == 0 {
		return d, nil, nil
	}
	l, err := d.OpenLog(1, m.log)
	if err == nil {
		err = l.Err()
	}
	if err != nil {
		closeQuietly(d)
		return nil, nil, err
	}
	return d, l, nil
}

// start opens the log, creating it the first time.
func (m *modelLog) start() error {
	d, l, err := m.openImage(m.disk)
	if err != nil {
		return err
	}
	m.d = d
	if l == nil {
		if err := d.CreateLogs(1); err != nil {
			return err
		}
		if l, err = d.OpenLog(1, m.log); err != nil {
			return err
		}
	}
	m.l = l
	m.settle()
	return nil
}

// settle returns when nothing happens in the background any more, so that an
// operation owns all calls to the disk that it causes.
func (m *modelLog) settle() {
	for busy := true; busy; runtime.Gosched() {
		waitIdle(m.l)
		_ = m.l.syncBehind(0) // which the clock would do; a failure poisons the log
		m.l.mu.Lock()
		busy = m.l.behindErr == nil && len(m.l.behind) > 0 || m.l.preparing != nil || m.l.committing
		m.l.mu.Unlock()
	}
}

// do runs one operation; what is what an operation may be varied by.
func (m *modelLog) do(o modelOperation, what uint64) error {
	ctx := context.Background()
	var err error
	switch o {
	case modelAppendSmall:
		err = m.append(m.make(1+int(what%3), 100), none)
	case modelAppendLarge:
		err = m.append(m.make(1, 8<<10), none)
	case modelProduce:
		err = m.produce(m.make(2, 100))
	case modelRepeat:
		err = m.repeat(m.l)
	case modelSeal:
		if err = m.l.Seal(ctx); err == nil {
			m.durable()
		}
	case modelTrim:
		m.mu.Lock()
		m.bounds.first = uint64(len(m.records)) + 1 // an image in the midst of it may show either side
		m.mu.Unlock()
		err = m.l.TrimBefore(m.l.Next())
	case modelReopen:
		if err = m.d.Close(); err == nil {
			m.durable()
			err = m.restart(m.disk)
		}
	case modelRest:
		m.clock.fire()
		m.settle()
		if m.log.Durability == record.Interval {
			m.durable()
		}
	case modelKill:
		m.disk.Kill()
		closeQuietly(m.d)
		err = m.restart(m.disk)
	case modelCut:
		image := m.disk.Crash(rand.New(rand.NewPCG(what, 5)))
		m.disk.Kill()
		closeQuietly(m.d)
		m.mu.Lock()
		m.bounds.acked = m.bounds.durable
		m.mu.Unlock()
		err = m.restart(image)
	}
	if err != nil {
		return fmt.Errorf("%v: %w", o, err)
	}
	m.settle()
	return nil
}

// durable notes that everything acknowledged is on the device.
func (m *modelLog) durable() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bounds.durable = m.bounds.acked
}

// restart opens what the disk holds and makes it the model: what the crash took
// back is forgotten.
func (m *modelLog) restart(disk *crashfs.FS) error {
	m.disk = disk
	if err := m.start(); err != nil {
		return err
	}
	last, err := m.check(m.l, m.bounds, m.bounds.acked)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = m.records[:last]
	m.bounds.acked, m.bounds.durable = last, last
	m.bounds.first = min(m.bounds.first, last+1)
	if m.batch == nil || m.batch.got.Last > last || m.next.Sequence != m.batch.producer.Sequence+uint32(len(m.batch.records)) {
		// The producer does not know how far it got, and begins again.
		m.next.Epoch++
		m.next.Sequence, m.batch = 0, nil
	}
	return nil
}

// make returns records whose content is noted for the numbers they will get.
func (m *modelLog) make(n, size int) []record.Record {
	records := make([]record.Record, n)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range records {
		m.made++
		data := make([]byte, size)
		copy(data, fmt.Sprint("record made as number ", m.made))
		records[i] = record.Record{PartitionKey: "k", Data: data}
		m.records = append(m.records, data)
	}
	return records
}

// append appends and notes what the acknowledgement promises.
func (m *modelLog) append(records []record.Record, p protocol.Producer) error {
	got, err := m.l.Append(context.Background(), records, p)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := uint64(len(m.records)); got.Last != last || got.First != last-uint64(len(records))+1 {
		return fmt.Errorf("appended as %v, the model ends with %d", got, last)
	}
	m.bounds.acked = got.Last
	if m.log.Durability == record.Group {
		m.bounds.durable = got.Last
	}
	if p.ID != 0 {
		m.batch = &modelBatch{records, p, got}
		m.next.Sequence += uint32(len(records))
	}
	return nil
}

func (m *modelLog) produce(records []record.Record) error { return m.append(records, m.next) }

// repeat sends the producer's last batch again: it is recognised if the log has
// it.
func (m *modelLog) repeat(l *Log) error {
	m.mu.Lock()
	b := m.batch
	m.mu.Unlock()
	if b == nil || b.got.Last >= l.Next() {
		return nil
	}
	next := l.nextSequence()
	got, err := l.Append(context.Background(), b.records, b.producer)
	if err != nil || got != b.got || l.nextSequence() != next {
		return fmt.Errorf("repeated batch: got %v, next %d, want %v, next %d: %w", got, l.nextSequence(), b.got, next, err)
	}
	return nil
}

// check reads the log and compares it with the slice: nothing foreign, no holes,
// all of least, nothing missing in front. It returns the last record.
func (m *modelLog) check(l *Log, b modelBounds, least uint64) (last uint64, err error) {
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		return 0, err
	}
	defer c.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	due := l.Stats().First
	if due > b.first {
		return 0, fmt.Errorf("the first record is %d, but %d was not trimmed", due, b.first)
	}
	for ; c.TryNext(); due++ {
		v := c.View()
		if v.Sequence != due || due > uint64(len(m.records)) || !bytes.Equal(v.Data, m.records[due-1]) {
			return 0, fmt.Errorf("record %d where %d was due: %.40q", v.Sequence, due, v.Data)
		}
	}
	switch last = l.Next() - 1; {
	case c.Err() != nil:
		return 0, c.Err()
	case due != last+1:
		return 0, fmt.Errorf("records end with %d, the log says with %d", due-1, last)
	case last < least:
		return 0, fmt.Errorf("recovered up to %d, but %d was promised", last, least)
	}
	return last, nil
}

var errNoLog = errors.New("the log is gone")

// judge opens an image of the disk: what must be there is there, opening again
// shows the same, a repeated batch is recognised, and what is appended then
// survives the next power cut.
func (m *modelLog) judge(image *crashfs.FS, b modelBounds, least uint64) error {
	var last uint64
	for round := range 2 {
		d, l, err := m.openImage(image)
		switch {
		case err == nil && l == nil && (least > 0 || round > 0):
			err = errNoLog
		case err == nil && l == nil:
			return d.Close()
		}
		if err != nil {
			return fmt.Errorf("opening %d: %w", round+1, err)
		}
		got, err := m.check(l, b, least)
		if err == nil && round == 1 && got != last {
			err = fmt.Errorf("records up to %d, the first opening showed %d", got, last)
		}
		if err == nil && round == 1 {
			err = m.repeat(l)
		}
		if err == nil && round == 1 {
			err = m.goOn(image, l)
		}
		last = got
		image.Kill()
		closeQuietly(d)
		if err != nil {
			return fmt.Errorf("opening %d: %w", round+1, err)
		}
	}
	return nil
}

// goOn appends to a recovered log and cuts the power again.
func (m *modelLog) goOn(image *crashfs.FS, l *Log) error {
	own := makeRecords(1, 1, 300)
	got, err := l.Append(context.Background(), own, none)
	if err == nil {
		err = l.WaitDurable(context.Background(), got.Last)
	}
	if err != nil {
		return fmt.Errorf("append after the crash: %w", err)
	}
	d, again, err := m.openImage(image.Crash(rand.New(extreme(nothingSurvives))))
	if err == nil && again == nil {
		err = errNoLog
	}
	if err != nil {
		return fmt.Errorf("after the second crash: %w", err)
	}
	defer closeQuietly(d)
	c, err := again.Cursor(record.AtSequence(got.Last))
	if err != nil {
		return fmt.Errorf("after the second crash: %w", err)
	}
	defer c.Close()
	if !c.TryNext() || !bytes.Equal(c.View().Data, own[0].Data) {
		return fmt.Errorf("record %d, appended after the crash, did not survive the next: %w", got.Last, c.Err())
	}
	return nil
}

// extreme is a source of numbers that are all alike: a crash that draws from it
// keeps nothing that was not synced, or everything.
type extreme uint64

const (
	nothingSurvives    extreme = 1 << 32
	everythingSurvives extreme = ^extreme(0)
)

// Uint64 implements rand.Source.
func (e extreme) Uint64() uint64 { return uint64(e) }
