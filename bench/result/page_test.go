package result_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/bench/result"
)

// pagePath is the description of the format.
var pagePath = filepath.Join("..", "..", "docs", "format", "bench-result.md")

func readPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// membersOf collects the members of v and of all that is in it as
// "Type.member", and the keys of maps as they are.
func membersOf(v reflect.Value, found map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		membersOf(v.Elem(), found)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			found[v.Type().Name()+"."+name] = true
			membersOf(v.Field(i), found)
		}
	case reflect.Slice:
		for i := range v.Len() {
			membersOf(v.Index(i), found)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			found[key.String()] = true
		}
	default:
	}
}

var (
	quoted = regexp.MustCompile("`([^`]+)`")
	fenced = regexp.MustCompile("(?ms)^```json\n(.*?)^```$")
)

// describedBy collects what a page describes: members as "Section.member", from
// the first column of tables of members, and all names in the rest as they are.
func describedBy(page string) (members, names map[string]bool) {
	members, names = map[string]bool{}, map[string]bool{}
	section, inTable := "", false
	for line := range strings.Lines(fenced.ReplaceAllString(page, "")) {
		heading, isHeading := strings.CutPrefix(line, "## ")
		switch {
		case isHeading:
			section, inTable = strings.TrimSpace(heading), false
		case strings.HasPrefix(line, "| member |"):
			inTable = true
		case !strings.HasPrefix(line, "|"):
			inTable = false
		}
		first, rest, isRow := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		if inTable && isRow {
			for _, name := range quoted.FindAllStringSubmatch(first, -1) {
				members[section+"."+name[1]] = true
			}
			line = rest
		}
		for _, name := range quoted.FindAllStringSubmatch(line, -1) {
			names[name[1]] = true
		}
	}
	return members, names
}

// discrepancies returns the members of the document that the page does not
// describe where it should, and those in its tables that do not exist.
func discrepancies(page string, d *result.Document) (missing, stale []string) {
	exist := map[string]bool{}
	membersOf(reflect.ValueOf(d), exist)
	members, names := describedBy(page)
	for name := range exist {
		if !members[name] && !names[name] {
			missing = append(missing, name)
		}
	}
	for name := range members {
		if !exist[name] {
			stale = append(stale, name)
		}
	}
	slices.Sort(missing)
	slices.Sort(stale)
	return missing, stale
}

// TestPage checks that docs/format/bench-result.md names all members where they
// belong, and no others.
func TestPage(t *testing.T) {
	missing, stale := discrepancies(readPage(t), document())
	for _, name := range missing {
		t.Errorf("%s lacks %s: describe it in the section of its type", pagePath, name)
	}
	for _, name := range stale {
		t.Errorf("%s describes %s, which does not exist", pagePath, name)
	}
}

func TestPageFailsOnPlantedGaps(t *testing.T) {
	page := readPage(t)
	for name, c := range map[string]struct {
		old, now       string
		missing, stale []string
	}{
		"a row is gone":          {"| `commit` |", "| the commit |", []string{"Machine.commit"}, nil},
		"one name of several":    {"`gogc`, `gomemlimit`", "`gogc`", []string{"Machine.gomemlimit"}, nil},
		"a name that others use": {"| `p99` | number, optional |", "| p99 | number, optional |", []string{"Limit.p99"}, nil},
		"a section is elsewhere": {"## Skip", "## Skipped", []string{"Skip.reason", "Skip.what"}, []string{"Skipped.reason", "Skipped.what"}},
		"a renamed member":       {"| `first_error` |", "| `last_error` |", []string{"Run.first_error"}, []string{"Run.last_error"}},
		"a named value":          {"| `records_not_delivered` |", "| |", []string{"records_not_delivered"}, nil},
		"a setting":              {"`dirty_background_ratio`", "another", []string{"dirty_background_ratio"}, nil},
	} {
		if strings.Count(page, c.old) != 1 {
			t.Errorf("%s: the page has %q %d times", name, c.old, strings.Count(page, c.old))
			continue
		}
		missing, stale := discrepancies(strings.Replace(page, c.old, c.now, 1), document())
		if !slices.Equal(missing, c.missing) || !slices.Equal(stale, c.stale) {
			t.Errorf("%s: missing %v, stale %v", name, missing, stale)
		}
	}
}

// TestPageNamesTheVersion fails when the version was raised and the page was
// not.
func TestPageNamesTheVersion(t *testing.T) {
	if result.Version != 2 || !strings.Contains(readPage(t), "\nVersion 2. ") {
		t.Error("the page must tell of the present version; then raise it in this test")
	}
}

// TestPageExamples checks that the examples of the page are what would be
// written: a document and a row.
func TestPageExamples(t *testing.T) {
	examples := fenced.FindAllStringSubmatch(readPage(t), -1)
	if len(examples) != 2 {
		t.Fatalf("the page has %d examples, want a document and a row", len(examples))
	}
	d, err := result.Read(strings.NewReader(examples[0][1]))
	if err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	if err := d.Write(&written); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(examples[0][1], written.String()); diff != "" {
		t.Errorf("the document (-page +written):\n%s", diff)
	}
	var row result.Row
	decoder := json.NewDecoder(strings.NewReader(examples[1][1]))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&row); err != nil {
		t.Fatal(err)
	}
	again, err := json.MarshalIndent(row, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(examples[1][1]), string(again)); diff != "" {
		t.Errorf("the row (-page +written):\n%s", diff)
	}
}
