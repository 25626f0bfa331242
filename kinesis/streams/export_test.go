package streams

import (
	"github.com/millrace-io/millrace/kinesis/wire"
	"github.com/millrace-io/millrace/record"
)

// Put is what was read of a PutRecord or PutRecords.
type Put struct {
	Name, ARN string
	DryRun    bool
	Records   []record.Record
}

// ReadFast reads the input of PutRecord or, with many, of PutRecords by the fast way. It reports
// whether that takes it.
func ReadFast(r wire.Reader, many bool) (Put, bool) {
	p := newPut()
	take := p.takeRecord
	if many {
		take = p.takeRecords
	}
	if !take(r) {
		return Put{}, false
	}
	return Put{p.name, p.arn, p.dryRun, p.records}, true // p is not used again
}

// ReadGet reads the input of GetRecords by the fast way. It reports whether that takes it.
func ReadGet(r wire.Reader) (*GetRecordsInput, bool) { return plainGet(r) }
