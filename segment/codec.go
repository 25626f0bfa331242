package segment

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace-io/millrace/failure"
)

// Codec is how the blocks of a packed segment are compressed. It implements
// flag.Value by its pointer.
type Codec uint32

const (
	// CodecNone is a segment that is not packed.
	CodecNone Codec = iota
	// CodecS2 is S2 in its faster setting, a superset of Snappy's block format.
	CodecS2
	// CodecZstd is Zstandard at about its level 1.
	CodecZstd
)

var codecNames = [...]string{"none", "s2", "zstd"}

// String returns none, s2 or zstd.
func (c Codec) String() string {
	if int(c) < len(codecNames) {
		return codecNames[c]
	}
	return fmt.Sprintf("codec %d", uint32(c))
}

// Set takes a name that String returns.
func (c *Codec) Set(name string) error {
	for i, known := range codecNames {
		if name == known {
			*c = Codec(i)
			return nil
		}
	}
	return failure.New(failure.InvalidArgument, "codec", "%q is not one of none, s2 and zstd", name)
}

// Type says what kind of value a flag takes.
func (*Codec) Type() string { return "codec" }

// known reports whether blocks can be packed so.
func (c Codec) known() bool { return c == CodecS2 || c == CodecZstd }

// zstdEncoder and zstdDecoder serve all segments: both may be used by many at once,
// and have buffers of some 100 KiB that are not worth having for each.
var (
	zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(packBlock), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
		if err != nil {
			panic(err) // the options are constant
		}
		return e
	})
	zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderMaxWindow(packBlockMax), zstd.IgnoreChecksum(true))
		if err != nil {
			panic(err) // the options are constant
		}
		return d
	})
)

// pack appends the block, compressed, to b.
func (c Codec) pack(b, block []byte) []byte {
	if c == CodecZstd {
		return zstdEncoder().EncodeAll(block, b)
	}
	n := s2.MaxEncodedLen(len(block))
	return s2.Encode(grown(b, int64(n)), block)
}

// unpack fills block from what pack made, and reports whether it could.
func (c Codec) unpack(block, packed []byte) bool {
	if c == CodecZstd {
		b, err := zstdDecoder().DecodeAll(packed, block[:0])
		return err == nil && len(b) == len(block)
	}
	if n, err := s2.DecodedLen(packed); err != nil || n != len(block) {
		return false
	}
	_, err := s2.Decode(block, packed)
	return err == nil
}
