package protocol_test

import (
	"runtime"
	"testing"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// FuzzBatchVerify holds the verifier to its promises on any bytes: no panic, no
// more memory than four times the input, and only canonical bytes accepted.
func FuzzBatchVerify(f *testing.F) {
	hash := record.HashKey{Hi: 1, Lo: 2}
	f.Add(protocol.AppendBatch(nil, []record.Record{{PartitionKey: "a", Data: []byte("x")}}, protocol.Producer{}), 1)
	f.Add(protocol.AppendBatch(nil, []record.Record{
		{PartitionKey: "orders", Data: []byte("hello")}, {PartitionKey: "k", ExplicitHash: &hash}, {PartitionKey: "k", ExplicitHash: &hash},
	}, protocol.Producer{ID: 7, Epoch: 1, Sequence: 9}), 3)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, payload []byte, count int) {
		requireLittleMemory(t, len(payload), func() {
			_ = protocol.VerifyBatch(payload, count)
		})
		checkVerified(t, payload, count)
	})
}

// requireLittleMemory runs f and fails if it allocated more than four times the
// input, give or take a page for errors and what else the process was doing.
func requireLittleMemory(t *testing.T, inputBytes int, f func()) {
	t.Helper()
	const slack = 16 << 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(4*inputBytes+slack) {
		t.Fatalf("%d bytes allocated for %d bytes of input", grown, inputBytes)
	}
}
