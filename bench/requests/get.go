package requests

import (
	"context"
	"fmt"

	"github.com/millrace-io/millrace/bench/target"
)

const (
	// readRecordsMax is how many records are asked for at once: as many as a
	// request can write.
	readRecordsMax = 500
	// emptyMax is how many answers in a row may have no records although more are
	// known to be there.
	emptyMax = 1000
)

// Scan implements target.Scanner. Its end is where all records were seen that this
// session knew to be in the shard when it began; where it wrote none, where an
// answer has none.
func (s *Session) Scan(ctx context.Context, shard int, visit func(record []byte)) error {
	var data []byte
	return s.readAll(ctx, shard, func(document []byte) (found block, err error) {
		found, data, err = readBlock(s.encoding.reader(document), data, visit)
		return found, err
	})
}

// Count implements target.Counter: it looks no closer at records than needed to
// know how long they are. Its end is that of Scan.
func (s *Session) Count(ctx context.Context, shard int) (target.Counted, error) {
	var total target.Counted
	var data []byte
	err := s.readAll(ctx, shard, func(document []byte) (found block, err error) {
		if s.encoding.media == jsonEncoding.media {
			found, err = countJSON(document)
		} else {
			found, data, err = readBlock(s.encoding.reader(document), data, func([]byte) {})
		}
		total.Records += found.records
		total.Bytes += found.bytes
		return found, err
	})
	return total, err
}

// readAll reads a shard from its beginning. Look says what is in an answer.
func (s *Session) readAll(ctx context.Context, shard int, look func(document []byte) (block, error)) error {
	if err := s.check(shard); err != nil {
		return err
	}
	from := &s.shards[shard]
	wanted := from.acknowledged.Load()
	iterator, err := s.iterator(ctx, from)
	for seen, empty := int64(0), 0; err == nil; {
		var found block
		if found, err = s.read(ctx, iterator, look); err != nil {
			break
		}
		iterator = found.next
		if seen += found.records; wanted > 0 && seen >= wanted || wanted == 0 && found.records == 0 {
			return nil
		}
		if empty++; found.records > 0 {
			empty = 0
		}
		if empty == emptyMax || iterator == "" {
			err = fmt.Errorf("requests: shard %d has %d records, wanted are %d", shard, seen, wanted)
		}
	}
	return err
}

// iterator asks for the beginning of a shard.
func (s *Session) iterator(ctx context.Context, from *shard) (string, error) {
	var answer struct{ ShardIterator string }
	err := s.call(ctx, "GetShardIterator", object{
		"StreamName": s.pool.stream, "ShardId": from.id, "ShardIteratorType": "TRIM_HORIZON",
	}, &answer)
	return answer.ShardIterator, err
}

// read makes one request.
func (s *Session) read(ctx context.Context, iterator string, look func(document []byte) (block, error)) (block, error) {
	w := s.encoding.writer()
	w.Object()
	w.Key("ShardIterator")
	w.Text(iterator)
	w.Key("Limit")
	w.Int(readRecordsMax)
	w.EndObject()
	var found block
	err := s.pool.do(ctx, "GetRecords", s.request(s.encoding.media, "GetRecords", w.Bytes()), func(document []byte) (err error) {
		found, err = look(document)
		return wrapped("GetRecords", err)
	})
	return found, err
}
