package protocol_test

import (
	"os"
	"strings"
	"testing"
)

// requireInDocument fails unless the document holds every line of the drawing,
// in order: the page and the code can then not drift apart.
func requireInDocument(t *testing.T, path, drawing string) {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rest := string(page)
	for line := range strings.Lines(drawing) {
		line = strings.TrimSpace(line)
		_, after, found := strings.Cut(rest, line)
		if !found {
			t.Fatalf("%s lacks, or has out of order:\n%s", path, line)
		}
		rest = after
	}
}
