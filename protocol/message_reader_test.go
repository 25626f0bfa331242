package protocol_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
)

func TestReaderHalfMessages(t *testing.T) {
	whole := protocol.Describe{Name: "orders"}.AppendTo(nil, 1)
	for cut := 1; cut < len(whole); cut++ {
		_, err := protocol.NewReader(bytes.NewReader(whole[:cut]), 0).Next()
		if !errors.Is(err, failure.Disconnected) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d of %d bytes: %v", cut, len(whole), err)
		}
	}
	broken := errors.New("cable cut")
	_, err := protocol.NewReader(io.MultiReader(bytes.NewReader(whole[:5]), iotest.ErrReader(broken)), 0).Next()
	if !errors.Is(err, failure.Disconnected) || !errors.Is(err, broken) {
		t.Errorf("broken source: %v", err)
	}
}

func TestReaderRefuses(t *testing.T) {
	whole := protocol.Describe{Name: "orders"}.AppendTo(nil, 1)
	cases := []struct {
		name   string
		damage func(b []byte)
		want   failure.Kind
	}{
		{"longer than the limit", func(b []byte) { binary.LittleEndian.PutUint32(b, 1<<20) }, failure.TooLarge},
		{"length of all ones", func(b []byte) { binary.LittleEndian.PutUint32(b, 1<<32-1) }, failure.TooLarge},
		{"head longer than all", func(b []byte) { binary.LittleEndian.PutUint32(b[12:], 4096) }, failure.Malformed},
		{"head not in eights", func(b []byte) { binary.LittleEndian.PutUint32(b[12:], 12) }, failure.Malformed},
		{"flags", func(b []byte) { b[10] = 1 }, failure.NewerVersion},
	}
	for _, c := range cases {
		damaged := bytes.Clone(whole)
		c.damage(damaged)
		if _, err := protocol.NewReader(bytes.NewReader(damaged), 1<<16).Next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// stuck is a source that returns neither bytes nor an error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestReaderNoProgress(t *testing.T) {
	if _, err := protocol.NewReader(stuck{}, 0).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

// TestReaderLyingLength proves that a length alone costs no memory.
func TestReaderLyingLength(t *testing.T) {
	lie := make([]byte, protocol.PreludeSize)
	binary.LittleEndian.PutUint32(lie, protocol.MessageBytesMax-protocol.PreludeSize)
	requireLittleMemory(t, 64<<10, func() {
		if _, err := protocol.NewReader(bytes.NewReader(lie), 0).Next(); !errors.Is(err, failure.Disconnected) {
			t.Errorf("got %v", err)
		}
	})
}

func TestReaderBuffered(t *testing.T) {
	stream := protocol.Ping{}.AppendTo(nil, 1)
	stream = protocol.Ping{}.AppendTo(stream, 2)
	reader := protocol.NewReader(bytes.NewReader(stream), 0)
	if _, err := reader.Next(); err != nil {
		t.Fatal(err)
	}
	if got := reader.Buffered(); got != protocol.PreludeSize {
		t.Errorf("%d bytes buffered", got)
	}
}

// loop serves the same bytes for ever.
type loop struct {
	bytes []byte
	at    int
}

func (l *loop) Read(b []byte) (int, error) {
	n := copy(b, l.bytes[l.at:])
	l.at = (l.at + n) % len(l.bytes)
	return n, nil
}

// hotPath is what flows while records do: an Append, its Ack, and Frames.
func hotPath(destination []byte, body []byte) []byte {
	destination = protocol.Append{StreamID: 1, Shard: 2, CRC: 3, Count: 4}.AppendTo(destination, 5, len(body))
	destination = append(destination, body...)
	destination = protocol.Ack{First: 1, Last: 4, Time: 5}.AppendTo(destination, 5)
	destination = protocol.Frames{Salt: 1, First: 2, Next: 3, Tip: 4}.AppendTo(destination, 6, len(body))
	return append(destination, body...)
}

func readHotPath(reader *protocol.Reader) error {
	received, err := reader.Next()
	if err != nil {
		return err
	}
	switch received.Type {
	case protocol.TypeAppend:
		var m protocol.Append
		return m.Parse(received)
	case protocol.TypeAck:
		var m protocol.Ack
		return m.Parse(received)
	default:
		var m protocol.Frames
		return m.Parse(received)
	}
}

func TestMessagesAllocateNothing(t *testing.T) {
	body := make([]byte, 4096)
	buffer := hotPath(nil, body)
	reader := protocol.NewReader(&loop{bytes: buffer}, 0)
	warmUp := func() {
		for range 3 {
			if err := readHotPath(reader); err != nil {
				t.Fatal(err)
			}
		}
	}
	warmUp()
	if allocations := testing.AllocsPerRun(100, warmUp); allocations != 0 {
		t.Errorf("%v allocations while reading", allocations)
	}
	scratch := make([]byte, 0, len(buffer))
	if allocations := testing.AllocsPerRun(100, func() { scratch = hotPath(scratch[:0], body) }); allocations != 0 {
		t.Errorf("%v allocations while writing", allocations)
	}
}

func TestHeadBytes(t *testing.T) {
	if got := len(protocol.Append{}.AppendTo(nil, 1, 0)); got != protocol.AppendHeadBytes {
		t.Errorf("AppendHeadBytes is %d, an Append has %d", protocol.AppendHeadBytes, got)
	}
	if got := len(protocol.Frames{}.AppendTo(nil, 1, 0)); got != protocol.FramesHeadBytes {
		t.Errorf("FramesHeadBytes is %d, a Frames has %d", protocol.FramesHeadBytes, got)
	}
}

func BenchmarkMessages(b *testing.B) {
	b.Run("append ack write", func(b *testing.B) {
		buffer := make([]byte, 0, 256)
		b.ReportAllocs()
		for b.Loop() {
			buffer = protocol.Append{StreamID: 1, Shard: 2, CRC: 3, Count: 4}.AppendTo(buffer[:0], 5, 0)
			buffer = protocol.Ack{First: 1, Last: 4, Time: 5}.AppendTo(buffer, 5)
		}
	})
	for _, size := range []int{128, 64 << 10, 1 << 20} {
		b.Run("read "+byteName(size), func(b *testing.B) {
			stream := hotPath(nil, make([]byte, size))
			reader := protocol.NewReader(&loop{bytes: stream}, 0)
			b.SetBytes(int64(len(stream)) / 3)
			b.ReportAllocs()
			for b.Loop() {
				if err := readHotPath(reader); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func byteName(n int) string {
	switch {
	case n >= 1<<20:
		return "1MiB"
	case n >= 1<<10:
		return "64KiB"
	default:
		return "128B"
	}
}
