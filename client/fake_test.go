package client_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// fault is what a fake server does wrong with one append.
type fault uint8

const (
	faultNone         fault = iota
	faultThrottle           // refuse it, to be sent again
	faultRefuse             // refuse it for good
	faultDropUnread         // lose the connection before writing
	faultDropUnacked        // write, and lose the connection before the answer
	faultHalfAnswer         // write, and lose the connection within the answer
	faultForget             // forget all producers first
	faultGarbageReply       // answer with what is no message
	faultWrongCount         // acknowledge another number of records
)

// fake is a server that keeps its logs in memory. It keeps the rules for
// idempotent producers strictly, so that a client that breaks them is found out.
type fake struct {
	t *testing.T
	// faults decides the fault of each append, counted from 0 over all
	// connections; it is called under the mutex.
	faults func(number int) fault
	salt   uint32
	// gate and describeGate, if set before any append or describe comes, hold them
	// all until they are closed.
	gate, describeGate chan struct{}
	durability         protocol.DurabilityRequest // of the last append

	mutex       sync.Mutex
	streams     map[string]*fakeStream
	appends     int
	streamID    uint64
	connections map[net.Conn]struct{}
	down        bool // refuse connections
	running     sync.WaitGroup
	frameFault  func(frame []byte) // damages frames on their way out
}

type fakeStream struct {
	description protocol.Description
	logs        []*fakeLog
}

type fakeLog struct {
	frames    [][]byte
	firsts    []uint64 // of each frame
	next      uint64
	producers map[uint64]*fakeProducer
	grown     chan struct{} // closed and replaced when a frame comes
	closed    bool
	unopened  bool // described as a log that could not be opened
}

type fakeProducer struct {
	next    uint32
	batches map[uint32]protocol.Ack
}

func newFake(t *testing.T) *fake {
	f := &fake{
		t: t, faults: func(int) fault { return faultNone }, salt: 0x5a17,
		streams: make(map[string]*fakeStream), connections: make(map[net.Conn]struct{}),
	}
	t.Cleanup(f.stop)
	return f
}

// stop ends all connections and waits for their goroutines.
func (f *fake) stop() {
	f.mutex.Lock()
	f.down = true
	for connection := range f.connections {
		_ = connection.Close()
	}
	f.mutex.Unlock()
	f.running.Wait()
}

// restart drops all connections; the logs stay.
func (f *fake) restart() {
	f.stop()
	f.mutex.Lock()
	f.down = false
	f.mutex.Unlock()
}

// dial is a client.DialFunc.
func (f *fake) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.down {
		return nil, net.ErrClosed
	}
	f.serve(far)
	return near, nil
}

// serve handles a connection in the background. The caller holds the mutex.
func (f *fake) serve(connection net.Conn) {
	f.connections[connection] = struct{}{}
	f.running.Go(func() {
		s := &fakeSession{fake: f, connection: connection, ended: make(chan struct{}), feeds: make(map[uint32]*fakeFeed)}
		s.run()
		_ = connection.Close()
		close(s.ended)
		s.running.Wait()
		f.mutex.Lock()
		delete(f.connections, connection)
		f.mutex.Unlock()
	})
}

// create adds a stream without a client.
func (f *fake) create(name string, shards int) protocol.Description {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.streamID++
	s := &fakeStream{description: protocol.Description{StreamID: f.streamID, Name: name, Created: time.Unix(1_700_000_000, 0).UTC()}}
	for i, r := range record.SplitEvenly(shards) {
		s.description.Shards = append(s.description.Shards, protocol.ShardDescription{
			ID: record.ShardID(i), Range: r, Created: time.Unix(1_700_000_000, 0).UTC(), First: 1, Next: 1,
		})
		s.logs = append(s.logs, &fakeLog{next: 1, producers: make(map[uint64]*fakeProducer), grown: make(chan struct{})})
	}
	f.streams[name] = s
	return s.description
}

