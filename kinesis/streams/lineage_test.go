package streams_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

// bubble is the API of a stream "a" whose shards are split. It lives in a bubble, whose
// clock it follows.
type bubble struct {
	t     *testing.T
	dir   string
	disk  *crashfs.FS
	store *stream.Store
	api   *streams.API
	front *kinesis.Front
}

// inLineage calls a test in a bubble.
func inLineage(t *testing.T, test func(l *bubble)) {
	synctest.Test(t, func(t *testing.T) {
		l := &bubble{t: t, dir: t.TempDir(), disk: crashfs.New(crashfs.Options{})}
		l.open()
		defer func() { l.close() }()
		l.must("CreateStream", `{"StreamName":"a","ShardCount":1}`)
		test(l)
	})
}

func (l *bubble) open() {
	l.t.Helper()
	o := stream.Options{RetentionInterval: -1}
	o.Backend, o.FS, o.SegmentBytesMin, o.SegmentBytesMax = wal.BackendHeap, l.disk, 64<<10, 64<<10
	var err error
	if l.store, err = stream.Open(l.dir, o); err != nil {
		l.t.Fatal(err)
	}
	if l.api, err = streams.New(l.store, streams.Options{StatusDelay: -1, ScaleInterval: -1}); err != nil {
		l.t.Fatal(err)
	}
	if l.front, err = kinesis.NewFront(kinesis.Options{}, l.api.Service()); err != nil {
		l.t.Fatal(err)
	}
}

func (l *bubble) close() {
	l.t.Helper()
	if err := l.api.Close(); err != nil {
		l.t.Error(err)
	}
	if err := l.store.Close(); err != nil {
		l.t.Error(err)
	}
}

// call returns status and body of an answer.
func (l *bubble) call(operation, body string) (int, []byte) {
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute) // subscriptions that do not end
	defer cancel()
	request := httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
	answer := httptest.NewRecorder()
	l.front.ServeHTTP(answer, request)
	return answer.Code, answer.Body.Bytes()
}

// must is call of what succeeds.
func (l *bubble) must(operation, body string) []byte {
	l.t.Helper()
	status, answer := l.call(operation, body)
	if status != 200 {
		l.t.Fatalf("%s %s: %d %s", operation, body, status, answer)
	}
	return answer
}

// put puts a record and returns its sequence number.
func (l *bubble) put() string {
	l.t.Helper()
	var out struct{ SequenceNumber string }
	l.decode(l.must("PutRecord", `{"StreamName":"a","PartitionKey":"k","Data":"eA=="}`), &out)
	return out.SequenceNumber
}

func (l *bubble) decode(answer []byte, out any) {
	l.t.Helper()
	if err := json.Unmarshal(answer, out); err != nil {
		l.t.Fatalf("%s: %v", answer, err)
	}
}

// split splits shard 0.
func (l *bubble) split() {
	l.t.Helper()
	l.must("SplitShard", `{"StreamName":"a","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"1000"}`)
}

// iterator returns an iterator of shard 0 at a position.
func (l *bubble) iterator(position string) string {
	l.t.Helper()
	var out struct{ ShardIterator string }
	l.decode(l.must("GetShardIterator", `{"StreamName":"a","ShardId":"shardId-000000000000",`+position+`}`), &out)
	return out.ShardIterator
}

// got is an answer of GetRecords.
type got struct {
	Records           []struct{ SequenceNumber string }
	NextShardIterator *string
	ChildShards       []struct {
		ShardID      string `json:"ShardId"`
		ParentShards []string
	}
}

func (l *bubble) get(iterator string) (g got) {
	l.t.Helper()
	l.decode(l.must("GetRecords", `{"ShardIterator":"`+iterator+`"}`), &g)
	return g
}

