package model_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis/model"
)

// example has one of everything.
const example = `# a comment

service Example version=2026-01-02 protocol=rest-json json=1.1 target=Example_1
operation Get method=POST path=/get/{Id} in=GetInput out=GetOutput errors=Broken,Wrong
operation Bare
error Broken status=500 fault
error Wrong status=409 code=WrongThing
	message Text
structure GetInput payload=Body
	Id! Name in=uri
	Header Name in=header name=X-Header
	Body Bytes
structure GetOutput
	Frames Frames
structure Frames eventstream
	Frame Frame
structure Frame event
	Self Frame
	Names Names
	Pairs Pairs
	When When
	Count Count
	Ratio Ratio
	Flag Flag
string Name min=1 max=9 pattern=[a-z =]+
string Text
string Choice enum=ONE,TWO sensitive
blob Bytes min=0 max=10 streaming
list Names of=Name min=1 max=3
map Pairs key=Name value=Choice
timestamp When format=iso8601
integer Count min=-5 max=5
long Long
float Ratio min=0 max=1
double Double
boolean Flag
`

func parse(t testing.TB, table string) *model.Service {
	t.Helper()
	service, err := model.Parse(table)
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// kinesis is the table of the streams service.
func kinesis(t testing.TB) *model.Service {
	t.Helper()
	table, err := os.ReadFile("../streams/kinesis.model")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(table))
}

func TestParse(t *testing.T) {
	s := parse(t, example)
	if s.Name != "Example" || s.Version != "2026-01-02" || s.Protocol != "rest-json" || s.JSONVersion != "1.1" || s.TargetPrefix != "Example_1" {
		t.Errorf("service %+v", s)
	}
	get := s.Operation("Get")
	if get == nil || get.Method != "POST" || get.Path != "/get/{Id}" || get.Input != s.Shape("GetInput") || get.Output.Name != "GetOutput" {
		t.Fatalf("operation %+v", get)
	}
	if len(get.Errors) != 2 || get.Errors[0].Error.Status != 500 || !get.Errors[0].Error.Fault || get.Errors[1] != s.Error("WrongThing") {
		t.Errorf("errors %+v", get.Errors)
	}
	input := s.Shape("GetInput")
	if m := input.Members[0]; m.Name != "Id" || !m.Required || m.Location != "uri" || m.Wire != "Id" || input.Payload != "Body" {
		t.Errorf("member %+v of %+v", m, input)
	}
	if m := input.Members[1]; m.Wire != "X-Header" || m.Location != "header" || m.Required {
		t.Errorf("member %+v", m)
	}
	if f := s.Shape("Frame"); !f.Event || f.Members[0].Shape != f || !s.Shape("Frames").EventStream {
		t.Errorf("shape %+v", f)
	}
	if n := s.Shape("Name"); *n.Min != 1 || *n.Max != 9 || n.Pattern != "[a-z =]+" || !n.Matches("a = b") || n.Matches("a\n") {
		t.Errorf("shape %+v", n)
	}
	if c := s.Shape("Choice"); len(c.Enum) != 2 || !c.Sensitive || c.Min != nil || !c.Matches("any") {
		t.Errorf("shape %+v", c)
	}
	if p := s.Shape("Pairs"); p.Kind != model.Map || p.Key.Name != "Name" || p.Value.Name != "Choice" {
		t.Errorf("shape %+v", p)
	}
	if !s.Shape("Bytes").Streaming || s.Shape("When").Format != "iso8601" || *s.Shape("Count").Min != -5 {
		t.Error("blob, timestamp or integer lost an attribute")
	}
	if s.Operation("Put") != nil || s.Shape("Nothing") != nil || s.Error("Name") != nil {
		t.Error("found what is not there")
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "service S\n"
	for table, want := range map[string]string{
		"":                                         "there is no service",
		"string A":                                 "line 1: the service comes first",
		head + "service T":                         "line 2: a second service",
		head + "strin A":                           `line 2: "strin" declares nothing`,
		head + "string":                            `line 2: "" is no name`,
		head + "string 1A":                         `line 2: "1A" is no name`,
		head + "string A mix=1":                    "line 2: attribute mix does not belong here",
		head + "string A min=x":                    "line 2: min=x is no number",
		head + "string A min=1 min=2":              `line 2: attribute "min" is empty or given twice`,
		head + "string A pattern=(?!a)":            "line 2: pattern of A: ",
		head + "string A\nblob A":                  "line 3: a second shape A",
		head + "\tA B":                             "line 2: a member without a structure",
		head + "string A\n\tA B":                   "line 3: a member without a structure",
		head + "structure A\n\tB":                  "line 3: a member has a name and a shape",
		head + "structure A\n\tB C":                "line 3: there is no shape C",
		head + "structure A\n\tB A\n\tB A":         "line 4: a second member B",
		head + "error A":                           "line 2: an error has a status",
		head + "error A status=200":                "line 2: an error has a status",
		head + "list A":                            "line 2: of= is missing",
		head + "map A key=B":                       "line 2: value= is missing",
		head + "blob B\nmap A key=B value=B":       "the keys of A are no strings",
		head + "operation O\noperation O":          "line 3: a second operation O",
		head + "operation O in=A\nblob A":          "A of operation O is no structure",
		head + "operation O errors=A\nstructure A": "A of operation O is no error",
	} {
		_, err := model.Parse(table)
		if !errors.Is(err, failure.Malformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", table, err, want)
		}
	}
}

func TestKinesisTable(t *testing.T) {
	s := kinesis(t)
	if len(s.Operations) != 45 {
		t.Errorf("%d operations", len(s.Operations))
	}
	for _, operation := range s.Operations {
		if operation.Input == nil || len(operation.Errors) == 0 {
			t.Errorf("operation %s takes nothing or cannot fail", operation.Name)
		}
	}
	if e := s.Error("InternalFailureException"); e.Error.Status != 500 || !e.Error.Fault {
		t.Errorf("error %+v", e.Error)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("service S\nstring A enum=,, pattern=\n")
	f.Add("service S\nlist A of=A\nmap B key=B value=A")
	f.Fuzz(func(t *testing.T, table string) {
		service, err := model.Parse(table)
		if err != nil {
			if !errors.Is(err, failure.Malformed) {
				t.Fatalf("%v is of another kind", err)
			}
			return
		}
		for _, shape := range service.Shapes {
			if shape.Kind.String() == "" || service.Shape(shape.Name) != shape {
				t.Fatalf("shape %q has no kind or is not found", shape.Name)
			}
		}
	})
}
