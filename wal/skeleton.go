package wal

import (
	"context"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

type Dir struct{}

func OpenDir(path string, o Options) (*Dir, error)         { panic("skeleton") }
func OpenDirReadOnly(path string, o Options) (*Dir, error) { panic("skeleton") }
func (d *Dir) Close() error                                { panic("skeleton") }
func (d *Dir) CreateLogs(ids ...uint64) error              { panic("skeleton") }
func (d *Dir) Logs() []uint64                              { panic("skeleton") }
func (d *Dir) OpenLog(id uint64, o LogOptions) (*Log, error) {
	panic("skeleton")
}
func (d *Dir) RemoveLog(id uint64) error { panic("skeleton") }

type Log struct{}
type Pending struct {
	Range record.Range
}

func (l *Log) Append(ctx context.Context, records []record.Record, p protocol.Producer) (record.Range, error) {
	panic("skeleton")
}
func (l *Log) AppendBatch(ctx context.Context, payload []byte, count int, p protocol.Producer) (record.Range, error) {
	panic("skeleton")
}
func (l *Log) Stage(ctx context.Context, payload []byte, count int, p protocol.Producer, d record.Durability) (Pending, error) {
	panic("skeleton")
}
func (l *Log) Wait(ctx context.Context, p Pending) error         { panic("skeleton") }
func (l *Log) Cursor(start record.Start) (*Cursor, error)        { panic("skeleton") }
func (l *Log) TrimBefore(sequence uint64) error                  { panic("skeleton") }
func (l *Log) TrimTime(before int64) error                       { panic("skeleton") }
func (l *Log) TrimBytes(keep int64) error                        { panic("skeleton") }
func (l *Log) Seal() error                                       { panic("skeleton") }
func (l *Log) Stats() Stats                                      { panic("skeleton") }
func (l *Log) Next() uint64                                      { panic("skeleton") }
func (l *Log) Close() error                                      { panic("skeleton") }

type Stats struct {
	First, Next, Durable uint64
	Bytes                int64
	Segments             int
	Appends, Records     uint64
	AppendedBytes        uint64
	Syncs                uint64
	SyncNanos            uint64
	UnsyncedBytes        int64
}

type Cursor struct{}
type View struct {
	Sequence uint64
	Time     int64
	Key      []byte
	Data     []byte
}

func (v View) Hash() record.HashKey                     { panic("skeleton") }
func (c *Cursor) Next(ctx context.Context) bool         { panic("skeleton") }
func (c *Cursor) TryNext() bool                         { panic("skeleton") }
func (c *Cursor) View() View                            { panic("skeleton") }
func (c *Cursor) Err() error                            { panic("skeleton") }
func (c *Cursor) Close() error                          { panic("skeleton") }
func (c *Cursor) Frames(maxBytes int) (Frames, bool)    { panic("skeleton") }
func (c *Cursor) Wait(ctx context.Context) error        { panic("skeleton") }

type Frames struct {
	Salt        uint32
	Bytes       []byte
	First, Next uint64
}
