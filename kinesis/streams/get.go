package streams

import (
	"context"
	"errors"
	"time"
	"unsafe"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/kinesis/wire"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

// getRecordsMax and iteratorMax are the table's.
const (
	getRecordsMax = 10_000
	iteratorMax   = 512
)

// getCodecs read what plainGet declines, and the input of SubscribeToShard. The answers of both are written
// record by record, without them.
type getCodecs struct {
	records   kinesis.Codec[GetRecordsInput, GetRecordsOutput]
	subscribe kinesis.Codec[SubscribeToShardInput, SubscribeToShardOutput]
}

func (a *API) registerGets(s *kinesis.Service) {
	a.gets.records = kinesis.NewCodec[GetRecordsInput, GetRecordsOutput](s, "GetRecords")
	a.gets.subscribe = kinesis.NewCodec[SubscribeToShardInput, SubscribeToShardOutput](s, "SubscribeToShard")
	s.HandleRaw("GetRecords", a.getRecords)
	s.HandleRaw("SubscribeToShard", a.subscribeToShard)
}

// textOf returns bytes that will not change as a string.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// plainGet reads a GetRecords input that has an iterator and at most a limit, both as they should be.
// Of any other it returns false: the long way, by the table, then takes it or says what is wrong.
func plainGet(r wire.Reader) (in *GetRecordsInput, ok bool) {
	in = new(GetRecordsInput)
	if r.Object() != nil {
		return in, false
	}
	for {
		name, more, err := r.Key()
		if err != nil {
			return in, false
		}
		if !more {
			return in, in.ShardIterator != "" && r.End() == nil
		}
		switch string(name) {
		case "ShardIterator":
			text, err := r.Text()
			if err != nil || len(text) > iteratorMax {
				return in, false
			}
			in.ShardIterator = string(text)
		case "Limit":
			limit, err := r.Int()
			if err != nil || limit < 1 || limit > getRecordsMax {
				return in, false
			}
			in.Limit = &limit
		default:
			return in, false
		}
	}
}

func (a *API) getRecords(ctx context.Context, c *kinesis.Call) error {
	in, plain := plainGet(c.Reader())
	if !plain {
		var err error
		if in, err = a.gets.records.Read(c); err != nil {
			return err
		}
	}
	place, err := a.openIterator(in.ShardIterator)
	if err != nil {
		return err
	}
	of, err := a.store.StreamByID(place.stream)
	if err != nil {
		return a.notFound("", err)
	}
	t, err := a.targetOf(of, a.arnOf(c, of.Name()))
	if err != nil {
		return err
	}
	if err := c.Permit(ctx, t.arn); err != nil {
		return err
	}
	if r, ok := parseARN(in.StreamARN); in.StreamARN != "" && (!ok || r.stream != t.Name()) {
		return invalidArgument("StreamARN %.256s is not that of the shard iterator's stream.", in.StreamARN)
	}
	from, err := t.Shard(place.shard)
	if err != nil {
		return a.shardGone(t, place.shard, err)
	}
	if err := a.reads.take(a, t, place.shard); err != nil {
		return err
	}
	if isTrue(in.DryRun) {
		return dryRun()
	}
	limit := getRecordsMax
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	return a.answerRecords(c, t, from, place.next, limit)
}

// openIterator reads an iterator, which must be young enough.
func (a *API) openIterator(text string) (token, error) {
	place, ok := a.sealer.open(text, tokenIterator)
	if !ok {
		return place, invalidArgument("Invalid ShardIterator.")
	}
	now := a.options.Clock.Now()
	if place.expired(now) {
		const form = "Mon Jan 02 15:04:05 MST 2006"
		return place, kinesis.Errorf("ExpiredIteratorException",
			"Iterator expired. The iterator was created at time %s while right now it is %s which is further in the future than the tolerated delay of %d milliseconds.",
			time.UnixMilli(place.issued).UTC().Format(form), now.UTC().Format(form), tokenLife.Milliseconds())
	}
	return place, nil
}

// shardGone translates an error of looking for a shard.
func (a *API) shardGone(t *target, id record.ShardID, err error) error {
	if errors.Is(err, failure.NotFound) {
		return resourceNotFound("Shard %s in stream %s under account %s does not exist", id, t.Name(), t.account)
	}
	return err
}

// readError translates an error of reading a shard, which may have expired, or its stream been
// deleted, meanwhile.
func (a *API) readError(t *target, id record.ShardID, err error) error {
	if errors.Is(err, stream.ErrShardExpired) {
		return a.shardGone(t, id, err)
	}
	return a.gone(t, err)
}

// answerRecords sends up to limit records from one on.
func (a *API) answerRecords(c *kinesis.Call, t *target, from *shard.Shard, next uint64, limit int) error {
	last, ended := from.End() // before reading: what is read then is all
	// A crash may have taken records of a weak durability that were read already.
	next = min(next, from.Next())
	cursor, err := openCursor(from, next)
	if err != nil {
		return a.readError(t, from.ID(), err)
	}
	defer cursor.Close()
	w := c.Writer()
	w.Object()
	w.Key("Records")
	w.List()
	b := a.writeRecords(w, t, from, cursor, limit, readBytesMax)
	w.EndList()
	if err := cursor.Err(); err != nil {
		return a.readError(t, from.ID(), from.Explain(err))
	}
	a.reads.paid(a, t, from.ID(), b.bytes)
	t.CountRead(from.ID(), uint64(b.records), uint64(b.bytes))
	if b.records > 0 {
		next = b.next
	}
	var space [256]byte
	if ended && (b.records == 0 || next > last) { // without records: there is none any more, or never was
		a.writeChildren(w, t, from.ID())
	} else {
		w.Key("NextShardIterator")
		w.TextBytes(a.appendIterator(space[:0], t.ID(), from.ID(), next))
	}
	w.Key("MillisBehindLatest")
	w.Int(a.millisBehind(b, from, next))
	w.EndObject()
	c.Answer(w)
	return nil
}

// openCursor opens a cursor at a record, or at the oldest there is if that is younger.
func openCursor(from *shard.Shard, next uint64) (*wal.Cursor, error) {
	if next > 0 {
		cursor, err := from.Cursor(record.AtSequence(next))
		if !errors.Is(err, failure.Trimmed) {
			return cursor, err
		}
	}
	return from.Cursor(record.TrimHorizon())
}

// tryNext is cursor.TryNext, but where retention overtakes a reader it goes on with the oldest
// record there is.
func tryNext(cursor *wal.Cursor) bool {
	for !cursor.TryNext() {
		if !errors.Is(cursor.Err(), failure.Trimmed) || cursor.Seek(record.TrimHorizon()) != nil {
			return false
		}
	}
	return true
}

// block is what writeRecords has written.
type block struct {
	records int
	bytes   int // of data and keys
	next    uint64
	arrival int64 // of the last record, Unix nanoseconds
	held    bool  // the next record was seen, but there was no room for it
}

// writeRecords writes records as elements of a list until there are no more, or limit of them,
// or one more would make more than room bytes; but at least one if there is one.
func (a *API) writeRecords(w wire.Writer, t *target, from *shard.Shard, cursor *wal.Cursor, limit, room int) block {
	var b block
	var sequence record.SequenceText
	var text [64]byte
	kms := t.settings.Encryption == encryptionKMS
	for b.records < limit && tryNext(cursor) {
		v := cursor.View()
		size := len(v.Data) + len(v.Key)
		if b.records > 0 && b.bytes+size > room {
			b.held = true
			break
		}
		w.Object()
		w.Key("SequenceNumber")
		w.TextBytes(sequence.Append(text[:0], from.SequenceNumber(v.Sequence, v.Time)))
		w.Key("ApproximateArrivalTimestamp")
		w.Time(time.Unix(0, v.Time))
		w.Key("Data")
		w.Blob(v.Data)
		w.Key("PartitionKey")
		w.TextBytes(v.Key)
		if kms {
			w.Key("EncryptionType")
			w.Text(encryptionKMS)
		}
		w.EndObject()
		b.records++
		b.bytes += size
		b.next, b.arrival = v.Sequence+1, v.Time
	}
	return b
}

// millisBehind returns how long ago the last record that was read arrived, or 0 if the reader
// has seen all there are.
func (a *API) millisBehind(b block, from *shard.Shard, next uint64) int64 {
	if b.records == 0 || next >= from.Next() {
		return 0
	}
	return max(a.options.Clock.Now().UnixMilli()-b.arrival/int64(time.Millisecond), 0)
}

// writeChildren writes the children of a shard that was read to its end.
func (a *API) writeChildren(w wire.Writer, t *target, id record.ShardID) {
	children := childShards(t.Describe(), id)
	w.Key("ChildShards")
	w.List()
	for _, child := range children {
		w.Object()
		w.Key("ShardId")
		w.Text(child.ShardId)
		w.Key("ParentShards")
		w.List()
		for _, parent := range child.ParentShards {
			w.Text(parent)
		}
		w.EndList()
		w.Key("HashKeyRange")
		w.Object()
		w.Key("StartingHashKey")
		w.Text(child.HashKeyRange.StartingHashKey)
		w.Key("EndingHashKey")
		w.Text(child.HashKeyRange.EndingHashKey)
		w.EndObject()
		w.EndObject()
	}
	w.EndList()
}
