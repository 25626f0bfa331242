package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/bench/change"
)

// entry returns a good entry.
func entry(commit, machine string, values map[string]float64) Entry {
	e := Entry{
		Commit: commit, Machine: machine, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Figures: map[string]Figure{},
	}
	for name, value := range values {
		e.Figures[name] = Figure{Value: value, Unit: "ns", Better: change.Lower}
	}
	return e
}

func TestAppendedEntriesAreRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: got %v, want %v", err, fs.ErrNotExist)
	}
	entries := []Entry{
		entry("a", "one", map[string]float64{"x: p50": 100, "x: p99": 1234.5678901234567}),
		entry("b", "one", map[string]float64{"x: p50": 1e-9}),
		entry("a", "two", map[string]float64{"< & > \"quoted\"\n": 1e99}),
	}
	for _, e := range entries {
		if err := Append(path, e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(entries, got); diff != "" {
		t.Errorf("read back (-appended +read):\n%s", diff)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Count(text, []byte("\n")) != len(entries) {
		t.Errorf("%d entries have %d lines: %v", len(entries), bytes.Count(text, []byte("\n")), err)
	}
}

func TestAppendRefuses(t *testing.T) {
	many := map[string]float64{}
	for i := range 20_000 {
		many[fmt.Sprintf("figure number %d of very many", i)] = 1
	}
	for name, c := range map[string]struct {
		spoil func(*Entry)
		want  error
	}{
		"the same commit":  {func(e *Entry) { e.Commit = "there" }, ErrDuplicate},
		"no commit":        {func(e *Entry) { e.Commit = "" }, ErrEntry},
		"no time":          {func(e *Entry) { e.Time = time.Time{} }, ErrEntry},
		"no machine":       {func(e *Entry) { e.Machine = "" }, ErrEntry},
		"no figures":       {func(e *Entry) { e.Figures = nil }, ErrEntry},
		"not a number":     {func(e *Entry) { e.Figures["x"] = Figure{math.NaN(), "ns", change.Lower} }, ErrEntry},
		"infinite":         {func(e *Entry) { e.Figures["x"] = Figure{math.Inf(1), "ns", change.Lower} }, ErrEntry},
		"no unit":          {func(e *Entry) { e.Figures["x"] = Figure{1, "", change.Lower} }, ErrEntry},
		"no direction":     {func(e *Entry) { e.Figures["x"] = Figure{1, "ns", "sideways"} }, ErrEntry},
		"nameless":         {func(e *Entry) { e.Figures[""] = Figure{1, "ns", change.Lower} }, ErrEntry},
		"too many figures": {func(e *Entry) { e.Figures = entry("", "", many).Figures }, ErrTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.jsonl")
			if err := Append(path, entry("there", "one", map[string]float64{"x": 1})); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			e := entry("new", "one", map[string]float64{"x": 1})
			c.spoil(&e)
			if err := Append(path, e); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file has changed: %q, %v", after, err)
			}
		})
	}
}

func TestReadSaysWhichLineIsBad(t *testing.T) {
	good := func(commit string) string {
		line, err := json.Marshal(entry(commit, "one", map[string]float64{"x": 1}))
		if err != nil {
			t.Fatal(err)
		}
		return string(line)
	}
	for name, c := range map[string]struct {
		third string
		also  error
	}{
		"not JSON":       {"hello\n", nil},
		"blank":          {"\n", nil},
		"cut short":      {good("c")[:20], nil},
		"no end":         {good("c"), nil},
		"two in a line":  {good("c") + good("d") + "\n", nil},
		"unknown member": {strings.Replace(good("c"), "{", `{"colour":"red",`, 1) + "\n", nil},
		"no figures":     {`{"commit":"c","time":"2026-01-02T03:04:05Z","machine":"one","figures":{}}` + "\n", ErrEntry},
		"a number of no use": {
			strings.Replace(good("c"), `"value":1`, `"value":1e300`, 1) + "\n", ErrEntry,
		},
		"the same commit":       {good("a") + "\n", ErrDuplicate},
		"a very long line":      {strings.Replace(good("c"), `"x"`, `"`+strings.Repeat("x", lineMax)+`"`, 1) + "\n", ErrTooLong},
		"a merge left a marker": {"<<<<<<< HEAD\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.jsonl")
			if err := os.WriteFile(path, []byte(good("a")+"\n"+good("b")+"\n"+c.third), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			if !errors.Is(err, ErrLine) || !strings.Contains(err.Error(), "line 3") {
				t.Errorf("got %v, want %v with the number 3", err, ErrLine)
			}
			if c.also != nil && !errors.Is(err, c.also) {
				t.Errorf("got %v, want also %v", err, c.also)
			}
			if err := Append(path, entry("new", "one", map[string]float64{"x": 1})); !errors.Is(err, ErrLine) {
				t.Errorf("appending to it: got %v, want %v", err, ErrLine)
			}
		})
	}
}

