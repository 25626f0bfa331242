package kpl_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/record/kpl"
)

// vectors are what AWS's Python library writes and reads; testdata/vectors.py
// says how they were made.
type vectors struct {
	Cases []struct {
		Name      string
		Records   []vector
		Aggregate vector
		Read      []vector
	}
	Foreign []struct {
		Name  string
		Data  []byte
		Whole bool
		Read  []vector
	}
}

// vector is a record. Hash is decimal, or nil if there is none.
type vector struct {
	Key   string
	Hash  *string
	Index int
	Data  []byte
}

// firstHash stands for a hash key that the Python library makes up.
const firstHash = "first"

func readVectors(t testing.TB) (v vectors) {
	t.Helper()
	content, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v vector) record(t testing.TB) record.Record {
	t.Helper()
	r := record.Record{PartitionKey: v.Key, Data: v.Data}
	if v.Hash != nil && *v.Hash != firstHash {
		hash, err := record.ParseHashKey(*v.Hash)
		if err != nil {
			t.Fatal(err)
		}
		r.ExplicitHash = &hash
	}
	return r
}

func recordsOf(t testing.TB, vs []vector) (records []record.Record) {
	t.Helper()
	for i, v := range vs {
		if v.Index != i && v.Index != 0 {
			t.Fatalf("record %d has index %d", i, v.Index)
		}
		records = append(records, v.record(t))
	}
	return records
}

// read returns the records that r is made of, as copies.
func read(r record.Record) (records []record.Record, err error) {
	views, err := kpl.Records(r)
	if err != nil {
		return nil, err
	}
	for v := range views {
		records = append(records, v.Record())
	}
	return records, nil
}

// aggregate puts records together, whatever their size.
func aggregate(t testing.TB, records []record.Record) record.Record {
	t.Helper()
	a := kpl.NewAggregator(kpl.Options{BytesMax: record.DataMax})
	for i, r := range records {
		if !a.Add(r) {
			t.Fatalf("record %d is refused", i)
		}
	}
	return a.Finish()
}

// TestTheirAggregates: what the Python library wrote is what we write and what
// we read. What it read of it is thereby also what it reads of ours.
func TestTheirAggregates(t *testing.T) {
	for _, c := range readVectors(t).Cases {
		t.Run(c.Name, func(t *testing.T) {
			theirs, records := c.Aggregate.record(t), recordsOf(t, c.Records)
			if diff := cmp.Diff(theirs, aggregate(t, records)); diff != "" {
				t.Errorf("-theirs +ours:\n%s", diff)
			}
			got, err := read(theirs)
			if diff := cmp.Diff(records, got); err != nil || diff != "" {
				t.Errorf("error %v (-written +read):\n%s", err, diff)
			}
			if diff := cmp.Diff(recordsOf(t, c.Read), got); diff != "" {
				t.Errorf("-theirs +ours:\n%s", diff)
			}
		})
	}
}

// TestForeignMessages reads what no producer writes, as the library does, but
// for messages without a field that must be there, or with an index into
// nothing. The Python library makes up the one and loses the other.
func TestForeignMessages(t *testing.T) {
	refused := map[string]bool{
		"cut short": true, "record without data": true, "record without key": true, "index past the table": true,
	}
	for _, c := range readVectors(t).Foreign {
		t.Run(c.Name, func(t *testing.T) {
			outer := record.Record{PartitionKey: "outer", Data: c.Data}
			got, err := read(outer)
			switch {
			case refused[c.Name]:
				if !errors.Is(err, failure.Corrupt) || !kpl.Is(c.Data) {
					t.Errorf("got %v, %v", got, err)
				}
				return
			case c.Whole:
				if diff := cmp.Diff([]record.Record{outer}, got); err != nil || diff != "" || kpl.Is(c.Data) {
					t.Errorf("error %v (-want +got):\n%s", err, diff)
				}
				return
			}
			if diff := cmp.Diff(recordsOf(t, c.Read), got); err != nil || diff != "" {
				t.Errorf("error %v (-theirs +ours):\n%s", err, diff)
			}
		})
	}
}

// TestPythonReadsOurs has the Python library read new aggregates of ours, where
// it is installed: in python3, or in what MILLRACE_PYTHON names.
func TestPythonReadsOurs(t *testing.T) {
	python := os.Getenv("MILLRACE_PYTHON")
	if python == "" {
		python = "python3"
	}
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import aws_kinesis_agg.deaggregator").CombinedOutput(); err != nil {
		t.Skipf("%s cannot import aws_kinesis_agg (make deps installs it where there is pip, and make test names the place): %v %s", python, err, lastLine(out))
	}
	var written [][]record.Record
	var input strings.Builder
	for n := 2; n < 60; n++ {
		var records []record.Record
		for i := range n {
			r := record.Record{PartitionKey: fmt.Sprint("kéy-", i%7), Data: []byte(strings.Repeat("x", i*i))}
			if n%2 == 0 { // all or none, for the library's sake
				hash := record.HashOf(fmt.Sprint(i % 5))
				r.ExplicitHash = &hash
			}
			records = append(records, r)
		}
		written = append(written, records)
		input.WriteString(base64.StdEncoding.EncodeToString(aggregate(t, records).Data) + "\n")
	}
	command := exec.CommandContext(t.Context(), python, "testdata/vectors.py", "read")
	command.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	command.Stdin = strings.NewReader(input.String())
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for i, want := range written {
		var got []vector
		if err := decoder.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, recordsOf(t, got)); diff != "" {
			t.Errorf("aggregate %d (-ours +theirs):\n%s", i, diff)
		}
	}
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
