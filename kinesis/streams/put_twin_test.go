package streams_test

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/kinesis/model/modeltest"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/kinesis/wire"
	"github.com/millrace-io/millrace/record"
)

// documents is how often a property is tried.
func documents() int {
	if testing.Short() {
		return 1_000
	}
	return 10_000
}

// putPlans are those of the two operations that have a fast way of reading.
type putPlans struct{ one, many *model.Plan }

func newPutPlans(t testing.TB) putPlans {
	t.Helper()
	service := modelOf(t)
	bind := func(name string, into reflect.Type) *model.Plan {
		plan, err := model.Bind(service, name, into)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	return putPlans{
		one:  bind("PutRecordInput", reflect.TypeFor[streams.PutRecordInput]()),
		many: bind("PutRecordsInput", reflect.TypeFor[streams.PutRecordsInput]()),
	}
}

// readSlowly reads a document by the table, the dumb twin of [streams.ReadFast].
func (p putPlans) readSlowly(r wire.Reader, many bool) (streams.Put, error) {
	plan := p.one
	if many {
		plan = p.many
	}
	in := plan.New()
	err := plan.Decode(r, in)
	if err == nil {
		err = r.End()
	}
	if err == nil {
		err = plan.Validate(in)
	}
	if err != nil {
		return streams.Put{}, err
	}
	one, ok := in.(*streams.PutRecordInput)
	if ok {
		made, err := recordOf(one.Data, one.PartitionKey, one.ExplicitHashKey)
		return streams.Put{Name: one.StreamName, ARN: one.StreamARN, DryRun: one.DryRun != nil && *one.DryRun, Records: []record.Record{made}}, err
	}
	all := in.(*streams.PutRecordsInput)
	read := streams.Put{Name: all.StreamName, ARN: all.StreamARN, DryRun: all.DryRun != nil && *all.DryRun}
	for _, each := range all.Records {
		made, err := recordOf(each.Data, each.PartitionKey, each.ExplicitHashKey)
		if err != nil {
			return streams.Put{}, err
		}
		read.Records = append(read.Records, made)
	}
	return read, nil
}

func recordOf(data []byte, key, hash string) (record.Record, error) {
	made := record.Record{Data: data, PartitionKey: key}
	if hash == "" {
		return made, nil
	}
	parsed, err := record.ParseHashKey(hash)
	made.ExplicitHash = &parsed
	return made, err
}

// disagreement says how the two ways of reading differ, or nothing. The fast way may decline what
// it likes, and must decline what the slow way refuses.
func disagreement(fast streams.Put, taken bool, slow streams.Put, err error) string {
	switch {
	case !taken:
		return ""
	case err != nil:
		return "the fast way takes what the slow way refuses: " + err.Error()
	}
	return cmp.Diff(slow, fast)
}

// document writes a tree.
func document(t *tree, binary bool) []byte {
	if binary {
		var w wire.CBORWriter
		t.write(&w)
		return bytes.Clone(w.Bytes())
	}
	var w wire.JSONWriter
	t.write(&w)
	return bytes.Clone(w.Bytes())
}

func reader(document []byte, binary bool) wire.Reader {
	if binary {
		return wire.NewCBORReader(document)
	}
	return wire.NewJSONReader(document)
}

// treeOf returns a value as a document.
func treeOf(t testing.TB, plan *model.Plan, value any) *tree {
	t.Helper()
	var w wire.CBORWriter
	plan.Encode(&w, value)
	made, err := readTree(wire.NewCBORReader(w.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// damage changes some bytes of a document, or cuts it.
func damage(random *rand.Rand, document []byte) []byte {
	if len(document) == 0 {
		return document
	}
	switch at := random.IntN(len(document)); random.IntN(4) {
	case 0:
		return document[:at]
	case 1:
		return append(document, document[at])
	default:
		document[at] ^= 1 << random.IntN(8)
		return document
	}
}

// makePlain takes out of a request what the fast way always declines.
func makePlain(random *rand.Rand, value any) {
	arn := ""
	if random.IntN(2) == 0 {
		arn = arnOf("orders")
	}
	switch in := value.(type) {
	case *streams.PutRecordInput:
		in.StreamId, in.SequenceNumberForOrdering, in.StreamARN, in.ExplicitHashKey, in.PartitionKey = "", "", arn, "", "key"
	case *streams.PutRecordsInput:
		in.StreamId, in.StreamARN = "", arn
		for i := range in.Records {
			in.Records[i].PartitionKey = "ключ"
			in.Records[i].ExplicitHashKey = record.HashKey{Hi: random.Uint64() >> random.IntN(64)}.String()
		}
	}
}

// TestPutWays: what the fast way of reading takes, it reads as the slow way does.
func TestPutWays(t *testing.T) {
	t.Parallel()
	plans := newPutPlans(t)
	random := rand.New(rand.NewPCG(5, 4))
	taken, refused := 0, 0
	for range documents() {
		many, binary := random.IntN(2) == 0, random.IntN(2) == 0
		plan := plans.one
		if many {
			plan = plans.many
		}
		value := modeltest.Valid(random, plan)
		if random.IntN(4) > 0 {
			makePlain(random, value)
		}
		made := treeOf(t, plan, value)
		for range random.IntN(3) {
			made.mutate(random)
		}
		text := document(made, binary)
		if random.IntN(4) == 0 {
			text = damage(random, text)
		}
		fast, ok := streams.ReadFast(reader(text, binary), many)
		slow, err := plans.readSlowly(reader(text, binary), many)
		if wrong := disagreement(fast, ok, slow, err); wrong != "" {
			t.Fatalf("%q (many %v, CBOR %v): %s", text, many, binary, wrong)
		}
		if ok {
			taken++
		}
		if err != nil {
			refused++
		}
	}
	if least := documents() / 20; taken < least || refused < least {
		t.Errorf("of %d documents the fast way took %d and the slow way refused %d: too few to prove anything", documents(), taken, refused)
	}
	t.Logf("the fast way took %d of %d, the slow way refused %d", taken, documents(), refused)
}

// TestDisagreement shows that the judge of TestPutWays is awake.
func TestDisagreement(t *testing.T) {
	plans := newPutPlans(t)
	text := []byte(`{"StreamName":"orders","Records":[{"Data":"AAAA","PartitionKey":"k","ExplicitHashKey":"7"}]}`)
	fast, ok := streams.ReadFast(wire.NewJSONReader(text), true)
	slow, err := plans.readSlowly(wire.NewJSONReader(text), true)
	if wrong := disagreement(fast, ok, slow, err); wrong != "" || !ok {
		t.Fatalf("taken: %v; %s", ok, wrong)
	}
	other := slow
	other.Records = []record.Record{slow.Records[0]}
	other.Records[0].ExplicitHash = &record.HashKey{Lo: 8}
	if disagreement(fast, ok, other, nil) == "" {
		t.Error("another hash key is not noticed")
	}
	if _, err := plans.readSlowly(wire.NewJSONReader(text[1:]), true); disagreement(fast, ok, streams.Put{}, err) == "" {
		t.Error("that the slow way refuses is not noticed")
	}
}

// FuzzPutWays is TestPutWays for any bytes.
func FuzzPutWays(f *testing.F) {
	plans := newPutPlans(f)
	f.Add([]byte(`{"StreamName":"orders","Data":"AAAA","PartitionKey":"k"}`), false, false)
	f.Add([]byte(`{"StreamARN":"`+arnOf("orders")+`","Records":[{"Data":"","PartitionKey":"k","ExplicitHashKey":"0"}],"DryRun":true}`), true, false)
	f.Add([]byte("\xa3jStreamNameforderskPartitionKeyakdDataBxy"), false, true)
	f.Fuzz(func(t *testing.T, text []byte, many, binary bool) {
		fast, ok := streams.ReadFast(reader(text, binary), many)
		slow, err := plans.readSlowly(reader(text, binary), many)
		if wrong := disagreement(fast, ok, slow, err); wrong != "" {
			t.Fatal(wrong)
		}
	})
}
