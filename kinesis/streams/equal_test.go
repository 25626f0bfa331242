package streams_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/kinesis/model/modeltest"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/kinesis/wire"
)

// side is one of two servers that are asked the same, each in its own encoding.
type side struct {
	*fixture
	binary bool
	// tokens are those that it gave out last, by the member that they are given back in.
	tokens map[string]string
}

func newSide(t *testing.T, binary bool) *side {
	return &side{newFixture(t, func(o *streams.Options) { o.SubscriptionMax = time.Millisecond }), binary, make(map[string]string)}
}

// post sends a document, past the network.
func (f *fixture) post(operation, media string, document []byte) *httptest.ResponseRecorder {
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(document))
	r.Header.Set("Content-Type", media)
	r.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
	w := httptest.NewRecorder()
	f.front.ServeHTTP(w, r)
	return w
}

const (
	mediaJSON = "application/x-amz-json-1.1"
	mediaCBOR = "application/x-amz-cbor-1.1"
)

func mediaOf(binary bool) string {
	if binary {
		return mediaCBOR
	}
	return mediaJSON
}

// answer is what a request was answered with, decoded.
type answer struct {
	Status   int
	Code     string
	Messages []string
	Output   any
}

// ask sends a request and decodes the answer. Tokens are taken out of it.
func (s *side) ask(operation string, p plans, in any) answer {
	s.t.Helper()
	setTokens(reflect.ValueOf(in).Elem(), s.tokens)
	var w wire.Writer = new(wire.JSONWriter)
	if s.binary {
		w = new(wire.CBORWriter)
	}
	p.in.Encode(w, in)
	got := s.post(operation, mediaOf(s.binary), w.Bytes())
	a := answer{Status: got.Code, Code: got.Header().Get("X-Amzn-Errortype")}
	body := got.Body.Bytes()
	if media := got.Header().Get("Content-Type"); media != mediaOf(s.binary) {
		s.t.Fatalf("%s was answered with content of type %q", operation, media)
	}
	switch {
	case a.Status != http.StatusOK:
		failure, err := readTree(reader(body, s.binary))
		if err != nil {
			s.t.Fatalf("%s was refused with %q: %v", operation, body, err)
		}
		for i, name := range failure.names {
			a.Messages = append(a.Messages, name, failure.parts[i].text)
		}
	case p.out == nil:
		if len(body) > 0 {
			s.t.Fatalf("%s was answered with %q", operation, body)
		}
	default:
		a.Output = p.out.New()
		r := reader(body, s.binary)
		if err := p.out.Decode(r, a.Output); err != nil || r.End() != nil {
			s.t.Fatalf("%s was answered with %q: %v", operation, body, err)
		}
		takeTokens(reflect.ValueOf(a.Output).Elem(), s.tokens)
		if summary, ok := a.Output.(*streams.DescribeStreamSummaryOutput); ok {
			summary.StreamDescriptionSummary.StreamId = "an id" // at random, in each store
		}
	}
	return a
}

// tokenMembers are the members of answers that hold tokens, and in which they are given back.
var tokenMembers = map[string]string{"ShardIterator": "ShardIterator", "NextShardIterator": "ShardIterator", "NextToken": "NextToken"}

// takeTokens keeps the tokens of an answer and puts a word in their place.
func takeTokens(out reflect.Value, tokens map[string]string) {
	for name, back := range tokenMembers {
		if field := out.FieldByName(name); field.IsValid() && field.String() != "" {
			tokens[back] = field.String()
			field.SetString("a token")
		}
	}
}

// setTokens puts the last tokens into a request that asks for them.
func setTokens(in reflect.Value, tokens map[string]string) {
	for name, token := range tokens {
		if field := in.FieldByName(name); field.IsValid() && field.String() == "a token" {
			field.SetString(token)
		}
	}
}

