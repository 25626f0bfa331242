package protocol

import (
	"bytes"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/failure"
)

// seal builds a frame as the log does.
func seal(h FrameHeader, salt uint32, payload []byte) []byte {
	b := append(make([]byte, FrameHeaderSize), payload...)
	h.Seal(b, Checksum(salt, payload))
	return b
}

func TestFrameGoldenBytes(t *testing.T) {
	got := seal(FrameHeader{
		Sequence: 0x0102030405060708, Time: 0x1112131415161718, Durable8: 0x21222324, Count: 0x3132, Type: FrameData, Flags: FlagProducer,
	}, 0xdeadbeef, []byte("payload"))
	const want = "27000000" + // length: 32 + 7
		"1816aed4" + // crc
		"0807060504030201" + // sequence
		"1817161514131211" + // time
		"24232221" + // durable8
		"3231" + // count
		"01" + // type
		"08" + // flags
		"7061796c6f6164"
	if hex.EncodeToString(got) != want {
		t.Errorf("frame\n got %x\nwant %s", got, want)
	}
}

// TestFrameCRCOrder holds the CRC against the sentence of the format page:
// payload, then bytes 8..31, then length.
func TestFrameCRCOrder(t *testing.T) {
	b := seal(FrameHeader{Sequence: 9, Time: 8, Count: 1, Type: FrameData}, 77, []byte("some payload"))
	text := append(append(append([]byte{}, b[32:]...), b[8:32]...), b[:4]...)
	if got, want := ParseFrameHeader(b).CRC, crc32.Update(77, crc32.MakeTable(crc32.Castagnoli), text); got != want {
		t.Errorf("crc %08x, want %08x", got, want)
	}
}

func TestFrameRoundTripAndEveryBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "payload")
		salt := rapid.Uint32().Draw(t, "salt")
		h := FrameHeader{
			Sequence: rapid.Uint64().Draw(t, "sequence"), Time: rapid.Int64().Draw(t, "time"),
			Durable8: rapid.Uint32().Draw(t, "durable8"), Count: rapid.Uint16Min(1).Draw(t, "count"), Type: FrameData,
		}
		b := seal(h, salt, payload)
		got, err := CheckFrame(append(b, 1, 2, 3), salt)
		if err != nil {
			t.Fatal(err)
		}
		h.Length, h.CRC = uint32(len(b)), got.CRC
		if got != h || !bytes.Equal(got.Payload(b), payload) {
			t.Fatalf("got %+v, want %+v", got, h)
		}
		bit := rapid.IntRange(0, 8*len(b)-1).Draw(t, "bit")
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := CheckFrame(b, salt); err == nil {
			t.Fatalf("bit %d flipped and not noticed", bit)
		}
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := CheckFrame(b, salt+1); err == nil {
			t.Fatal("a frame of another salt was accepted")
		}
	})
}

func TestNewerFrameIsNotDamage(t *testing.T) {
	for name, h := range map[string]FrameHeader{
		"unknown type":              {Type: 9},
		"reserved flag":             {Type: FrameData, Count: 1, Flags: 64},
		"compression":               {Type: FrameData, Count: 1, Flags: FlagZstd},
		"records in an index frame": {Type: FrameIndex, Count: 1},
	} {
		_, err := CheckFrame(seal(h, 1, nil), 1)
		if !errors.Is(err, failure.NewerVersion) || errors.Is(err, failure.Corrupt) {
			t.Errorf("%s: got %v, want failure.NewerVersion", name, err)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(seal(FrameHeader{Sequence: 1, Count: 1, Type: FrameData}, 5, []byte("hello")), uint32(5))
	f.Add(seal(FrameHeader{Sequence: 1, Type: FrameSync}, 0, nil), uint32(0))
	f.Add([]byte{255, 255, 255, 255}, uint32(1))
	f.Fuzz(func(t *testing.T, b []byte, salt uint32) {
		var h FrameHeader
		var err error
		check := func() { h, err = CheckFrame(b, salt) }
		// The whole process is counted, and a fuzz worker allocates beside us now
		// and then: only what comes with each of many calls is CheckFrame's own.
		if testing.AllocsPerRun(1, check) > 0 {
			if allocated := testing.AllocsPerRun(100, check); allocated > 0 {
				t.Fatalf("%v allocations", allocated)
			}
		}
		if err != nil {
			return
		}
		again := append([]byte{}, b[:h.Length]...)
		h.Seal(again, Checksum(salt, h.Payload(b)))
		if !bytes.Equal(again, b[:h.Length]) {
			t.Fatal("sealing what was parsed gives other bytes")
		}
	})
}
