package model_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/kinesis/wire"
)

// planTable has every kind of member, required and not.
const planTable = `service Plans
structure All
	Name Name
	Must! Name
	Maybe MaybeEmpty
	Choice Choice
	Number Number
	Needed! Number
	Wide Wide
	Ratio Ratio
	Flag Flag
	Set! Flag
	Data Data
	When When
	Names Names
	Inner Inner
	Inners Inners
	Pairs Pairs
	Frames Frames
structure Inner
	Key! Name
	Count! Number
	Secret Secret
structure Frames eventstream
	All All
string Name min=2 max=5 pattern=[a-z]+
string MaybeEmpty min=0 max=3
string Choice enum=ONE,TWO
string Secret max=2 sensitive
integer Number min=1 max=10
long Wide
double Ratio min=0 max=1
boolean Flag
blob Data min=1 max=4
timestamp When
list Names of=Name min=1 max=3
list Inners of=Inner max=2
map Pairs key=Name value=MaybeEmpty max=2
`

type all struct {
	Name   string
	Must   string
	Maybe  *string
	Choice string
	Number *int64
	Needed int64
	Wide   *int64
	Ratio  *float64
	Flag   *bool
	Set    bool
	Data   []byte
	When   *time.Time
	Names  []string
	Inner  *inner
	Inners []inner
	Pairs  map[string]string
}

type inner struct {
	Key    string
	Count  int64
	Secret string
}

func bind[T any](t testing.TB, service *model.Service, shape string) *model.Plan {
	t.Helper()
	plan, err := model.Bind(service, shape, reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func full() *all {
	when := time.UnixMilli(1_234_567_890_123).UTC()
	return &all{
		Name: "name", Must: "must", Maybe: new(string), Choice: "TWO", Number: new(int64(3)), Needed: 1,
		Wide: new(int64(-1 << 60)), Ratio: new(0.5), Flag: new(false), Set: true, Data: []byte("data"), When: &when,
		Names: []string{"ab", "cd"}, Inner: &inner{"key", 2, "s"}, Inners: []inner{{"one", 1, ""}, {"two", 2, "x"}},
		Pairs: map[string]string{"ab": "", "cd": "x"},
	}
}

const fullJSON = `{"Name":"name","Must":"must","Maybe":"","Choice":"TWO","Number":3,"Needed":1,"Wide":-1152921504606846976,` +
	`"Ratio":0.5,"Flag":false,"Set":true,"Data":"ZGF0YQ==","When":1234567890.123,"Names":["ab","cd"],` +
	`"Inner":{"Key":"key","Count":2,"Secret":"s"},"Inners":[{"Key":"one","Count":1},{"Key":"two","Count":2,"Secret":"x"}],` +
	`"Pairs":{"ab":"","cd":"x"}}`

func TestEncodeAndDecode(t *testing.T) {
	plan := bind[all](t, parse(t, planTable), "All")
	var written wire.JSONWriter
	plan.Encode(&written, full())
	if got := string(written.Bytes()); got != fullJSON {
		t.Errorf("wrote\n%s\nwant\n%s", got, fullJSON)
	}
	got := plan.New().(*all)
	if err := plan.Decode(wire.NewJSONReader(written.Bytes()), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), got); diff != "" {
		t.Errorf("JSON (-written +read)\n%s", diff)
	}
	var binary wire.CBORWriter
	plan.Encode(&binary, full())
	if err := plan.Decode(wire.NewCBORReader(binary.Bytes()), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), got); diff != "" {
		t.Errorf("CBOR (-written +read)\n%s", diff)
	}
	if err := plan.Validate(got); err != nil {
		t.Error(err)
	}
}

// TestAbsent: what is absent is left out, except what clients count on.
func TestAbsent(t *testing.T) {
	s := kinesis(t)
	for _, c := range []struct {
		plan *model.Plan
		out  any
		want string
	}{
		{bind[streams.GetRecordsOutput](t, s, "GetRecordsOutput"), &streams.GetRecordsOutput{}, `{"Records":[]}`},
		{bind[streams.SubscribeToShardOutput](t, s, "SubscribeToShardOutput"), &streams.SubscribeToShardOutput{}, `{}`},
		{bind[streams.GetResourcePolicyOutput](t, s, "GetResourcePolicyOutput"), &streams.GetResourcePolicyOutput{}, `{}`},
		{bind[streams.Record](t, s, "Record"), &streams.Record{SequenceNumber: "1"}, `{"SequenceNumber":"1","Data":""}`},
		{
			bind[streams.ListTagsForStreamOutput](t, s, "ListTagsForStreamOutput"),
			&streams.ListTagsForStreamOutput{Tags: []streams.Tag{{Key: "a", Value: new(string)}, {Key: "b"}}},
			`{"Tags":[{"Key":"a","Value":""},{"Key":"b"}],"HasMoreTags":false}`,
		},
	} {
		var w wire.JSONWriter
		c.plan.Encode(&w, c.out)
		if got := string(w.Bytes()); got != c.want {
			t.Errorf("wrote %s, want %s", got, c.want)
		}
	}
}