// contents returns the data of all records of a stream, shard by shard.
func (f *fake) contents(name string) [][]string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var shards [][]string
	for _, log := range f.streams[name].logs {
		var texts []string
		for _, frame := range log.frames {
			header, err := protocol.CheckFrame(frame, f.salt)
			if err != nil {
				f.t.Error(err)
			}
			batch := protocol.OpenBatch(header.Payload(frame))
			for i := range batch.Len() {
				texts = append(texts, string(batch.Record(i).Data))
			}
		}
		shards = append(shards, texts)
	}
	return shards
}

// fakeSession is one connection.
type fakeSession struct {
	*fake
	connection net.Conn
	ended      chan struct{}
	running    sync.WaitGroup
	writing    sync.Mutex
	feeds      map[uint32]*fakeFeed
}

// fakeFeed is one subscription.
type fakeFeed struct {
	mutex   sync.Mutex
	balance int
	changed chan struct{} // capacity 1
	over    bool
}

func (s *fakeSession) write(b []byte) {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, _ = s.connection.Write(b)
}

func (s *fakeSession) run() {
	reader := protocol.NewReader(s.connection, 0)
	for {
		message, err := reader.Next()
		if err != nil {
			return
		}
		if !s.handle(message) {
			return
		}
	}
}

// parsed parses a message that must be sound.
func parsed[M any, P interface {
	*M
	Parse(protocol.Message) error
}](s *fakeSession, message protocol.Message) (m M) {
	if err := P(&m).Parse(message); err != nil {
		s.t.Errorf("the client sent: %v", err)
	}
	return m
}

// handle answers one message and reports whether the connection goes on.
func (s *fakeSession) handle(message protocol.Message) bool {
	number := message.Request
	refuse := func(kind failure.Kind) { s.write(protocol.Error{Kind: kind, Operation: "fake"}.AppendTo(nil, number)) }
	switch message.Type {
	case protocol.TypeHello:
		s.write(protocol.Welcome{Version: protocol.Version, Server: "fake", BatchBytesMax: 1 << 20, InFlightMax: 100}.AppendTo(nil, number))
	case protocol.TypePing:
		s.write(protocol.Pong{}.AppendTo(nil, number))
	case protocol.TypeCreate:
		m := parsed[protocol.Create](s, message)
		if _, taken := s.find(m.Name); taken {
			refuse(failure.AlreadyExists)
			return true
		}
		s.create(m.Name, int(m.Shards))
		description, _ := s.find(m.Name)
		s.write(description.AppendTo(nil, number))
	case protocol.TypeDescribe:
		if s.describeGate != nil {
			<-s.describeGate
		}
		if description, found := s.find(parsed[protocol.Describe](s, message).Name); found {
			s.write(description.AppendTo(nil, number))
		} else {
			refuse(failure.NotFound)
		}
	case protocol.TypeDelete:
		s.mutex.Lock()
		delete(s.streams, parsed[protocol.Delete](s, message).Name)
		s.mutex.Unlock()
		s.write(protocol.Done{}.AppendTo(nil, number))
	case protocol.TypeList:
		s.list(number, parsed[protocol.List](s, message))
	case protocol.TypeAppend:
		return s.append(number, parsed[protocol.Append](s, message), message.Body)
	case protocol.TypeFetch:
		s.fetch(number, parsed[protocol.Fetch](s, message))
	case protocol.TypeSubscribe:
		s.subscribe(number, parsed[protocol.Subscribe](s, message))
	case protocol.TypeCredit:
		if feed := s.feeds[number]; feed != nil {
			feed.change(func() { feed.balance += int(parsed[protocol.Credit](s, message).Bytes) })
		}
	case protocol.TypeUnsubscribe:
		if feed := s.feeds[number]; feed != nil {
			feed.change(func() { feed.over = true })
		}
		s.write(protocol.Done{}.AppendTo(nil, number))
	default:
		s.t.Errorf("the client sent %v", message.Type)
		return false
	}
	return true
}