func TestReadBoundsLines(t *testing.T) {
	var text bytes.Buffer
	for i := range entriesMax + 1 {
		fmt.Fprintf(&text, `{"commit":"%d","time":"2026-01-02T03:04:05Z","machine":"m","figures":{"x":{"value":1,"unit":"x","better":"higher"}}}`+"\n", i)
	}
	if _, err := read(&text); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v, want %v", err, ErrTooLong)
	}
}

// past makes a history of one machine: three figures, of which two change.
func past(machine string, commits int) []Entry {
	random := rand.New(rand.NewPCG(11, 12))
	var entries []Entry
	for i := range commits {
		noise := func() float64 { return 1 + 0.02*random.NormFloat64() }
		rate, delay, steady := 1000*noise(), 500*noise(), 100*noise()
		if i >= 20 {
			rate *= 1.3 // an improvement
		}
		if i >= 40 {
			delay *= 1.2 // a regression
		}
		e := entry(fmt.Sprintf("%s%02d", machine[:1], i), machine, map[string]float64{"s: p99": delay, "s: p50": steady})
		e.Figures["s: records"] = Figure{rate, "1/s", change.Higher}
		entries = append(entries, e)
	}
	return entries
}

func TestPlantedChangesAreFound(t *testing.T) {
	// The histories of two machines lie line by line in one file. The other one is
	// slower all along, which is no change.
	fast, slow := past("fast", 60), past("slow", 60)
	var entries []Entry
	for i := range fast {
		for name, f := range slow[i].Figures {
			f.Value *= 3
			slow[i].Figures[name] = f
		}
		entries = append(entries, fast[i], slow[i])
	}
	changes, err := Changes(entries)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%s %s at %s worse %t", c.Machine, c.Line.Name, c.Line.Points[c.At].Commit, c.Worse))
		if ratio := c.After / c.Before; math.Abs(ratio-1.25) > 0.07 || c.P > 0.001 {
			t.Errorf("%s: from %g to %g, p %g", got[len(got)-1], c.Before, c.After, c.P)
		}
	}
	want := []string{
		"fast s: p99 at f40 worse true", "fast s: records at f20 worse false",
		"slow s: p99 at s40 worse true", "slow s: records at s20 worse false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestHistoryWithoutChange(t *testing.T) {
	for name, entries := range map[string][]Entry{"none": nil, "short": past("m", 4), "noise only": past("m", 20)} {
		if changes, err := Changes(entries); err != nil || len(changes) > 0 {
			t.Errorf("%s: got %v, %v", name, changes, err)
		}
	}
}

func TestSeries(t *testing.T) {
	entries := []Entry{
		entry("1", "m", map[string]float64{"a": 1, "b": 10}),
		entry("2", "other", map[string]float64{"a": 100}),
		entry("3", "m", map[string]float64{"b": 30}),
		entry("4", "m", map[string]float64{"a": 4}),
	}
	// From the fifth on, b is counted in something else.
	entries = append(entries, entry("5", "m", map[string]float64{"a": 5}))
	entries[4].Figures["b"] = Figure{0.5, "x", change.Lower}

	at := entries[0].Time
	want := []Line{
		{"a", "ns", change.Lower, []Point{{"1", at, 1}, {"4", at, 4}, {"5", at, 5}}},
		{"b", "ns", change.Lower, []Point{{"1", at, 10}, {"3", at, 30}}},
		{"b", "x", change.Lower, []Point{{"5", at, 0.5}}},
	}
	if diff := cmp.Diff(want, Series(entries, "m")); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"m", "other"}, Machines(entries)); diff != "" {
		t.Errorf("machines (-want +got):\n%s", diff)
	}
	if lines := Series(entries, "none"); len(lines) != 0 {
		t.Errorf("a machine without entries has %v", lines)
	}
}

// Whatever can be read can be appended, and is read the same.
func FuzzRead(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"commit":"c","time":"2026-01-02T03:04:05Z","machine":"m","figures":{"x":{"value":1,"unit":"x","better":"higher"}}}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := read(bytes.NewReader(text))
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "history.jsonl")
		for _, e := range entries[:min(len(entries), 10)] {
			if err := Append(path, e); err != nil {
				t.Fatalf("%+v was read, but appending says %v", e, err)
			}
		}
		if len(entries) == 0 {
			return
		}
		again, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(entries[:len(again)], again); diff != "" {
			t.Fatalf("read again (-first +second):\n%s", diff)
		}
	})
}
