package clients

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Marks around the part of a document that is made of reports.
const (
	begin = "<!-- made of clients/reports by `go -C clients test -run Matrix -update` -->\n"
	end   = "<!-- end -->\n"
)

// Document returns a document with the part between its marks made of reports.
func Document(content string, reports []Report) (string, error) {
	before, rest, found := strings.Cut(content, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", fmt.Errorf("clients: the document lacks the line %q or %q", begin, end)
	}
	return before + begin + "\n" + summary(reports) + "\n" + matrix(reports) + "\n" + end + after, nil
}

// summary is the table of clients.
func summary(reports []Report) string {
	var b strings.Builder
	b.WriteString("| client | version | reached the server by | operations | result |\n|---|---|---|---|---|\n")
	for _, r := range reports {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | all as expected |\n", r.Client, r.Version, strings.Join(r.Ways, "; "), len(r.Operations))
	}
	return b.String()
}

// matrix is the table of operations: an outcome is named at the numbers of the clients that had
// it.
func matrix(reports []Report) string {
	operations := make(map[string]bool)
	for _, r := range reports {
		for operation := range r.Operations {
			operations[operation] = true
		}
	}
	var b strings.Builder
	b.WriteString("| operation |")
	for _, r := range reports {
		b.WriteString(" " + r.Client + " |")
	}
	b.WriteString("\n|---" + strings.Repeat("|---", len(reports)) + "|\n")
	for _, operation := range slices.Sorted(maps.Keys(operations)) {
		b.WriteString("| " + operation + " |")
		for _, r := range reports {
			b.WriteString(" " + cell(r.Operations[operation]) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// cell names outcomes: a check for success, and errors without the word that all of them end
// with.
func cell(outcomes []string) string {
	var words []string
	for _, outcome := range outcomes {
		if outcome == OK {
			words = slices.Insert(words, 0, "✓")
			continue
		}
		words = append(words, strings.TrimSuffix(outcome, "Exception"))
	}
	return strings.Join(words, ", ")
}