// localize has a random request speak of what is there, most of the time.
func localize(random *rand.Rand, in reflect.Value) {
	name := []string{"orders", "demand", "new", "missing"}[min(random.IntN(9)/3, 3)]
	set := func(member, value string) {
		if field := in.FieldByName(member); field.IsValid() && random.IntN(8) > 0 {
			field.SetString(value)
		}
	}
	set("StreamName", name)
	set("StreamARN", arnOf(name))
	set("ResourceARN", arnOf(name))
	set("ConsumerARN", arnOf(name)+"/consumer/reader:1700000000")
	set("ConsumerName", "reader")
	set("ShardId", shard0)
	set("ShardToSplit", shard0)
	set("ShardToMerge", shard0)
	set("AdjacentShardToMerge", shard1)
	set("ShardIterator", "a token")
	set("NewStartingHashKey", "1000")
	set("PartitionKey", "key")
	set("NextToken", "")
	set("ExclusiveStartStreamName", "")
	set("SequenceNumberForOrdering", "")
	set("StartingSequenceNumber", "")
	if token := in.FieldByName("NextToken"); token.IsValid() && random.IntN(2) == 0 {
		if field := in.FieldByName("StreamName"); field.IsValid() { // ListShards has either
			in.SetZero()
		}
		token.SetString("a token")
	}
	tame(random, in)
}

// tame keeps what would take long, or be different in two servers.
func tame(random *rand.Rand, in reflect.Value) {
	few := int64(1 + random.IntN(4))
	for _, member := range []string{"ShardCount", "TargetShardCount"} {
		field := in.FieldByName(member)
		switch {
		case !field.IsValid():
		case field.Kind() == reflect.Int64:
			field.SetInt(few)
		case !field.IsNil():
			field.Elem().SetInt(few)
		}
	}
	// Records that are spread over all shards are numbered in the order in which they come.
	if field := in.FieldByName("RecordDistributionStrategy"); field.IsValid() && field.String() == "AUTO" {
		field.SetString("USER_PARTITION_KEY")
	}
	if field := in.FieldByName("EncryptionType"); field.IsValid() {
		field.SetString("KMS")
	}
	for _, member := range []string{"Records", "Tags"} { // small
		if field := in.FieldByName(member); member == "Records" && field.IsValid() {
			for i := range field.Len() {
				field.Index(i).FieldByName("PartitionKey").SetString("key")
			}
		}
	}
}

// often are the operations that change nothing of the catalogue, and are cheap.
var often = []string{
	"PutRecord", "PutRecords", "GetRecords", "GetShardIterator", "ListShards", "DescribeStream", "DescribeStreamSummary", "ListStreams",
	"DescribeLimits", "ListStreamConsumers", "DescribeStreamConsumer", "ListTagsForStream", "ListTagsForResource", "GetResourcePolicy",
	"DescribeAccountSettings", "ListChannels", "DescribeChannel", "SubscribeToShard",
}

// anOperation chooses one; those that change the catalogue are rare, as each waits for a disk.
func anOperation(random *rand.Rand, service *model.Service) string {
	if random.IntN(10) > 0 {
		return often[random.IntN(len(often))]
	}
	return service.Operations[random.IntN(len(service.Operations))].Name
}

// TestEncodingsAgree asks two servers the same, one in JSON and one in CBOR, and wants the same
// answers.
func TestEncodingsAgree(t *testing.T) {
	t.Parallel()
	service := modelOf(t)
	bound := plansOf(t, service)
	sides := []*side{newSide(t, false), newSide(t, true)}
	random := rand.New(rand.NewPCG(5, 2))
	succeeded := make(map[string]int)
	for round := range documents() {
		operation := anOperation(random, service)
		if round%500 == 0 {
			for _, s := range sides {
				s.replenish()
			}
		}
		in := modeltest.Valid(random, bound[operation].in)
		localize(random, reflect.ValueOf(in).Elem())
		if operation == "SubscribeToShard" {
			dry := true
			in.(*streams.SubscribeToShardInput).DryRun = &dry
		}
		var answers []answer
		for _, s := range sides {
			copied := reflect.New(reflect.TypeOf(in).Elem())
			copied.Elem().Set(reflect.ValueOf(in).Elem())
			answers = append(answers, s.ask(operation, bound[operation], copied.Interface()))
			s.clock.Advance(time.Duration(round%3) * 100 * time.Millisecond)
		}
		if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
			t.Fatalf("round %d: %s %+v (-JSON +CBOR)\n%s", round, operation, in, diff)
		}
		if answers[0].Status == http.StatusOK {
			succeeded[operation]++
		}
		if answers[0].Status >= http.StatusInternalServerError {
			t.Fatalf("round %d: %s %+v: %+v", round, operation, in, answers[0])
		}
	}
	all := 0
	for _, n := range succeeded {
		all += n
	}
	if all < documents()/5 {
		t.Errorf("%d of %d requests succeeded: too few to prove anything", all, documents())
	}
	t.Logf("%d of %d requests succeeded: %v", all, documents(), succeeded)
}

