package lines

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/record"
)

// readAll reads every record of text.
func readAll(t *testing.T, text string, o Options) ([]record.Record, error) {
	t.Helper()
	reader, err := NewReader(strings.NewReader(text), o)
	if err != nil {
		return nil, err
	}
	var records []record.Record
	for {
		rec, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		records = append(records, rec)
	}
}

func TestKeysOfText(t *testing.T) {
	cases := []struct {
		name string
		text string
		o    Options
		want []record.Record
	}{
		{"one key", "a\n\nb", Options{Key: "k"}, []record.Record{{PartitionKey: "k", Data: []byte("a")}, {PartitionKey: "k", Data: []byte{}}, {PartitionKey: "k", Data: []byte("b")}}},
		{"separator", "k1: a:b\r\n", Options{KeySeparator: ": "}, []record.Record{{PartitionKey: "k1", Data: []byte("a:b")}}},
		{"column", "2001,14,MCI,MDW", Options{KeyField: "3"}, []record.Record{{PartitionKey: "MCI", Data: []byte("2001,14,MCI,MDW")}}},
		{"last column", "a\tb", Options{KeyField: "2", FieldSeparator: "\t"}, []record.Record{{PartitionKey: "b", Data: []byte("a\tb")}}},
		{"member", `{"origin":"MCI","n":7}`, Options{KeyField: "origin"}, []record.Record{{PartitionKey: "MCI", Data: []byte(`{"origin":"MCI","n":7}`)}}},
		{"number member", `{"n":7}`, Options{KeyField: "n"}, []record.Record{{PartitionKey: "7", Data: []byte(`{"n":7}`)}}},
		{"base64", "aGk=", Options{Key: "k", Base64: true}, []record.Record{{PartitionKey: "k", Data: []byte("hi")}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := readAll(t, c.text, c.o)
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestRandomKeysDiffer(t *testing.T) {
	got, err := readAll(t, "a\na\n", Options{})
	if err != nil || len(got) != 2 || got[0].PartitionKey == got[1].PartitionKey || len(got[0].PartitionKey) != 16 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestJSONLines(t *testing.T) {
	hash := record.HashKey{Lo: 7}
	text := `{"key":"k","data":"a"}
{"data":"b","hash":"7"}
{"key":"k","data":"aGk=","encoding":"base64","sequence":12}`
	got, err := readAll(t, text, Options{JSON: true, Key: "fallback"})
	want := []record.Record{
		{PartitionKey: "k", Data: []byte("a")},
		{PartitionKey: "fallback", Data: []byte("b"), ExplicitHash: &hash},
		{PartitionKey: "k", Data: []byte("hi")},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestBadLinesAreNamed(t *testing.T) {
	cases := []struct {
		text string
		o    Options
		want string
	}{
		{"a,b\nab", Options{KeySeparator: ","}, `line 2: no key separator ","`},
		{",b", Options{KeySeparator: ","}, "line 1: the partition key is empty"},
		{"a,b", Options{KeyField: "3"}, "line 1: 2 columns, the key is in column 3"},
		{"{}", Options{KeyField: "x"}, `line 1: json: no member "x"`},
		{"x", Options{KeyField: "x"}, "line 1: json: invalid character"},
		{"?", Options{Key: "k", Base64: true}, "line 1: base64: "},
		{"x", Options{JSON: true}, "line 1: json: "},
		{"{}", Options{JSON: true}, `line 1: json: no member "data"`},
		{`{"key":"","data":"a"}`, Options{JSON: true}, "line 1: the partition key is empty"},
		{`{"data":"a","hash":"x"}`, Options{JSON: true}, "line 1: "},
		{`{"data":"a","encoding":"hex"}`, Options{JSON: true}, `line 1: json: unknown encoding "hex"`},
		{`{"data":"?","encoding":"base64"}`, Options{JSON: true}, "line 1: base64: "},
		{"a\n" + strings.Repeat("x", lineMax+1), Options{Key: "k"}, "line 2: bufio.Scanner: token too long"},
		{"a", Options{Key: "k", KeyField: "1"}, "key, key separator and key field exclude each other"},
		{"a", Options{JSON: true, KeyField: "1"}, "JSON lines name their keys"},
		{"a", Options{KeyField: "0"}, "key field 0: columns count from 1"},
	}
	for _, c := range cases {
		if got, err := readAll(t, c.text, c.o); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.40q: got %v, %v, want %q", c.text, got, err, c.want)
		}
	}
}

func sample() Record {
	return Record{
		Shard: 3, Sequence: 41, Arrival: time.Date(2026, 5, 1, 12, 0, 0, 5e6, time.UTC),
		Key: "MCI", Hash: record.HashKey{Lo: 9}, Data: []byte("<hi>"),
	}
}

func TestFormat(t *testing.T) {
	cases := map[string]string{
		`%v`:           "<hi>\n",
		`%k %v`:        "MCI <hi>\n",
		`%v\n`:         "<hi>\n",
		`%s.%u`:        "41.0\n",
		`%s\t%S\t%h`:   "41\tshardId-000000000003\t9\n",
		`%t %T`:        "2026-05-01T12:00:00.005Z 1777636800005\n",
		`%b %x %l%%\\`: "PGhpPg== 3c68693e 4%\\\n",
		``:             "\n",
	}
	for template, want := range cases {
		format, err := ParseFormat(template)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(format.Append(nil, sample())); got != want {
			t.Errorf("%q prints %q, want %q", template, got, want)
		}
	}
	for _, template := range []string{"%", `\`, "%q", `\q`} {
		if _, err := ParseFormat(template); err == nil {
			t.Errorf("template %q is accepted", template)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	got := AppendJSON(nil, sample(), false)
	want := `{"shard":"shardId-000000000003","sequence":41,"time":"2026-05-01T12:00:00.005Z","key":"MCI","hash":"9","data":"<hi>"}` + "\n"
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	inside := sample()
	inside.Aggregated, inside.Subsequence = true, 2
	got, want = AppendJSON(nil, inside, false), strings.Replace(want, `41,`, `41,"subsequence":2,`, 1)
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPrintedJSONReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := Record{
			Key:  rapid.StringN(1, 20, -1).Draw(t, "key"),
			Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
		}
		in.Hash = record.HashOf(in.Key)
		printed := AppendJSON(nil, in, rapid.Bool().Draw(t, "base64"))
		if !json.Valid(printed) {
			t.Fatalf("not JSON: %s", printed)
		}
		reader, err := NewReader(strings.NewReader(string(printed)), Options{JSON: true})
		if err != nil {
			t.Fatal(err)
		}
		got, err := reader.Next()
		if err != nil || got.PartitionKey != in.Key || string(got.Data) != string(in.Data) || *got.ExplicitHash != in.Hash {
			t.Fatalf("%s reads as %+v, %v", printed, got, err)
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("a,b\nc,d\n"), true, "2")
	f.Add([]byte(`{"key":"k","data":"a","hash":"7"}`), true, "")
	f.Add([]byte(`{"origin":"MCI"}`), false, "origin")
	f.Fuzz(func(t *testing.T, text []byte, asJSON bool, field string) {
		reader, err := NewReader(strings.NewReader(string(text)), Options{JSON: asJSON, KeyField: field})
		if err != nil {
			return
		}
		for range len(text) + 1 {
			rec, err := reader.Next()
			if err != nil {
				return
			}
			if rec.PartitionKey == "" {
				t.Fatal("a record without a partition key")
			}
		}
		t.Fatal("more records than bytes")
	})
}

func FuzzParseFormat(f *testing.F) {
	f.Add(`%k %v\n`)
	f.Fuzz(func(t *testing.T, template string) {
		format, err := ParseFormat(template)
		if err == nil && !strings.HasSuffix(string(format.Append(nil, sample())), "\n") {
			t.Errorf("%q prints no line end", template)
		}
	})
}
