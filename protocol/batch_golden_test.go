package protocol_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// goldenBatch is the example of docs/format/batch.md: what stands behind a "|"
// is commentary.
const goldenBatch = `
28 00 00 00  4d 52 42 31                          |   0 root at 40, "MRB1"
0c 00 18 00  04 00 08 00 14 00 10 00              |   8 Batch vtable
08 00 0c 00  04 00 08 00                          |  20 plain vtable
0a 00 1c 00  04 00 08 00 0c 00                    |  28 hashed vtable
00 00                                             |  38 padding
20 00 00 00  14 00 00 00                          |  40 Batch: vtable, records
88 77 66 55 44 33 22 11                           |  48 producer_id
05 00 00 00  02 00  00 00                         |  56 producer_seq 5, epoch 2, padding
02 00 00 00                                       |  64 two records
08 00 00 00  2c 00 00 00                          |  68 their tables: 68+8, 72+44
38 00 00 00  08 00 00 00  10 00 00 00             |  76 record 0: vtable 76-56=20, key, data
06 00 00 00  6f 72 64 65 72 73 00 00              |  88 key "orders", NUL, padding
05 00 00 00  68 65 6c 6c 6f 00 00 00              | 100 data "hello", padding
00 00 00 00                                       | 112 padding: 112 is a multiple of 8
58 00 00 00  18 00 00 00  1c 00 00 00             | 116 record 1: vtable 116-88=28, key, data
08 07 06 05 04 03 02 01  18 17 16 15 14 13 12 11  | 128 hash, high half, low half
01 00 00 00  6b 00 00 00                          | 144 key "k"
00 00 00 00                                       | 152 data, empty; 156 bytes in all
`

// goldenBytes returns the bytes of a drawing.
func goldenBytes(t *testing.T, drawing string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(drawing) {
		before, _, _ := strings.Cut(line, "|")
		digits.WriteString(strings.Join(strings.Fields(before), ""))
	}
	golden, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return golden
}

func TestBatchGoldenBytes(t *testing.T) {
	hash := record.HashKey{Hi: 0x0102030405060708, Lo: 0x1112131415161718}
	records := []record.Record{
		{PartitionKey: "orders", Data: []byte("hello")},
		{PartitionKey: "k", ExplicitHash: &hash},
	}
	producer := protocol.Producer{ID: 0x1122334455667788, Epoch: 2, Sequence: 5}
	want := goldenBytes(t, goldenBatch)
	if got := protocol.AppendBatch(nil, records, producer); !bytes.Equal(got, want) {
		t.Errorf("got\n%swant\n%s", hex.Dump(got), hex.Dump(want))
	}
	if err := protocol.VerifyBatch(want, len(records)); err != nil {
		t.Error(err)
	}
	requireInDocument(t, "../docs/format/batch.md", goldenBatch)
}