func (f *fakeFeed) change(how func()) {
	f.mutex.Lock()
	how()
	f.mutex.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *fake) find(name string) (protocol.Description, bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	s, found := f.streams[name]
	if !found {
		return protocol.Description{}, false
	}
	description := s.description
	description.Shards = slices.Clone(description.Shards)
	for i, log := range s.logs {
		description.Shards[i].Next = log.next
		if log.unopened {
			description.Shards[i].First, description.Shards[i].Next = 0, 0
		}
	}
	return description, true
}

func (s *fakeSession) list(number uint32, m protocol.List) {
	const page = 2
	s.mutex.Lock()
	var names []string
	for name := range s.streams {
		if name > m.After {
			names = append(names, name)
		}
	}
	s.mutex.Unlock()
	slices.Sort(names)
	s.write(protocol.Streams{Names: names[:min(page, len(names))], More: len(names) > page}.AppendTo(nil, number))
}

// log returns a log by ids, or nil. The caller holds the mutex.
func (f *fake) log(stream uint64, shard record.ShardID) *fakeLog {
	for _, s := range f.streams {
		if s.description.StreamID == stream && int(shard) < len(s.logs) {
			return s.logs[shard]
		}
	}
	return nil
}

// append writes a batch with whatever fault is due.
func (s *fakeSession) append(number uint32, m protocol.Append, body []byte) bool {
	if err := protocol.VerifyBatch(body, int(m.Count)); err != nil || protocol.Checksum(0, body) != m.CRC {
		s.t.Errorf("the client sent a bad batch: %v", err)
	}
	if s.gate != nil {
		<-s.gate
	}
	s.mutex.Lock()
	due := s.faults(s.appends)
	s.appends++
	s.durability = m.Durability
	ack, refused := s.appendLocked(m, body, due)
	s.mutex.Unlock()
	answer := ack.AppendTo(nil, number)
	if refused != 0 {
		answer = protocol.Error{Kind: refused, Operation: "fake", RetryAfter: time.Millisecond}.AppendTo(nil, number)
	}
	switch due {
	case faultDropUnread, faultDropUnacked:
		return false
	case faultHalfAnswer:
		s.write(answer[:len(answer)/2])
		return false
	case faultGarbageReply:
		s.write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
		return false
	case faultWrongCount:
		ack.Last++
		answer = ack.AppendTo(nil, number)
	}
	s.write(answer)
	return true
}

// appendLocked decides about a batch and writes it. The caller holds the mutex.
func (f *fake) appendLocked(m protocol.Append, body []byte, due fault) (ack protocol.Ack, refused failure.Kind) {
	log := f.log(m.StreamID, m.Shard)
	switch {
	case log == nil:
		return ack, failure.NotFound
	case due == faultThrottle:
		return ack, failure.Throttled
	case due == faultRefuse:
		return ack, failure.Internal
	case due == faultDropUnread:
		return ack, 0
	case due == faultForget:
		log.producers = make(map[uint64]*fakeProducer)
	}
	producer := protocol.OpenBatch(body).Producer()
	known := log.producers[producer.ID]
	if known == nil {
		known = &fakeProducer{batches: make(map[uint32]protocol.Ack)}
		log.producers[producer.ID] = known
	}
	if ack, repeated := known.batches[producer.Sequence]; repeated {
		return ack, 0
	}
	if producer.Sequence != known.next {
		return ack, failure.SequenceGap
	}
	ack = log.append(body, int(m.Count), f.salt)
	known.next += uint32(m.Count)
	known.batches[producer.Sequence] = ack
	return ack, 0
}

// append writes a frame.
func (l *fakeLog) append(body []byte, count int, salt uint32) protocol.Ack {
	ack := protocol.Ack{First: l.next, Last: l.next + uint64(count) - 1, Time: 1_700_000_000_000_000_000 + int64(l.next)}
	length := protocol.FrameHeaderSize + len(body)
	frame := make([]byte, protocol.FrameSpan(int64(length)))
	copy(frame[protocol.FrameHeaderSize:], body)
	header := protocol.FrameHeader{Sequence: ack.First, Time: ack.Time, Count: uint16(count), Type: protocol.FrameData}
	header.Seal(frame[:length], protocol.Checksum(salt, body))
	l.frames, l.firsts, l.next = append(l.frames, frame), append(l.firsts, ack.First), ack.Last+1
	close(l.grown)
	l.grown = make(chan struct{})
	return ack
}