// checkEnd checks that a shard is at its end from any of the positions on, behind that
// many records, to those who poll and to those who subscribe.
func (l *bubble) checkEnd(records int, positions ...string) {
	l.t.Helper()
	for _, position := range positions {
		g := l.get(l.iterator(position))
		if len(g.Records) != records || g.NextShardIterator != nil || len(g.ChildShards) != 2 || g.ChildShards[1].ShardID != "shardId-000000000002" {
			l.t.Errorf("%s: %d records, %+v", position, len(g.Records), g)
		}
		start := strings.NewReplacer("ShardIteratorType", "Type", "StartingSequenceNumber", "SequenceNumber").Replace(position)
		arn := "arn:aws:kinesis:us-east-1:" + streams.AccountDefault + ":stream/a"
		name := fmt.Sprint("c", time.Now().UnixNano())
		var out struct{ Consumer struct{ ConsumerARN string } }
		l.decode(l.must("RegisterStreamConsumer", `{"StreamARN":"`+arn+`","ConsumerName":"`+name+`"}`), &out)
		events := l.must("SubscribeToShard", `{"ConsumerARN":"`+out.Consumer.ConsumerARN+`","ShardId":"shardId-000000000000","StartingPosition":{`+start+`}}`)
		if bytes.Count(events, []byte(`"ChildShards"`)) != 1 || bytes.Count(events, []byte(`"PartitionKey"`)) != records {
			l.t.Errorf("%s: the events of a subscription are %q", position, events)
		}
		time.Sleep(time.Minute) // of the bubble
	}
}

const (
	trimHorizon = `"ShardIteratorType":"TRIM_HORIZON"`
	latest      = `"ShardIteratorType":"LATEST"`
)

func atSequence(number string) string {
	return `"ShardIteratorType":"AT_SEQUENCE_NUMBER","StartingSequenceNumber":"` + number + `"`
}

func afterSequence(number string) string {
	return `"ShardIteratorType":"AFTER_SEQUENCE_NUMBER","StartingSequenceNumber":"` + number + `"`
}

func atTime(t time.Time) string {
	return fmt.Sprintf(`"ShardIteratorType":"AT_TIMESTAMP","Timestamp":%d`, t.Unix())
}

// A closed shard that never had a record is at its end from the beginning on.
func TestEmptyParentsEnd(t *testing.T) {
	inLineage(t, func(l *bubble) {
		made := time.Now()
		l.split()
		l.checkEnd(0, trimHorizon, latest, atTime(made))
		l.close()
		l.open()
		l.checkEnd(0, trimHorizon, latest, atTime(made))
	})
}

// A closed shard whose records retention has taken is at its end wherever its readers
// were; and those who read all see it before and behind that.
func TestTrimmedParentsEnd(t *testing.T) {
	inLineage(t, func(l *bubble) {
		made := time.Now()
		first, last := l.put(), l.put()
		time.Sleep(20 * time.Hour)
		l.split()
		l.checkEnd(2, trimHorizon, atSequence(first), atTime(made))
		l.checkEnd(1, atSequence(last), afterSequence(first))
		l.checkEnd(0, latest, afterSequence(last))
		before := l.iterator(atSequence(first))
		time.Sleep(5*time.Hour - 30*time.Minute)
		stale := l.iterator(atSequence(first))
		if err := l.store.EnforceRetention(t.Context()); err != nil {
			t.Fatal(err)
		}
		if g := l.get(stale); len(g.Records) != 0 || len(g.ChildShards) != 2 {
			t.Errorf("an iterator of what was trimmed: %+v", g)
		}
		l.close()
		l.open()
		l.checkEnd(0, trimHorizon, atSequence(first), afterSequence(first), atSequence(last), afterSequence(last), latest, atTime(made))
		if status, answer := l.call("GetRecords", `{"ShardIterator":"`+before+`"}`); status != 400 || !bytes.Contains(answer, []byte("ExpiredIteratorException")) {
			t.Errorf("an old iterator: %d %s", status, answer)
		}
		time.Sleep(24 * time.Hour)
		held := l.iterator(trimHorizon)
		if err := l.store.EnforceRetention(t.Context()); err != nil {
			t.Fatal(err)
		}
		status, answer := l.call("GetRecords", `{"ShardIterator":"`+held+`"}`)
		if status != 400 || !bytes.Contains(answer, []byte("ResourceNotFoundException")) || !bytes.Contains(answer, []byte("Shard shardId-000000000000 ")) {
			t.Errorf("an iterator of a shard that expired: %d %s", status, answer)
		}
		if listed := l.must("ListShards", `{"StreamName":"a"}`); bytes.Contains(listed, []byte(`"ShardId":"shardId-000000000000"`)) ||
			!bytes.Contains(listed, []byte(`"ParentShardId":"shardId-000000000000"`)) {
			t.Errorf("the shards behind one that expired: %s", listed)
		}
	})
}

