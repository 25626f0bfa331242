package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// creditBytesMin is the least that a shard is granted: fewer bytes than a frame
// usually has would cost a round trip for each.
const creditBytesMin = 64 << 10

// session is one connection's worth of reading. It has the connection to itself
// and reads it in the goroutine of the loop, which has two advantages over sharing
// the client's: records are used where they were received, without being copied
// or handed over, and a slow loop slows the server and nobody else.
type session struct {
	*consumer
	connection *connection
	// window is the credits of each shard, and shards those being read, by the
	// request number of their subscription.
	window int
	shards map[uint32]*shardReader
	number uint32 // of the last subscription
	out    []byte
}

// session connects, subscribes to every shard not done and delivers what comes. It
// returns nil when all shards are done.
func (r *consumer) session(ctx context.Context) error {
	connection, err := dial(ctx, r.client.address, &r.client.options)
	if err != nil {
		return err
	}
	defer func() { _ = connection.socket.Close() }()
	// A context that ends interrupts whatever the socket is doing.
	stop := context.AfterFunc(ctx, func() { _ = connection.socket.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	s := &session{consumer: r, connection: connection, shards: make(map[uint32]*shardReader), number: 1}
	if err := s.describe(); err != nil {
		return err
	}
	if err := s.skipEmpty(); err != nil {
		return err
	}
	if err := s.subscribe(); err != nil {
		return err
	}
	for len(s.shards) > 0 {
		message, err := connection.reader.Next()
		if err != nil {
			return failure.Wrap(failure.Disconnected, "client: receive", err)
		}
		if err := s.receive(message); err != nil {
			return err
		}
	}
	return nil
}

// describe asks for the stream's description and resolves the shards.
func (s *session) describe() error {
	message, err := s.ask(protocol.Describe{Name: s.stream})
	if err != nil {
		return err
	}
	var description protocol.Description
	if err := description.Parse(message); err != nil {
		return err
	}
	return s.resolve(description)
}

// skipEmpty marks those shards as done that have no record since the time to
// start from and are to be read only to their present end: a subscription would
// never say so.
func (s *session) skipEmpty() error {
	for _, shard := range s.consumer.shards {
		if shard.done || shard.end == 0 || shard.next > 0 || shard.start.Kind != record.StartAtTime {
			continue
		}
		message, err := s.ask(protocol.Fetch{
			StreamID: s.streamID, Shard: shard.description.ID, Start: shard.start, MaxBytes: 1,
		})
		if err != nil {
			return err
		}
		shard.done = len(message.Body) == 0
	}
	return nil
}

// ask sends a request before there are subscriptions, and waits for its answer.
func (s *session) ask(question request) (protocol.Message, error) {
	s.out = question.AppendTo(s.out[:0], 1)
	overdue := time.AfterFunc(s.client.options.requestTimeout, func() { _ = s.connection.socket.Close() })
	defer overdue.Stop()
	if err := s.write(s.out); err != nil {
		return protocol.Message{}, err
	}
	message, err := s.connection.reader.Next()
	if err != nil {
		return protocol.Message{}, failure.Wrap(failure.Disconnected, "client: receive", err)
	}
	return message, errorIn(message)
}

// subscribe asks for the frames of every shard that is not done, and that is not to
// be read behind another.
func (s *session) subscribe() error {
	var ready []*shardReader
	for _, shard := range s.consumer.shards {
		if !shard.done && s.mature(shard) {
			ready = append(ready, shard)
		}
	}
	if s.window == 0 {
		s.window = max(s.options.readAhead/max(len(ready), 1), creditBytesMin)
	}
	s.out = s.out[:0]
	for _, shard := range ready {
		if slices.Contains(slices.Collect(maps.Values(s.shards)), shard) {
			continue
		}
		s.number++
		shard.consumed = 0
		s.shards[s.number] = shard
		s.out = protocol.Subscribe{
			StreamID: s.streamID, Shard: shard.description.ID, Start: shard.from(), Credits: uint32(s.window),
		}.AppendTo(s.out, s.number)
	}
	if len(s.out) == 0 {
		return nil
	}
	return s.write(s.out)
}

// write sends bytes to the server.
func (s *session) write(b []byte) error {
	if _, err := s.connection.socket.Write(b); err != nil {
		return failure.Wrap(failure.Disconnected, "client: send", err)
	}
	return nil
}

// receive takes one message of the server.
func (s *session) receive(message protocol.Message) error {
	shard := s.shards[message.Request]
	if err := errorIn(message); err != nil {
		if shard != nil {
			return fmt.Errorf("%v: %w", shard.description.ID, err)
		}
		return err
	}
	if shard == nil {
		// A shard that is done: what was under way when it was left, and the Done
		// that answers the leaving.
		return nil
	}
	var frames protocol.Frames
	if err := frames.Parse(message); err != nil {
		return err
	}
	if err := s.deliver(shard, frames, message.Body); err != nil {
		if errors.Is(err, errStopped) {
			return err
		}
		return fmt.Errorf("%v: %w", shard.description.ID, err)
	}
	if shard.done = shard.done || frames.End; shard.done {
		return s.leave(message.Request, frames.End)
	}
	return s.giveBack(shard, message.Request, len(message.Body))
}

// leave goes on without a shard that is done, because it has ended or because no more
// of it was wanted.
func (s *session) leave(number uint32, ended bool) error {
	delete(s.shards, number)
	if ended && s.follows() {
		return errShardEnded
	}
	if err := s.subscribe(); err != nil { // its children may be waiting
		return err
	}
	if len(s.shards) == 0 || ended {
		return nil
	}
	return s.write(protocol.Unsubscribe{}.AppendTo(s.out[:0], number))
}

// giveBack returns credits once half the window is consumed: often enough that
// the server need not wait, seldom enough that it costs nothing.
func (s *session) giveBack(shard *shardReader, number uint32, consumed int) error {
	shard.consumed += consumed
	if shard.consumed < s.window/2 {
		return nil
	}
	s.out = protocol.Credit{Bytes: uint32(shard.consumed)}.AppendTo(s.out[:0], number)
	shard.consumed = 0
	return s.write(s.out)
}

// deliver checks the frames of a message and yields their records.
func (s *session) deliver(shard *shardReader, frames protocol.Frames, body []byte) error {
	for len(body) > 0 && !shard.done {
		header, err := protocol.CheckFrame(body, frames.Salt)
		if err != nil {
			return err
		}
		span := protocol.FrameSpan(int64(header.Length))
		if span > int64(len(body)) {
			return failure.New(failure.Malformed, "client: receive", "a frame without its padding")
		}
		frame := body
		body = body[span:]
		if header.Type != protocol.FrameData {
			continue
		}
		payload := header.Payload(frame)
		if err := protocol.VerifyBatch(payload, int(header.Count)); err != nil {
			return err
		}
		if err := s.deliverBatch(shard, header, payload, frames.Tip); err != nil {
			return err
		}
	}
	// Frames without records move the end as well.
	if shard.end > 0 && max(shard.next, frames.Next) >= shard.end {
		shard.done = true
	}
	return nil
}

// deliverBatch yields the records of one frame that are wanted.
func (s *session) deliverBatch(shard *shardReader, header protocol.FrameHeader, payload []byte, tip uint64) error {
	next := header.Sequence + uint64(header.Count)
	if next <= shard.next {
		return nil
	}
	skip := 0
	switch {
	case shard.next == 0:
		if shard.start.Kind == record.StartAtTime && header.Time < shard.start.Time {
			return nil
		}
	case header.Sequence > shard.next:
		return failure.New(failure.Trimmed, "client: receive",
			"the records from %d to %d are gone", shard.next, header.Sequence-1)
	default:
		skip = int(shard.next - header.Sequence)
	}
	view := Batch{
		First: Position{
			Shard: shard.description.ID, Sequence: header.Sequence + uint64(skip),
			Time: header.Time, ShardCreated: shard.description.Created.Unix(),
		},
		Tip: max(tip, next), batch: protocol.OpenBatch(payload), skip: skip,
	}
	// Before the yield: a loop that is left has seen this batch.
	shard.next, s.progress = next, true
	if !s.yield(view, nil) {
		return errStopped
	}
	shard.done = shard.end > 0 && next >= shard.end
	return nil
}
