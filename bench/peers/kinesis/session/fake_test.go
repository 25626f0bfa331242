package session

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/millrace-io/millrace/bench/target"
)

// fake is a small server of the API with mishaps on request.
type fake struct {
	// refuse says whether an entry of a request, both counted from 0, is
	// refused.
	refuse func(request, entry int) bool
	// before is called with the number of a request that writes, before it is
	// looked at; nothing is locked.
	before func(request int)
	// page is how many records an answer has at most, and behind what it says
	// of the time to the end.
	page   int
	behind int64
	// throttled is how many of the next reads are refused.
	throttled int

	mutex    sync.Mutex
	shards   [][]string
	sizes    []int // of the requests that write, in records
	atServer int
	atOnce   int // the most of atServer
}

// openFake opens a session on a fake that is closed with the test.
func openFake(t *testing.T, f *fake, c target.Config) *Session {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	s, err := Open(t.Context(), server.URL, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

type fakeEntry struct {
	Data            []byte
	ExplicitHashKey string
}

// ServeHTTP implements http.Handler.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var input struct {
		fakeEntry
		ShardCount    int
		ShardId       string
		ShardIterator string
		Records       []fakeEntry
	}
	if err := json.NewDecoder(r.Body).Decode(&input); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	type object = map[string]any
	var answer any = object{}
	switch operation {
	case "CreateStream":
		f.shards = make([][]string, input.ShardCount)
	case "DescribeStreamSummary":
		answer = object{"StreamDescriptionSummary": object{"StreamStatus": "ACTIVE"}}
	case "ListShards":
		// From the last to the first: the order of answers is not promised.
		var list []any
		for i := len(f.shards) - 1; i >= 0; i-- {
			list = append(list, object{"ShardId": strconv.Itoa(i), "HashKeyRange": object{"StartingHashKey": hashOf(i), "EndingHashKey": hashOf(i + 1)}})
		}
		answer = object{"Shards": list}
	case "PutRecord":
		f.put([]fakeEntry{input.fakeEntry})
		answer = object{"SequenceNumber": "1", "ShardId": "0"}
	case "PutRecords":
		var results []any
		for _, refused := range f.put(input.Records) {
			if refused {
				results = append(results, object{"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"})
				continue
			}
			results = append(results, object{"SequenceNumber": "1", "ShardId": "0"})
		}
		answer = object{"Records": results}
	case "GetShardIterator":
		answer = object{"ShardIterator": input.ShardId + "/0"}
	case "GetRecords":
		if f.throttled > 0 {
			f.throttled--
			w.WriteHeader(http.StatusBadRequest)
			answer = object{"__type": "ProvisionedThroughputExceededException", "message": "slow down"}
			break
		}
		records, next := f.get(input.ShardIterator)
		answer = object{"Records": records, "NextShardIterator": next, "MillisBehindLatest": f.behind}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// hashOf is the first hash key of a shard: longer ones are larger numbers, and
// smaller texts.
func hashOf(shard int) string {
	if shard == 0 {
		return "0"
	}
	return "1" + strings.Repeat("0", shard)
}

// put keeps what is not refused.
func (f *fake) put(entries []fakeEntry) []bool {
	f.mutex.Lock()
	number := len(f.sizes)
	f.sizes = append(f.sizes, len(entries))
	f.atServer++
	f.atOnce = max(f.atOnce, f.atServer)
	f.mutex.Unlock()
	if f.before != nil {
		f.before(number)
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.atServer--
	refused := make([]bool, len(entries))
	for i, e := range entries {
		if refused[i] = f.refuse != nil && f.refuse(number, i); refused[i] {
			continue
		}
		shard := len(e.ExplicitHashKey) - 1
		f.shards[shard] = append(f.shards[shard], string(e.Data))
	}
	return refused
}

// get returns a page of records.
func (f *fake) get(iterator string) (records []any, next string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var shard, from int
	_, _ = fmt.Sscanf(iterator, "%d/%d", &shard, &from)
	to := min(from+max(f.page, 1), len(f.shards[shard]))
	for _, data := range f.shards[shard][from:to] {
		records = append(records, map[string]any{"Data": []byte(data), "PartitionKey": "k", "SequenceNumber": "1"})
	}
	return records, fmt.Sprintf("%d/%d", shard, to)
}