// replenish makes what requests speak of, where it is not there any more.
func (s *side) replenish() {
	for _, document := range []string{
		`{"StreamName":"orders","ShardCount":2}`,
		`{"StreamName":"demand","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`,
	} {
		s.post("CreateStream", mediaJSON, []byte(document))
	}
	for _, name := range []string{"orders", "demand"} {
		s.post("RegisterStreamConsumer", mediaJSON, []byte(`{"StreamARN":"`+arnOf(name)+`","ConsumerName":"reader"}`))
	}
}

// TestInvalidRequests sends what no client would: never is the answer the server's fault, nor an
// error that the operation does not have, and never is there none.
func TestInvalidRequests(t *testing.T) {
	t.Parallel()
	service := modelOf(t)
	bound := plansOf(t, service)
	s := newSide(t, false)
	random := rand.New(rand.NewPCG(5, 3))
	medias := []string{mediaJSON, mediaCBOR, mediaJSON, mediaCBOR, "application/json", "application/cbor; charset=utf-8", "text/plain", ""}
	refused := make(map[string]int) // by code; none is for those that are valid all the same, or are for no service
	for round := 0; round-refused[""] < documents(); round++ {
		if round > 2*documents() {
			t.Fatalf("few are invalid: %v", refused)
		}
		if round%1000 == 0 {
			s.replenish()
		}
		operation := anOperation(random, service)
		plan := bound[operation].in
		in := modeltest.Valid(random, plan)
		localize(random, reflect.ValueOf(in).Elem())
		if random.IntN(2) == 0 {
			modeltest.Mutate(random, plan, in, 1+random.IntN(12))
		}
		made := treeOf(t, plan, in)
		for range random.IntN(3) {
			made.mutate(random)
		}
		binary := random.IntN(2) == 0
		text := document(made, binary)
		if random.IntN(3) == 0 {
			text = damage(random, text)
		}
		media := mediaOf(binary)
		if random.IntN(8) == 0 {
			media = medias[random.IntN(len(medias))]
		}
		watchdog := time.AfterFunc(patience, func() { panic(operation + " hangs: " + string(text)) })
		got := s.post(operation, media, text)
		watchdog.Stop()
		code := got.Header().Get("X-Amzn-Errortype")
		refused[code]++
		if wrong := misbehaviour(service.Operation(operation), got.Code, code, got.Header()); wrong != "" {
			t.Fatalf("round %d: %s of %s %q: %s: %s", round, operation, media, text, wrong, got.Body)
		}
	}
	if refused["ValidationException"] < documents()/20 || refused["SerializationException"] < documents()/20 {
		t.Errorf("too few requests of a kind: %v", refused)
	}
	t.Logf("refused: %v", refused)
}

// misbehaviour says what is wrong with an answer.
func misbehaviour(operation *model.Operation, status int, code string, header http.Header) string {
	common := []string{"ValidationException", "SerializationException", "UnknownOperationException"}
	listed := slices.ContainsFunc(operation.Errors, func(s *model.Shape) bool { return s.Error.Code == code })
	switch {
	case header.Get("X-Amzn-Requestid") == "":
		return "the answer has no request id"
	case status >= http.StatusInternalServerError:
		return "the server takes the blame"
	case status == http.StatusNotFound && strings.HasPrefix(header.Get("Content-Type"), "text/xml"):
		return "" // no content type that is known
	case status == http.StatusOK && code != "":
		return "an error with status 200"
	case status != http.StatusOK && !listed && !slices.Contains(common, code):
		return "error " + code + " is not one of the operation's"
	}
	return ""
}

// TestMisbehaviour shows that the judge of TestInvalidRequests is awake.
func TestMisbehaviour(t *testing.T) {
	operation := modelOf(t).Operation("DescribeLimits")
	header := http.Header{"X-Amzn-Requestid": {"id"}}
	for _, c := range []struct {
		status int
		code   string
		header http.Header
	}{
		{http.StatusInternalServerError, "InternalFailure", header},
		{http.StatusBadRequest, "ExpiredIteratorException", header},
		{http.StatusOK, "", http.Header{}},
		{http.StatusOK, "LimitExceededException", header},
	} {
		if misbehaviour(operation, c.status, c.code, c.header) == "" {
			t.Errorf("status %d with %q is not noticed", c.status, c.code)
		}
	}
	if wrong := misbehaviour(operation, http.StatusBadRequest, "LimitExceededException", header); wrong != "" {
		t.Error(wrong)
	}
}