// seek returns the index of the frame to begin with. The caller holds the mutex.
func (l *fakeLog) seek(start record.Start) int {
	at := start.Sequence
	switch start.Kind {
	case record.StartTrimHorizon:
		return 0
	case record.StartLatest:
		return len(l.frames)
	case record.StartAfterSequence:
		at++
	case record.StartAtTime:
		// Coarse on purpose: readers skip what is too early.
		i := 0
		for i+1 < len(l.frames) && protocol.ParseFrameHeader(l.frames[i+1]).Time < start.Time {
			i++
		}
		if i+1 == len(l.frames) && protocol.ParseFrameHeader(l.frames[i]).Time < start.Time {
			return len(l.frames)
		}
		return i
	}
	i, exact := slices.BinarySearch(l.firsts, at)
	if !exact && i > 0 && at < l.next {
		i--
	}
	return i
}

func (s *fakeSession) fetch(number uint32, m protocol.Fetch) {
	s.mutex.Lock()
	log := s.log(m.StreamID, m.Shard)
	head, body := protocol.Frames{Salt: s.salt, First: log.next, Next: log.next, Tip: log.next}, []byte(nil)
	if i := log.seek(m.Start); i < len(log.frames) {
		head.First, body = log.firsts[i], log.frames[i]
	}
	s.mutex.Unlock()
	s.write(append(head.AppendTo(nil, number, len(body)), body...))
}

func (s *fakeSession) subscribe(number uint32, m protocol.Subscribe) {
	s.mutex.Lock()
	log := s.log(m.StreamID, m.Shard)
	at := 0
	if log != nil {
		at = log.seek(m.Start)
	}
	s.mutex.Unlock()
	if log == nil {
		s.write(protocol.Error{Kind: failure.NotFound}.AppendTo(nil, number))
		return
	}
	feed := &fakeFeed{balance: int(m.Credits), changed: make(chan struct{}, 1)}
	s.feeds[number] = feed
	s.running.Go(func() { s.push(number, feed, log, at) })
}

// push sends frames under credits until the connection or the feed is over.
func (s *fakeSession) push(number uint32, feed *fakeFeed, log *fakeLog, at int) {
	for {
		s.mutex.Lock()
		grown, tip, closed := log.grown, log.next, log.closed
		var frame []byte
		if at < len(log.frames) {
			frame = slices.Clone(log.frames[at])
			if s.frameFault != nil {
				s.frameFault(frame)
			}
		}
		s.mutex.Unlock()
		feed.mutex.Lock()
		over, broke := feed.over, feed.balance <= 0
		if !broke {
			feed.balance -= len(frame)
		}
		feed.mutex.Unlock()
		if over {
			return
		}
		if frame != nil && !broke {
			header := protocol.ParseFrameHeader(frame)
			head := protocol.Frames{Salt: s.salt, First: header.Sequence, Next: header.Sequence + uint64(header.Count), Tip: tip}
			s.write(append(head.AppendTo(nil, number, len(frame)), frame...))
			at++
			continue
		}
		if frame == nil && closed {
			s.write(protocol.Frames{First: tip, Next: tip, Tip: tip, End: true}.AppendTo(nil, number, 0))
			return
		}
		if frame != nil {
			grown = nil // wait for credits only
		}
		select {
		case <-grown:
		case <-feed.changed:
		case <-s.ended:
			return
		}
	}
}

// connect returns a client of the fake server.
func connect(t *testing.T, f *fake, settings ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(t.Context(), "fake", append([]client.Option{client.WithDialer(f.dial)}, settings...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