// An iterator goes on where it was after a restart, also from the parent to the end.
func TestIteratorsSurviveARestart(t *testing.T) {
	inLineage(t, func(l *bubble) {
		l.put()
		last := l.put()
		middle, tail := l.iterator(atSequence(last)), l.iterator(latest)
		l.split()
		l.close()
		l.open()
		if g := l.get(middle); len(g.Records) != 1 || g.Records[0].SequenceNumber != last || len(g.ChildShards) != 2 {
			t.Errorf("%+v", g)
		}
		if g := l.get(tail); len(g.Records) != 0 || len(g.ChildShards) != 2 {
			t.Errorf("%+v", g)
		}
	})
}

// A crash of the machine may take records that were read and not yet on the device. Their
// readers then go on with what comes next.
func TestIteratorsBehindALostTail(t *testing.T) {
	inLineage(t, func(l *bubble) {
		if _, err := l.store.Create(t.Context(), stream.Config{Name: "weak", Durability: record.None}); err != nil {
			t.Fatal(err)
		}
		put := func() (sequence string) {
			var out struct{ SequenceNumber string }
			l.decode(l.must("PutRecord", `{"StreamName":"weak","PartitionKey":"k","Data":"eA=="}`), &out)
			return out.SequenceNumber
		}
		put()
		l.disk.SyncAll()
		durable := l.disk.Crash(rand.New(rand.NewPCG(1, 1)))
		var out struct{ ShardIterator string }
		read := put()
		l.decode(l.must("GetShardIterator", `{"StreamName":"weak","ShardId":"shardId-000000000000",`+latest+`}`), &out)
		l.close()
		l.disk = durable
		l.open()
		status, answer := l.call("GetRecords", `{"ShardIterator":"`+out.ShardIterator+`"}`)
		if status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
		var g got
		l.decode(answer, &g)
		l.must("GetShardIterator", `{"StreamName":"weak","ShardId":"shardId-000000000000",`+afterSequence(read)+`}`)
		put()
		if g = l.get(*g.NextShardIterator); len(g.Records) != 1 {
			t.Errorf("behind the lost tail: %+v", g)
		}
	})
}

// UpdateShardCount comes to even ranges wherever those before begin and end.
func TestUpdateShardCountFromAnyRanges(t *testing.T) {
	inLineage(t, func(l *bubble) {
		// The first shard ends with the key that is to begin the second one.
		l.must("SplitShard", `{"StreamName":"a","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"170141183460469231731687303715884105729"}`)
		for _, wanted := range []int{2, 3, 2, 5, 1} {
			l.must("UpdateShardCount", fmt.Sprintf(`{"StreamName":"a","TargetShardCount":%d,"ScalingType":"UNIFORM_SCALING"}`, wanted))
			of, err := l.store.Stream("a")
			if err != nil {
				t.Fatal(err)
			}
			var open []record.HashRange
			for _, s := range of.Describe().Shards {
				if !s.Closed {
					open = append(open, s.Range)
				}
			}
			for _, r := range record.SplitEvenly(wanted) {
				// A shard that begins a few keys beside the range is left where it is.
				begins := func(s record.HashRange) bool { return s.Start.Lo-r.Start.Lo+8 <= 16 }
				if !slices.ContainsFunc(open, begins) {
					t.Errorf("%d shards: none begins at %v", wanted, r.Start)
				}
			}
			if len(open) != wanted {
				t.Errorf("%d shards instead of %d", len(open), wanted)
			}
		}
	})
}
