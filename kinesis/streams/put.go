package streams

import (
	"context"
	"errors"
	"strconv"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/kinesis/wire"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

const (
	putRecordsMax = 500
	// putBytesMax is the most that data and keys of one PutRecords may take.
	putBytesMax = 10 << 20
)

// putCodecs read what the fast way declines.
type putCodecs struct {
	record  kinesis.Codec[PutRecordInput, PutRecordOutput]
	records kinesis.Codec[PutRecordsInput, PutRecordsOutput]
}

func (a *API) registerPuts(s *kinesis.Service) {
	a.puts.record = kinesis.NewCodec[PutRecordInput, PutRecordOutput](s, "PutRecord")
	a.puts.records = kinesis.NewCodec[PutRecordsInput, PutRecordsOutput](s, "PutRecords")
	s.HandleRaw("PutRecord", a.putRecord)
	s.HandleRaw("PutRecords", a.putRecords)
}

func invalidHashKey(hash string) error {
	return invalidArgument("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was %s", hash)
}

func (a *API) putRecords(ctx context.Context, c *kinesis.Call) error {
	p := newPut()
	defer p.release()
	if !p.takeRecords(c.Reader()) {
		if err := a.putRecordsInput(c, p); err != nil {
			return err
		}
	}
	t, err := a.target(ctx, c, p.name, p.arn)
	if err != nil {
		return err
	}
	total := 0
	for i := range p.records {
		if err := a.prepare(t, &p.records[i], i+1); err != nil {
			return err
		}
		total += len(p.records[i].Data) + len(p.records[i].PartitionKey)
	}
	if total > putBytesMax {
		return invalidArgument("Records size exceeds 10 MB limit")
	}
	if p.dryRun {
		return dryRun()
	}
	results, err := t.PutBatch(ctx, p.records)
	if err != nil {
		return err
	}
	return a.writePutRecords(c, t, p, results)
}

// putRecordsInput reads the request the long way, into an empty p.
func (a *API) putRecordsInput(c *kinesis.Call, p *put) error {
	in, err := a.puts.records.Read(c)
	if err != nil {
		return err
	}
	p.name, p.arn, p.dryRun = in.StreamName, in.StreamARN, isTrue(in.DryRun)
	p.records = p.records[:0]
	for i := range in.Records {
		if err := p.takeInput(in.Records[i].Data, in.Records[i].PartitionKey, in.Records[i].ExplicitHashKey); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) putRecord(ctx context.Context, c *kinesis.Call) error {
	p := newPut()
	defer p.release()
	if !p.takeRecord(c.Reader()) {
		if err := a.putRecordInput(c, p); err != nil {
			return err
		}
	}
	t, err := a.target(ctx, c, p.name, p.arn)
	if err != nil {
		return err
	}
	if err := a.prepare(t, &p.records[0], 0); err != nil {
		return err
	}
	if err := checkOrdering(t, p.ordering); err != nil {
		return err
	}
	if p.dryRun {
		return dryRun()
	}
	at, err := t.Put(ctx, p.records[0])
	if err != nil {
		return a.putError(t, err)
	}
	w := c.Writer()
	w.Object()
	p.writePosition(w, t, at)
	writeEncryption(w, t)
	w.EndObject()
	c.Answer(w)
	return nil
}

// putRecordInput reads the request the long way.
func (a *API) putRecordInput(c *kinesis.Call, p *put) error {
	in, err := a.puts.record.Read(c)
	if err != nil {
		return err
	}
	p.name, p.arn, p.dryRun, p.ordering = in.StreamName, in.StreamARN, isTrue(in.DryRun), in.SequenceNumberForOrdering
	p.records = p.records[:0]
	return p.takeInput(in.Data, in.PartitionKey, in.ExplicitHashKey)
}

// checkOrdering refuses a sequence number that no record of the stream can have. Any other is
// below that of the record to come, whose shard counts on.
func checkOrdering(t *target, ordering string) error {
	if ordering == "" {
		return nil
	}
	n, err := record.ParseSequenceNumber(ordering)
	if err == nil {
		if s, found := t.Shard(n.Shard); found == nil && s.Created().Unix() == n.ShardCreated && n.Index < s.Next() {
			return nil
		}
	}
	return invalidArgument("ExclusiveMinimumSequenceNumber %s used in PutRecord on stream %s under account %s is invalid because it did not come from this stream.",
		ordering, t.Name(), t.account)
}

// golden spreads consecutive numbers evenly over the hash space, wherever shards begin.
const golden = 0x9e3779b97f4a7c15

// prepare checks a record by the stream's settings, and sends it to any shard if that is what
// they say. It is the one of that number in its list, or 0 if there is no list.
func (a *API) prepare(t *target, r *record.Record, number int) error {
	if most := t.settings.RecordKiBMax << 10; int64(len(r.Data)+len(r.PartitionKey)) > most {
		return validation("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", memberPath(number, "data"), most)
	}
	if t.settings.Distribution == distributionAuto {
		r.ExplicitHash = &record.HashKey{Hi: a.distributed.Add(1) * golden}
		if r.PartitionKey == "" {
			r.PartitionKey = r.ExplicitHash.String()
		}
		return nil
	}
	if r.PartitionKey == "" {
		return validation("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", memberPath(number, "partitionKey"))
	}
	return nil
}

// memberPath names a member of a record as AWS's messages do.
func memberPath(number int, member string) string {
	if number == 0 {
		return member
	}
	return "records." + strconv.Itoa(number) + ".member." + member
}

// dryRun is how AWS says that a request would have succeeded.
func dryRun() error {
	return kinesis.Errorf("DryRunOperationException", "Request would have succeeded, but DryRun flag is set.")
}

// writePutRecords sends the answer of PutRecords.
func (a *API) writePutRecords(c *kinesis.Call, t *target, p *put, results []stream.Result) error {
	failed := 0
	for i := range results {
		if err := results[i].Err; err != nil {
			if errors.Is(err, failure.NotFound) {
				return a.gone(t, err)
			}
			failed++
		}
	}
	w := c.Writer()
	w.Object()
	w.Key("FailedRecordCount")
	w.Int(int64(failed))
	w.Key("Records")
	w.List()
	for i := range results {
		w.Object()
		if err := results[i].Err; err != nil {
			code, message := a.entryError(t, err)
			w.Key("ErrorCode")
			w.Text(code)
			w.Key("ErrorMessage")
			w.Text(message)
		} else {
			p.writePosition(w, t, results[i].Position)
		}
		w.EndObject()
	}
	w.EndList()
	writeEncryption(w, t)
	w.EndObject()
	c.Answer(w)
	return nil
}

// writePosition writes where a record came to stand.
func (p *put) writePosition(w wire.Writer, t *target, at stream.Position) {
	w.Key("SequenceNumber")
	p.text = p.sequences[at.Shard%sequencesKept].Append(p.text[:0], t.sequenceNumber(at.Shard, at.Sequence, at.Time))
	w.TextBytes(p.text)
	w.Key("ShardId")
	p.text = at.Shard.AppendText(p.text[:0])
	w.TextBytes(p.text)
}

// sequenceNumber returns the number of a record as AWS has it.
func (t *target) sequenceNumber(id record.ShardID, index uint64, arrival int64) record.SequenceNumber {
	s, err := t.Shard(id)
	if err != nil {
		return record.SequenceNumber{Shard: id, Index: index, Arrival: arrival / 1e9} // gone meanwhile
	}
	return s.SequenceNumber(index, arrival)
}

// writeEncryption says how records are encrypted, if they are.
func writeEncryption(w wire.Writer, t *target) {
	if t.settings.Encryption == encryptionKMS {
		w.Key("EncryptionType")
		w.Text(encryptionKMS)
	}
}

// entryError returns code and text of one record that was not written.
func (a *API) entryError(t *target, err error) (code, message string) {
	var shown *kinesis.Error
	if errors.As(a.putError(t, err), &shown) && shown.Code == codeThroughput {
		return shown.Code, shown.Message
	}
	return kinesis.CodeInternalFailure, "Internal Service Failure"
}

// putError translates an error of writing.
func (a *API) putError(t *target, err error) error {
	switch {
	case errors.Is(err, failure.Throttled):
		var named *failure.Error
		id := record.ShardID(0)
		if errors.As(err, &named) {
			id, _ = record.ParseShardID(named.Shard)
		}
		return rateExceeded(id, t.Name(), t.account)
	case errors.Is(err, failure.NotFound):
		return a.gone(t, err)
	}
	return err
}

const codeThroughput = "ProvisionedThroughputExceededException"

func rateExceeded(id record.ShardID, streamName, account string) error {
	return kinesis.Errorf(codeThroughput, "Rate exceeded for shard %s in stream %s under account %s.", id, streamName, account)
}

func isTrue(b *bool) bool { return b != nil && *b }
