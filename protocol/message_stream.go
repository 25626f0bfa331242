package protocol

import (
	"time"

	"github.com/millrace-io/millrace/protocol/fb"
	"github.com/millrace-io/millrace/record"
)

var (
	describeShape    = newShape(fieldString)
	createShape      = newShape(fieldString, field32, field8, field64, field64, field64, field8)
	deleteShape      = newShape(fieldString)
	listShape        = newShape(fieldString, field32)
	streamsShape     = newShape(fieldStrings, field8)
	shardShape       = newShape(field32, fieldHash, fieldHash, field64, field64, field64, field64).completed()
	descriptionShape = newShape(field64, fieldString, field64, field8, field64, field64, field64, field8, fieldTables).containing(shardShape)
)

// Describe asks for the Description of a stream.
type Describe struct {
	Name string
}

// AppendTo appends the message to destination.
func (m Describe) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeDescribe, request, describeShape)
	e.setString(0, m.Name)
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Describe) Parse(message Message) error {
	at, err := message.verify(TypeDescribe, describeShape)
	if err != nil {
		return err
	}
	var head fb.Describe
	head.Init(message.Head, at)
	*m = Describe{Name: string(head.Name())}
	return nil
}

// Description is what there is to know about a stream.
type Description struct {
	// StreamID is unique for all time: a stream deleted and created again under
	// the same name has another.
	StreamID       uint64
	Name           string
	Created        time.Time
	Durability     record.Durability
	SyncInterval   time.Duration
	RetentionTime  time.Duration
	RetentionBytes int64
	// EnforceLimits says that shards are held to the rates AWS grants.
	EnforceLimits bool
	Shards        []ShardDescription
}

// ShardDescription is one shard of a Description.
type ShardDescription struct {
	ID      record.ShardID
	Range   record.HashRange
	Created time.Time
	// First is the oldest sequence still there and Next that of the next record.
	// Both are 0 of a shard whose log the server could not open.
	First, Next uint64
	Bytes       uint64
}

// AppendTo appends the message to destination.
func (m Description) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeDescription, request, descriptionShape)
	e.set64(0, m.StreamID)
	e.set64(2, uint64(m.Created.UnixNano()))
	e.set8(3, uint8(m.Durability))
	e.set64(4, uint64(m.SyncInterval))
	e.set64(5, uint64(m.RetentionTime))
	e.set64(6, uint64(m.RetentionBytes))
	e.setBool(7, m.EnforceLimits)
	e.setString(1, m.Name)
	e.setTables(8, len(m.Shards), func(e *headEncoder, i int) {
		shard := m.Shards[i]
		e.set32(0, uint32(shard.ID))
		e.setHash(1, shard.Range.Start)
		e.setHash(2, shard.Range.End)
		e.set64(3, uint64(shard.Created.UnixNano()))
		e.set64(4, shard.First)
		e.set64(5, shard.Next)
		e.set64(6, shard.Bytes)
	})
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Description) Parse(message Message) error {
	at, err := message.verify(TypeDescription, descriptionShape)
	if err != nil {
		return err
	}
	var head fb.Description
	head.Init(message.Head, at)
	*m = Description{
		StreamID: head.StreamId(), Name: string(head.Name()), Created: unixTime(head.Created()),
		Durability: record.Durability(head.Durability()), SyncInterval: time.Duration(head.SyncInterval()),
		RetentionTime: time.Duration(head.RetentionTime()), RetentionBytes: head.RetentionBytes(),
		EnforceLimits: head.EnforceLimits(), Shards: make([]ShardDescription, head.ShardsLength()),
	}
	for i := range m.Shards {
		var shard fb.Shard
		var start, end fb.Hash128
		head.Shards(&shard, i)
		shard.Start(&start)
		shard.End(&end)
		m.Shards[i] = ShardDescription{
			ID: record.ShardID(shard.Id()),
			Range: record.HashRange{
				Start: record.HashKey{Hi: start.Hi(), Lo: start.Lo()},
				End:   record.HashKey{Hi: end.Hi(), Lo: end.Lo()},
			},
			Created: unixTime(shard.Created()),
			First:   shard.First(), Next: shard.Next(), Bytes: shard.Bytes(),
		}
	}
	return nil
}

// Create asks for a new stream. The answer is its Description.
type Create struct {
	Name   string
	Shards uint32
	// The rest is as in Description; zero durations and sizes are the server's
	// defaults.
	Durability     record.Durability
	SyncInterval   time.Duration
	RetentionTime  time.Duration
	RetentionBytes int64
	EnforceLimits  bool
}

// AppendTo appends the message to destination.
func (m Create) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeCreate, request, createShape)
	e.set32(1, m.Shards)
	e.set8(2, uint8(m.Durability))
	e.set64(3, uint64(m.SyncInterval))
	e.set64(4, uint64(m.RetentionTime))
	e.set64(5, uint64(m.RetentionBytes))
	e.setBool(6, m.EnforceLimits)
	e.setString(0, m.Name)
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Create) Parse(message Message) error {
	at, err := message.verify(TypeCreate, createShape)
	if err != nil {
		return err
	}
	var head fb.Create
	head.Init(message.Head, at)
	*m = Create{
		Name: string(head.Name()), Shards: head.Shards(), Durability: record.Durability(head.Durability()),
		SyncInterval: time.Duration(head.SyncInterval()), RetentionTime: time.Duration(head.RetentionTime()),
		RetentionBytes: head.RetentionBytes(), EnforceLimits: head.EnforceLimits(),
	}
	return nil
}

// Delete asks to delete a stream and all its records. The answer is Done.
type Delete struct {
	Name string
}

// AppendTo appends the message to destination.
func (m Delete) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeDelete, request, deleteShape)
	e.setString(0, m.Name)
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Delete) Parse(message Message) error {
	at, err := message.verify(TypeDelete, deleteShape)
	if err != nil {
		return err
	}
	var head fb.Delete
	head.Init(message.Head, at)
	*m = Delete{Name: string(head.Name())}
	return nil
}

// List asks for the names of streams in order. The answer is Streams.
type List struct {
	// After is the name to begin behind; empty for the first.
	After string
	// Limit bounds the names; 0 leaves it to the server.
	Limit uint32
}

// AppendTo appends the message to destination.
func (m List) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeList, request, listShape)
	e.set32(1, m.Limit)
	e.setString(0, m.After)
	return e.end(0)
}

// Parse sets m from a received message.
func (m *List) Parse(message Message) error {
	at, err := message.verify(TypeList, listShape)
	if err != nil {
		return err
	}
	var head fb.List
	head.Init(message.Head, at)
	*m = List{After: string(head.After()), Limit: head.Limit()}
	return nil
}

// Streams answers List.
type Streams struct {
	Names []string
	// More says that names follow the last of these.
	More bool
}

// AppendTo appends the message to destination.
func (m Streams) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeStreams, request, streamsShape)
	e.setBool(1, m.More)
	e.setStrings(0, m.Names)
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Streams) Parse(message Message) error {
	at, err := message.verify(TypeStreams, streamsShape)
	if err != nil {
		return err
	}
	var head fb.Streams
	head.Init(message.Head, at)
	*m = Streams{Names: make([]string, head.NamesLength()), More: head.More()}
	for i := range m.Names {
		m.Names[i] = string(head.Names(i))
	}
	return nil
}

// unixTime turns Unix nanoseconds into a time in UTC.
func unixTime(nanoseconds int64) time.Time { return time.Unix(0, nanoseconds).UTC() }