// TestDecodeIsLenient: what AWS's clients may send beside the obvious.
func TestDecodeIsLenient(t *testing.T) {
	plan := bind[all](t, parse(t, planTable), "All")
	least := &all{Must: "must", Needed: 1, Set: true}
	for document, want := range map[string]*all{
		`{"Set":true,"Needed":1,"Must":"must"}`:                                                   least,
		`{"Must":"must","Needed":1,"Set":true,"Other":{"Must":[1,{}]},"must":2}`:                  least,
		`{"Must":"must","Needed":1,"Set":true,"Name":null,"Inner":null,"Names":null}`:             least,
		`{"Must":"","Needed":2,"Must":"must","Needed":1,"Set":true}`:                              least,
		`{"Must":"must","Needed":1,"Set":true,"Name":"abc","Name":null}`:                          least,
		`{"Must":"must","Needed":1,"Set":true,"Inner":{},"Inner":{"Key":"","Key":"a","Count":1}}`: {Must: "must", Needed: 1, Set: true, Inner: &inner{"a", 1, ""}},
		`{"Must":"must","Needed":1,"Set":true,"Inners":[{}],"Inners":null}`:                       least,
		`{"Must":"must","Needed":1,"Set":true,"Names":[],"Pairs":{},"Data":"","Inners":[]}`: {
			Must: "must", Needed: 1, Set: true, Names: []string{}, Pairs: map[string]string{}, Data: []byte{}, Inners: []inner{},
		},
	} {
		got := &all{Name: "left", Names: []string{"over"}}
		if err := plan.Decode(wire.NewJSONReader([]byte(document)), got); err != nil {
			t.Errorf("%s: %v", document, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", document, diff)
		}
	}
}

func TestSerializationErrors(t *testing.T) {
	plan := bind[all](t, parse(t, planTable), "All")
	for document, want := range map[string]string{
		`{"Name":1}`:                      "name: NUMBER_VALUE can not be converted to an String",
		`{"Name":true}`:                   "name: TRUE_VALUE can not be converted to an String",
		`{"Name":false}`:                  "name: FALSE_VALUE can not be converted to an String",
		`{"Name":{}}`:                     "name: Start of structure or map found where not expected.",
		`{"Name":[]}`:                     "name: Start of list found where not expected",
		`{"Number":"1"}`:                  "number: STRING_VALUE can not be converted to an Integer",
		`{"Number":1.5}`:                  "number: NUMBER_VALUE can not be converted to an Integer: not a whole number of 64 bits",
		`{"Number":2147483648}`:           "number: NUMBER_VALUE can not be converted to an Integer: not a whole number of 32 bits",
		`{"Wide":"1"}`:                    "wide: STRING_VALUE can not be converted to an Long",
		`{"Ratio":"1"}`:                   "ratio: STRING_VALUE can not be converted to an Double",
		`{"Flag":"true"}`:                 "flag: STRING_VALUE can not be converted to an Boolean",
		`{"Data":1}`:                      "data: NUMBER_VALUE can not be converted to a Blob",
		`{"Data":"a"}`:                    "data: STRING_VALUE can not be converted to a Blob: not base64",
		`{"When":"2026-01-02T03:04:05Z"}`: "when: STRING_VALUE can not be converted to milliseconds since epoch",
		`{"Names":"ab"}`:                  "names: Expected list or null",
		`{"Names":{}}`:                    "names: Start of structure or map found where not expected.",
		`{"Names":["ab",1]}`:              "names.2.member: NUMBER_VALUE can not be converted to an String",
		`{"Inner":1}`:                     "inner: Unexpected field type",
		`{"Inners":[{},{"Key":1}]}`:       "inners.2.member.key: NUMBER_VALUE can not be converted to an String",
		`{"Pairs":1}`:                     "pairs: Expected map or null",
		`{"Pairs":{"ab":1}}`:              "pairs.ab: NUMBER_VALUE can not be converted to an String",
		`[]`:                              ": Start of list found where not expected",
		`null`:                            ": Unexpected field type",
		`"a"`:                             ": Unexpected field type",
	} {
		err := plan.Decode(wire.NewJSONReader([]byte(document)), plan.New())
		var wrong *model.SerializationError
		if !errors.As(err, &wrong) {
			t.Errorf("%s: %v", document, err)
		} else if got := wrong.Member + ": " + wrong.Error(); got != want {
			t.Errorf("%s\n got %s\nwant %s", document, got, want)
		}
	}
	var syntax *wire.SyntaxError
	if err := plan.Decode(wire.NewJSONReader([]byte(`{"Name":"a"`)), plan.New()); !errors.As(err, &syntax) {
		t.Errorf("half a document: %v", err)
	}
	// A CBOR map whose key is a number: { 1: 2 }.
	odd, _ := hex.DecodeString("a10102")
	if err := plan.Decode(wire.NewCBORReader(odd), plan.New()); err == nil {
		t.Error("a member called 1 was read")
	}
}

// TestLongLists: what is over the bound is seen and not kept.
func TestLongLists(t *testing.T) {
	plan := bind[all](t, parse(t, planTable), "All")
	document := `{"Must":"must","Needed":1,"Set":true,"Names":[` + strings.Repeat(`"ab",`, 1000) + `3],"Pairs":{"ab":"","cd":"","ef":"","gh":4,"ab":"x"}}`
	got := plan.New().(*all)
	if err := plan.Decode(wire.NewJSONReader([]byte(document)), got); err != nil {
		t.Fatal(err)
	}
	if len(got.Names) != 4 || len(got.Pairs) != 3 || got.Pairs["ab"] != "x" {
		t.Errorf("kept %d names and %v", len(got.Names), got.Pairs)
	}
	if err := plan.Validate(got); err == nil || !strings.HasPrefix(err.Error(), "2 validation errors") {
		t.Errorf("validation: %v", err)
	}
}

// TestEndlessLists: without a bound of the table there is ours.
func TestEndlessLists(t *testing.T) {
	type endless struct {
		List []bool
		Map  map[string]string
	}
	plan := bind[endless](t, parse(t, "service S\nstructure Endless\n\tList List\n\tMap Map\nlist List of=Flag max=20000\nmap Map key=Text value=Text\nboolean Flag\nstring Text\n"), "Endless")
	pairs := func(n int) string {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, `,"%d":""`, i)
		}
		return `{"Map":{` + text.String()[1:] + `}}`
	}
	for document, fine := range map[string]bool{
		`{"List":[` + strings.Repeat("true,", 9_999) + `true]}`:  true,
		`{"List":[` + strings.Repeat("true,", 10_000) + `true]}`: false,
		pairs(10_000): true,
		pairs(10_001): false,
	} {
		err := plan.Decode(wire.NewJSONReader([]byte(document)), plan.New())
		var wrong *model.SerializationError
		if (err == nil) != fine || !fine && !errors.As(err, &wrong) {
			t.Errorf("%.20s… of %d bytes: %v", document, len(document), err)
		}
	}
}

