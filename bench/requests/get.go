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
// session knew to be in the shard when it began; where it wrote none, or a session
// before it did, where an answer has none.
func (s *Session) Scan(ctx context.Context, shard int, visit func(record []byte)) error {
	if err := s.check(shard); err != nil {
		return err
	}
	var data []byte
	p := s.pass(shard, func(document []byte) (found block, err error) {
		found, data, err = readBlock(s.encoding.reader(document), data, visit)
		return found, err
	})
	for !p.over {
		if _, err := p.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Counting implements target.Counter: it looks no closer at records than needed to
// know how long they are. All was read where Scan ends.
func (s *Session) Counting(shard int) (func(context.Context) (target.Counted, error), error) {
	if err := s.check(shard); err != nil {
		return nil, err
	}
	var data []byte
	look := countJSON
	if s.encoding.media != jsonEncoding.media {
		look = func(document []byte) (found block, err error) {
			found, data, err = readBlock(s.encoding.reader(document), data, func([]byte) {})
			return found, err
		}
	}
	var p *pass
	return func(ctx context.Context) (target.Counted, error) {
		if p == nil || p.over {
			p = s.pass(shard, look)
		}
		found, err := p.read(ctx)
		if err != nil {
			p = nil
		}
		return target.Counted{Records: found.records, Bytes: found.bytes}, err
	}, nil
}

// pass reads a shard once.
type pass struct {
	session  *Session
	from     *shard
	look     func(document []byte) (block, error) // says what is in an answer
	iterator string
	wanted   int64 // 0 if it is not known
	seen     int64
	empty    int // answers without records, in a row
	over     bool
}

func (s *Session) pass(shard int, look func([]byte) (block, error)) *pass {
	p := &pass{session: s, from: &s.shards[shard], look: look}
	if s.counted {
		p.wanted = p.from.acknowledged.Load()
	}
	return p
}

// read makes the next request.
func (p *pass) read(ctx context.Context) (found block, err error) {
	if p.iterator == "" {
		p.iterator, err = p.session.iterator(ctx, p.from)
	}
	if err == nil {
		found, err = p.session.read(ctx, p.iterator, p.look)
	}
	if err != nil {
		return found, err
	}
	p.iterator = found.next
	p.seen += found.records
	if p.empty++; found.records > 0 {
		p.empty = 0
	}
	p.over = p.wanted > 0 && p.seen >= p.wanted || p.wanted == 0 && found.records == 0
	if !p.over && (p.empty == emptyMax || p.iterator == "") {
		return found, fmt.Errorf("requests: shard %s has %d records, wanted are %d", p.from.id, p.seen, p.wanted)
	}
	return found, nil
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
