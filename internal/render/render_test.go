package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type stream struct {
	Name   string   `json:"name"`
	Shards []shard  `json:"shards"`
	Tags   []string `json:"tags"`
}

type shard struct {
	ID    int    `json:"id"`
	Range string `json:"range"`
}

func sample() stream {
	return stream{
		Name:   `yes <"x">`,
		Shards: []shard{{1, "0-9"}, {2, "10-99"}},
		Tags:   []string{},
	}
}

func (s stream) table(wide bool) Tables {
	table := Table{Columns: []string{"NAME", ">SHARDS"}, Rows: [][]string{{s.Name, "2"}, {"µ", "12345678"}}}
	if wide {
		table.Columns = append(table.Columns, "TAGS")
		table.Rows[0] = append(table.Rows[0], "-")
		table.Rows[1] = append(table.Rows[1], "a b")
	}
	return Tables{table}
}

func TestPrint(t *testing.T) {
	cases := map[Format]string{
		FormatTable: "NAME         SHARDS\nyes <\"x\">         2\nµ          12345678\n",
		FormatWide:  "NAME         SHARDS  TAGS\nyes <\"x\">         2  -\nµ          12345678  a b\n",
		FormatJSON: `{
  "name": "yes <\"x\">",
  "shards": [
    {
      "id": 1,
      "range": "0-9"
    },
    {
      "id": 2,
      "range": "10-99"
    }
  ],
  "tags": []
}
`,
		FormatJSONL: `{"name":"yes <\"x\">","shards":[{"id":1,"range":"0-9"},{"id":2,"range":"10-99"}],"tags":[]}` + "\n",
		FormatYAML: `name: "yes <\"x\">"
shards:
  - id: 1
    range: "0-9"
  - id: 2
    range: "10-99"
tags: []
`,
	}
	for format, want := range cases {
		var out strings.Builder
		if err := Print(&out, format, sample(), sample().table); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
}

func TestPrintLists(t *testing.T) {
	cases := map[Format]string{
		FormatJSONL: "{\"id\":1,\"range\":\"a\"}\n{\"id\":2,\"range\":\"b\"}\n",
		FormatYAML:  "- id: 1\n  range: \"a\"\n- id: 2\n  range: \"b\"\n",
	}
	for format, want := range cases {
		var out strings.Builder
		if err := Print(&out, format, []shard{{1, "a"}, {2, "b"}}, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
}

func TestTablesOneBelowTheOther(t *testing.T) {
	one := Table{Columns: []string{"A"}, Rows: [][]string{{"1"}}}
	if got := (Tables{one, one}).String(); got != "A\n1\n\nA\n1\n" {
		t.Errorf("got %q", got)
	}
}

func TestFormatFlag(t *testing.T) {
	var format Format
	if format.String() != "table" || format.Set("yaml") != nil || format != FormatYAML {
		t.Errorf("got %q", format)
	}
	if err := format.Set("xml"); err == nil || format != FormatYAML {
		t.Errorf("xml is accepted as %q, %v", format, err)
	}
}