// TestBindOfTwoStructs: one structure may be held by different structs.
func TestBindOfTwoStructs(t *testing.T) {
	type swapped struct {
		Secret string
		Count  int64
		Key    string
	}
	type both struct {
		One *inner
		Two *swapped
	}
	plan := bind[both](t, parse(t, planTable+"structure Both\n\tOne Inner\n\tTwo Inner\n"), "Both")
	got := plan.New().(*both)
	const document = `{"One":{"Key":"ab","Count":1,"Secret":"x"},"Two":{"Key":"cd","Count":2,"Secret":"y"}}`
	if err := plan.Decode(wire.NewJSONReader([]byte(document)), got); err != nil {
		t.Fatal(err)
	}
	if *got.One != (inner{"ab", 1, "x"}) || *got.Two != (swapped{"y", 2, "cd"}) {
		t.Errorf("read %+v and %+v", got.One, got.Two)
	}
}

// TestBindRefuses: table and struct that disagree are found out at start.
func TestBindRefuses(t *testing.T) {
	s := parse(t, planTable+"map Deep key=Name value=Inner\nstructure HasDeep\n\tDeep Deep\nstructure One\n\tName Name\nstructure Two\n\tInner Inner\nstructure Three\n\tNames Names\n")
	for _, c := range []struct {
		shape string
		into  reflect.Type
		want  string
	}{
		{"Nothing", reflect.TypeFor[all](), "Plans has no structure Nothing"},
		{"Name", reflect.TypeFor[string](), "Plans has no structure Name"},
		{"One", reflect.TypeFor[string](), "One is a structure, string is none"},
		{"One", reflect.TypeFor[struct{}](), "has no field Name"},
		{"One", reflect.TypeFor[struct{ Name, Other string }](), "has fields that One has not"},
		{"One", reflect.TypeFor[struct{ Name *string }](), "field Name of struct { Name *string }: it is wrong that it is *string"},
		{"One", reflect.TypeFor[struct{ Name int64 }](), "Name is held by string, not int64"},
		{"Two", reflect.TypeFor[struct{ Inner inner }](), "it is wrong that it is model_test.inner"},
		{"Two", reflect.TypeFor[struct{ Inner *struct{ Key string } }](), "has no field Count"},
		{"Three", reflect.TypeFor[struct{ Names string }](), "Names is a list, string is none"},
		{"Three", reflect.TypeFor[struct{ Names []int }](), "Name is held by string, not int"},
		{"HasDeep", reflect.TypeFor[struct{ Deep map[string]string }](), "Deep is a map of other than strings"},
	} {
		_, err := model.Bind(s, c.shape, c.into)
		if !errors.Is(err, failure.InvalidArgument) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.shape, err, c.want)
		}
	}
}
