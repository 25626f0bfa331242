package protocol_test

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
)

// The examples of docs/format/native-protocol.md.
const (
	goldenPing = `
00 00 00 00  07 00 00 00  12 00 00 00  00 00 00 00  |  0 no length, request 7, type 18, no head
`
	goldenAppend = `
40 00 00 00  09 00 00 00  03 00 00 00  38 00 00 00  |  0 length 64, request 9, type 3, head of 56
1c 00 00 00  4d 52 4d 31                            | 16 head: table at 28, "MRM1"
0e 00 17 00  04 00 0c 00 10 00 14 00 16 00          | 24 vtable of 14, table of 23, its five fields
00 00 00 00 00 00                                   | 38 padding
14 00 00 00                                         | 44 table: vtable 20 back
08 07 06 05 04 03 02 01                             | 48 stream_id
03 00 00 00  dd cc bb aa                            | 56 shard 3, crc
02 00  01  00 00 00 00 00                           | 64 count 2, durability 1, padding
62 61 74 63 68 21 21 21                             | 72 body
`
	goldenError = `
60 00 00 00  09 00 00 00  11 00 00 00  60 00 00 00  |  0 length 96, request 9, type 17, head of 96
1c 00 00 00  4d 52 4d 31                            | 16 head: table at 28, "MRM1"
10 00 1e 00  1c 00 0c 00 10 00 14 00 18 00 04 00    | 24 vtable of 16, table of 30, its six fields
00 00 00 00                                         | 40 padding
14 00 00 00                                         | 44 table: vtable 20 back
40 42 0f 00 00 00 00 00                             | 48 retry_after, 1,000,000 ns
14 00 00 00  18 00 00 00                            | 56 operation at 56+20, stream at 60+24
20 00 00 00  24 00 00 00                            | 64 shard at 64+32, detail at 68+36
05 00  00 00                                        | 72 kind 5, throttled; padding
03 00 00 00  70 75 74 00                            | 76 "put"
06 00 00 00  6f 72 64 65 72 73 00 00                | 84 "orders"
00 00 00 00  00 00 00 00                            | 96 ""
00 00 00 00  00 00 00 00                            |104 ""
`
)

func TestMessageGoldenBytes(t *testing.T) {
	body := []byte("batch!!!")
	cases := []struct {
		name    string
		got     []byte
		drawing string
	}{
		{"ping", protocol.Ping{}.AppendTo(nil, 7), goldenPing},
		{"append", append(protocol.Append{
			StreamID: 0x0102030405060708, Shard: 3, CRC: 0xaabbccdd, Count: 2, Durability: 1,
		}.AppendTo(nil, 9, len(body)), body...), goldenAppend},
		{"error", protocol.Error{
			Kind: failure.Throttled, Operation: "put", Stream: "orders", RetryAfter: time.Millisecond,
		}.AppendTo(nil, 9), goldenError},
	}
	for _, c := range cases {
		if want := goldenBytes(t, c.drawing); !bytes.Equal(c.got, want) {
			t.Errorf("%s: got\n%swant\n%s", c.name, hex.Dump(c.got), hex.Dump(want))
		}
		requireInDocument(t, "../docs/format/native-protocol.md", c.drawing)
	}
}
