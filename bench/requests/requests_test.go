package requests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/kinesis/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a server of one shard, with mishaps on request.
type fake struct {
	// refuse is how many records of the next PutRecords are not taken.
	refuse int
	// silent is how many reads in a row have no records; page is how many others have.
	silent, page int
	// chunked sends answers without their length.
	chunked bool

	mutex   sync.Mutex
	records [][]byte
	heads   []http.Header
}

// ServeHTTP implements http.Handler.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.heads = append(f.heads, r.Header)
	body, _ := io.ReadAll(r.Body)
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	answer, status := f.answer(operation, body)
	if f.chunked {
		w.(http.Flusher).Flush()
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

func (f *fake) answer(operation string, body []byte) (string, int) {
	var in struct {
		Data          []byte
		ShardIterator string
		Limit         int
		Records       []struct{ Data []byte }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return err.Error(), http.StatusBadRequest
	}
	switch operation {
	case "CreateStream":
		return "", http.StatusOK
	case "DescribeStreamSummary":
		return `{"StreamDescriptionSummary":{"StreamStatus":"ACTIVE","StreamARN":"arn"}}`, http.StatusOK
	case "ListShards":
		return `{"Shards":[{"ShardId":"shardId-000000000000","HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"340282366920938463463374607431768211455"}}]}`, http.StatusOK
	case "PutRecord":
		f.records = append(f.records, in.Data)
		return `{"SequenceNumber":"1","ShardId":"shardId-000000000000"}`, http.StatusOK
	case "PutRecords":
		return f.put(len(in.Records), func(i int) []byte { return in.Records[i].Data }), http.StatusOK
	case "GetShardIterator":
		return `{"ShardIterator":"0"}`, http.StatusOK
	case "GetRecords":
		return f.get(in.ShardIterator), http.StatusOK
	}
	return "nothing of the kind", http.StatusTeapot
}

func (f *fake) put(count int, data func(int) []byte) string {
	var results []string
	for i := range count {
		if f.refuse > 0 {
			f.refuse--
			results = append(results, `{"ErrorCode":"InternalFailure"}`)
			continue
		}
		f.records = append(f.records, data(i))
		results = append(results, `{"SequenceNumber":"1"}`)
	}
	return `{"Records":[` + strings.Join(results, ",") + `]}`
}

func (f *fake) get(iterator string) string {
	var at int
	_, _ = fmt.Sscan(iterator, &at)
	var list []string
	if f.silent > 0 {
		f.silent--
	} else {
		for ; at < len(f.records) && len(list) < f.page; at++ {
			encoded, _ := json.Marshal(f.records[at])
			list = append(list, `{"Data":`+string(encoded)+`,"SequenceNumber":"1"}`)
		}
	}
	return fmt.Sprintf(`{"Records":[%s],"NextShardIterator":"%d"}`, strings.Join(list, ","), at)
}

// open opens a session on a fake that ends with the test.
func open(t *testing.T, f *fake) *Session {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	s, err := Open(t.Context(), server.Listener.Addr().String(), "stream", false, target.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSession(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		f := &fake{page: 300, silent: 2, chunked: chunked}
		s := open(t, f)
		var written []string
		var batch [][]byte
		for i := range 1201 {
			batch = append(batch, fmt.Appendf(nil, "record %d", i))
			written = append(written, string(batch[i]))
		}
		if err := errors.Join(s.Append(t.Context(), 0, batch[:1]), s.Append(t.Context(), 0, batch[1:])); err != nil {
			t.Fatal(err)
		}
		var read []string
		if err := s.Scan(t.Context(), 0, func(record []byte) { read = append(read, string(record)) }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(written, read); diff != "" {
			t.Errorf("(-written +read):\n%s", diff)
		}
		next, err := s.Counting(0)
		if err != nil {
			t.Fatal(err)
		}
		var total target.Counted
		for range 10 { // two passes of five answers
			found, err := next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			total.Records += found.Records
			total.Bytes += found.Bytes
		}
		if want := (target.Counted{Records: 2 * 1201, Bytes: 2 * int64(len(strings.Join(written, "")))}); total != want {
			t.Errorf("got %+v, want %+v", total, want)
		}
		for _, head := range f.heads {
			if !strings.HasPrefix(head.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=") || head.Get("X-Amz-Date") == "" {
				t.Fatalf("a request has the headers %v", head)
			}
		}
	}
}

func TestPrepared(t *testing.T) {
	f := &fake{page: 10}
	s := open(t, f)
	record := []byte("before")
	again, err := s.Prepare(0, [][]byte{record, record})
	copy(record, "behind")
	if err = errors.Join(err, again(t.Context()), again(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := string(bytes.Join(f.records, []byte(" "))); got != "before before before before" {
		t.Errorf("got %s", got)
	}
}

func TestFailures(t *testing.T) {
	f := &fake{page: 10, refuse: 1}
	s := open(t, f)
	if err := s.Append(t.Context(), 0, [][]byte{{1}, {2}}); err == nil || !strings.Contains(err.Error(), "1 of 2 records were taken") {
		t.Errorf("got %v", err)
	}
	var status *StatusError
	if err := s.Follow(t.Context(), 0, func() {}, func([]byte) {}); !errors.As(err, &status) || status.Status != http.StatusTeapot || status.Operation != "RegisterStreamConsumer" {
		t.Errorf("got %v", err)
	}
	if err := s.Append(t.Context(), 0, [][]byte{{1}, {2}}); err != nil {
		t.Fatal(err)
	}
	f.silent = emptyMax
	if err := s.Scan(t.Context(), 0, func([]byte) {}); err == nil || !strings.Contains(err.Error(), "wanted are 2") {
		t.Errorf("got %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Append(canceled, 0, [][]byte{{1}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := s.Append(t.Context(), 1, nil); err == nil {
		t.Error("there is a second shard")
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if err := s.Append(t.Context(), 0, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := readOptions(map[string]string{"colour": "red"}); err == nil {
		t.Error("an option that is none is accepted")
	}
}

func TestRequestOf(t *testing.T) {
	small, large := make([]byte, 10), make([]byte, 3<<20)
	for _, c := range []struct {
		records [][]byte
		want    int
	}{
		{slicesOf(small, 501), 500}, {slicesOf(small, 3), 3}, {[][]byte{large, small, large}, 2}, {[][]byte{make([]byte, 8<<20)}, 1},
	} {
		if got := requestOf(c.records); got != c.want {
			t.Errorf("%d records: got %d, want %d", len(c.records), got, c.want)
		}
	}
}

func slicesOf(record []byte, count int) [][]byte {
	all := make([][]byte, count)
	for i := range all {
		all[i] = record
	}
	return all
}

// TestCountTwin counts what the reader of documents finds.
func TestCountTwin(t *testing.T) {
	for size := range 300 {
		w := new(wire.JSONWriter)
		w.Object()
		w.Key("Records")
		w.List()
		for i := range size % 4 {
			w.Object()
			w.Key("Data")
			w.Blob(make([]byte, size+i))
			w.Key("PartitionKey")
			w.Text(`"Data":"AAAA"`)
			w.EndObject()
		}
		w.EndList()
		w.Key("NextShardIterator")
		w.Text("next")
		w.EndObject()
		want, _, err := readBlock(wire.NewJSONReader(w.Bytes()), nil, func([]byte) {})
		got, failed := countJSON(w.Bytes())
		if err != nil || failed != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v, %v", w.Bytes(), got, failed, want, err)
		}
	}
	for _, bad := range []string{`{"Records":[{"Data":"AA`, `{"NextShardIterator":"x`} {
		if _, err := countJSON([]byte(bad)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

// event returns a frame.
func event(t *testing.T, name, value, payload string) []byte {
	t.Helper()
	frame, err := wire.AppendEvent(nil, []wire.Header{{Name: name, Value: value}, {Name: ":message-type", Value: "event"}}, func(dst []byte) []byte {
		return append(dst, payload...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestReceive(t *testing.T) {
	stream := event(t, ":event-type", "initial-response", "{}")
	stream = append(stream, event(t, ":event-type", "SubscribeToShardEvent", `{"Records":[{"Data":"b25l"},{"Data":"dHdv"}]}`)...)
	stream = append(stream, event(t, ":exception-type", "ResourceNotFoundException", "gone")...)
	ready := 0
	var got []string
	err := receive(&events{source: bytes.NewReader(stream)}, func() { ready++ }, func(record []byte) { got = append(got, string(record)) })
	if err == nil || !strings.Contains(err.Error(), "ResourceNotFoundException: gone") || ready != 1 || strings.Join(got, " ") != "one two" {
		t.Errorf("got %v, ready %d times, %v", err, ready, got)
	}
	if err := receive(&events{source: bytes.NewReader(nil)}, nil, nil); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("got %v", err)
	}
}

// FuzzEvents looks for frames that are worse than an error.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x10\x00\x00\x00\x00crc\x00crc\x00"))
	f.Add([]byte("\x00\x00\x00\x13\x00\x00\x00\x03crc\x00\x02:ecrc\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := events{source: bytes.NewReader(b)}
		for {
			if _, _, err := e.next(); err != nil {
				return
			}
		}
	})
}
