package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMatrix: docs/reference/clients.md says what the reports say. It runs last of all, since
// tests run in the order of files and this one reads what -update has written.
func TestMatrix(t *testing.T) {
	file := filepath.Join(root, "docs", "reference", "clients.md")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	reports, err := LoadReports("reports")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Document(string(content), reports)
	if err != nil {
		t.Fatal(err)
	}
	if want == string(content) {
		return
	}
	if !*update {
		t.Fatalf("%s is not made of the reports: go -C clients test -run Matrix -update", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReportsThatEndEarlyAreRefused(t *testing.T) {
	const head, call, way = `{"client":"a","version":"1"}` + "\n", `{"operation":"PutRecord"}` + "\n", `{"way":"HTTP/1.1"}` + "\n"
	for _, output := range []string{"", head, head + call, call + way, head + call + "Traceback\n" + way, head + "{}}\n" + call + way} {
		if _, err := ParseReport([]byte(output)); err == nil {
			t.Errorf("%q passed", output)
		}
	}
	r, err := ParseReport([]byte(head + call + call + `{"operation":"PutRecord","error":"X"}` + "\n" + way))
	if err != nil || strings.Join(r.Operations["PutRecord"], " ") != "X ok" {
		t.Fatal(r, err)
	}
	less := Report{Client: "a", Version: "1", Ways: r.Ways, Operations: map[string][]string{"PutRecord": {OK}}}
	if missing := less.Missing(r); len(missing) != 1 || missing[0] != "PutRecord X" {
		t.Error("what is missing was not seen:", missing)
	}
}
