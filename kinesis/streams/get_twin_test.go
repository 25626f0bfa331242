package streams_test

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/kinesis/model/modeltest"
	"github.com/millrace-io/millrace/kinesis/streams"
)

// TestGetWays: what the fast way of reading GetRecords takes, it reads as the table does.
func TestGetWays(t *testing.T) {
	t.Parallel()
	plan, err := model.Bind(modelOf(t), "GetRecordsInput", reflect.TypeFor[streams.GetRecordsInput]())
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(6, 4))
	taken, refused := 0, 0
	for range documents() {
		value := modeltest.Valid(random, plan)
		if in := value.(*streams.GetRecordsInput); random.IntN(4) > 0 {
			in.StreamARN, in.StreamId, in.DryRun = "", "", nil
		}
		made := treeOf(t, plan, value)
		for range random.IntN(3) {
			made.mutate(random)
		}
		binary := random.IntN(2) == 0
		text := document(made, binary)
		if random.IntN(4) == 0 {
			text = damage(random, text)
		}
		fast, ok := streams.ReadGet(reader(text, binary))
		r, slow := reader(text, binary), plan.New()
		err := plan.Decode(r, slow)
		if err == nil {
			err = r.End()
		}
		if err == nil {
			err = plan.Validate(slow)
		}
		switch {
		case ok && err != nil:
			t.Fatalf("%q (CBOR %v): the fast way takes what the slow way refuses: %v", text, binary, err)
		case ok:
			taken++
			if diff := cmp.Diff(slow, any(fast)); diff != "" {
				t.Fatalf("%q (CBOR %v): %s", text, binary, diff)
			}
		case err != nil:
			refused++
		}
	}
	if least := documents() / 20; taken < least || refused < least {
		t.Errorf("of %d documents the fast way took %d and the slow way refused %d: too few to prove anything", documents(), taken, refused)
	}
}
