package result_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/millrace-io/millrace/bench/result"
)

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		is   error  // nil: any
		says string // part of the error
	}{
		"nothing":                        {text: "", is: io.EOF},
		"half a document":                {text: `{"version": 1, "runs": [`, is: io.ErrUnexpectedEOF},
		"null":                           {text: "null", says: "version 0"},
		"no version":                     {text: "{}", says: "version 0"},
		"version 0":                      {text: `{"version": 0}`, says: "version 0"},
		"a negative version":             {text: `{"version": -1}`, says: "version -1"},
		"a version in words":             {text: `{"version": "1"}`, says: "version"},
		"the next version":               {text: `{"version": 3}`, is: result.ErrNewerVersion, says: "version 3, this is 2"},
		"a zone that cannot be written":  {text: `{"version": 1, "runs": [{"started": "2006-01-02T15:04:05+24:00"}]}`, says: "runs[0].started"},
		"the next version, and more":     {text: `{"mood": "good", "version": 3, "title": 7}`, is: result.ErrNewerVersion},
		"an unknown member":              {text: `{"version": 1, "mood": "good"}`, says: `"mood"`},
		"an unknown member of a run":     {text: `{"version": 1, "runs": [{"mood": 1}]}`, says: `"mood"`},
		"an unknown member of a latency": {text: `{"version": 1, "runs": [{"latency": {"p51_ns": 1}}]}`, says: `"p51_ns"`},
		"a member of the wrong type":     {text: `{"version": 1, "runs": {}}`, says: "runs"},
		"a second document":              {text: `{"version": 1} {"version": 1}`, is: result.ErrTrailing},
		"a bracket too many":             {text: `{"version": 1}}`, is: result.ErrTrailing},
		"words behind it":                {text: `{"version": 1} end`, is: result.ErrTrailing},
		"half a string behind it":        {text: `{"version": 1} "end`},
	} {
		d, err := result.Read(strings.NewReader(c.text))
		if err == nil || d != nil || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: got %v, %v", name, d, err)
		}
	}
}

func TestReadTellsOfItsReader(t *testing.T) {
	broken := errors.New("broken")
	for _, text := range []string{"", `{"version": 1}`, `{"version": 1} `} {
		_, err := result.Read(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || errors.Is(err, result.ErrTrailing) {
			t.Errorf("after %q: got %v", text, err)
		}
	}
}

func TestReadAllowsSpaceBehind(t *testing.T) {
	d, err := result.Read(strings.NewReader("{\"version\": 1}\n \r\n\t"))
	if err != nil || d.Version != 1 {
		t.Errorf("got %v, %v", d, err)
	}
}

func TestSaveLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "document.json")
	// What was there before, and is longer, must be gone.
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	want := document()
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := result.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("saved and loaded (-want +got):\n%s", diff)
	}
}

func TestSaveLoadErrors(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing", "document.json")
	if err := document().Save(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("saved in a missing directory: %v", err)
	}
	if _, err := result.Load(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("loaded from a missing directory: %v", err)
	}
	newer := document()
	newer.Version++
	path := filepath.Join(dir, "newer.json")
	if err := newer.Save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := result.Load(path); !errors.Is(err, result.ErrNewerVersion) || !strings.Contains(err.Error(), path) {
		t.Errorf("loaded a newer document: %v", err)
	}
	impossible := document()
	impossible.Rows[0].Median = math.NaN()
	if err := impossible.Write(io.Discard); err == nil {
		t.Error("wrote a ratio that is not a number")
	}
}

func TestRates(t *testing.T) {
	for name, c := range map[string]struct {
		duration      time.Duration
		records, size float64
	}{
		"two seconds":   {2 * time.Second, 500, 64_000},
		"a millisecond": {time.Millisecond, 1e6, 128e6},
		"no time":       {0, 0, 0},
		"less than no":  {-time.Second, 0, 0},
	} {
		r := result.Run{Duration: int64(c.duration), Operations: 10, Records: 1000, Bytes: 128_000}
		if records, size := r.RecordRate(), r.ByteRate(); records != c.records || size != c.size {
			t.Errorf("%s: got %g records and %g bytes a second", name, records, size)
		}
	}
}

func TestKeptUp(t *testing.T) {
	const second = int64(time.Second)
	for name, c := range map[string]struct {
		run  result.Run
		want bool
	}{
		"all of it":             {result.Run{Loop: "open", PlannedRate: 1000, Duration: second, Operations: 1000}, true},
		"just enough":           {result.Run{Loop: "open", PlannedRate: 1000, Duration: 2 * second, Operations: 1900}, true},
		"one too few":           {result.Run{Loop: "open", PlannedRate: 1000, Duration: 2 * second, Operations: 1899}, false},
		"all, but late":         {result.Run{Loop: "open", PlannedRate: 1000, Duration: 2 * second, Operations: 1000}, false},
		"records do not count":  {result.Run{Loop: "open", PlannedRate: 1000, Duration: second, Operations: 900, Records: 9000}, false},
		"failures do not count": {result.Run{Loop: "open", PlannedRate: 1000, Duration: second, Operations: 900, Errors: 100}, false},
		"nothing succeeded":     {result.Run{Loop: "open", PlannedRate: 1000, Duration: second}, false},
		"closed loop":           {result.Run{Loop: "closed", Duration: second, Operations: 1}, true},
		"closed loop, nothing":  {result.Run{Loop: "closed", Duration: second}, true},
	} {
		if got := c.run.KeptUp(); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// FuzzRead checks that nothing makes Read panic, and that what it reads is
// written as something that reads the same.
func FuzzRead(f *testing.F) {
	document, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(document)
	for _, seed := range []string{
		"", "null", `{"version":1}`, `{"version":2,"x":[]}`, `{"version":1}{}`, `{"VERSION":1,"version":1}`,
		`{"version":1,"machine":{"dirty":{}},"limits":[],"runs":[{"latency":{"curve":[],"mean_ns":-0.0}}],"rows":[{"ratios":null}]}`,
		`{"version":1,"title":"\ud800<&>","started":"0000-01-01T00:00:00+23:59"}`,
		`{"version":1,"started":"2006-01-02T15:04:05+24:00"}`, `{"version":1,"runs":[{"started":"2006-01-02T15:04:05-07:60"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := result.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		if err := read.Write(&first); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := result.Read(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		// An empty member that may be left out is left out.
		if diff := cmp.Diff(read, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("read again (-first +second):\n%s", diff)
		}
		if err := again.Write(&second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("written again, it differs (%v)", err)
		}
	})
}

func TestSummary(t *testing.T) {
	full := func() *result.Document {
		l := func() *result.Latency {
			return &result.Latency{Count: 3, P99: 7, Curve: []result.Point{{Quantile: 0.5, Value: 1}}, Seconds: []result.Second{{Count: 3}}}
		}
		return &result.Document{Version: 1, Title: "t", Runs: []result.Run{{Scenario: "s", Latency: l(), EndToEnd: l(), Jitter: l()}}, Rows: []result.Row{{Peer: "p"}}}
	}
	d := full()
	short := &result.Latency{Count: 3, P99: 7}
	want := full()
	want.Runs[0].Latency, want.Runs[0].EndToEnd, want.Runs[0].Jitter = short, short, short
	if diff := cmp.Diff(want, d.Summary()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(full(), d); diff != "" {
		t.Errorf("the document itself changed (-want +got):\n%s", diff)
	}
}
