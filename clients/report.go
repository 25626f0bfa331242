package clients

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// OK is the outcome of an operation that did what it was asked for.
const OK = "ok"

// Report is what a client did, in all the ways in which it was run.
type Report struct {
	Client  string `json:"client"`
	Version string `json:"version"`
	// Ways are how the client reached the server, one for each run: "HTTP/2, TLS, CBOR".
	Ways []string `json:"ways"`
	// Operations are the outcomes that each operation had: OK, and errors by their names.
	// Sorted, without duplicates.
	Operations map[string][]string `json:"operations"`
}

// line is one line that a program prints. The first names the client, the last the way.
type line struct {
	Client  string `json:"client"`
	Version string `json:"version"`

	Operation string `json:"operation"`
	Error     string `json:"error"` // empty: none

	// Way is printed when everything was as it should be.
	Way string `json:"way"`
}

// ParseReport reads the lines of one run of a program. It fails if the program did not get to its
// last line.
func ParseReport(output []byte) (Report, error) {
	r := Report{Operations: make(map[string][]string)}
	lines := bufio.NewScanner(bytes.NewReader(output))
	for number := 1; lines.Scan(); number++ {
		if !strings.HasPrefix(lines.Text(), "{") {
			return r, fmt.Errorf("clients: line %d of a report is not an object: %.100q", number, lines.Text())
		}
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return r, fmt.Errorf("clients: line %d of a report: %w", number, err)
		}
		switch {
		case l.Client != "":
			r.Client, r.Version = l.Client, l.Version
		case l.Way != "":
			r.Ways = append(r.Ways, l.Way)
		case l.Operation != "":
			r.add(l.Operation, l.Error)
		}
	}
	if err := lines.Err(); err != nil {
		return r, fmt.Errorf("clients: read a report: %w", err)
	}
	if r.Client == "" || len(r.Ways) != 1 {
		return r, fmt.Errorf("clients: a report of client %q ends early: it has %d ways", r.Client, len(r.Ways))
	}
	return r, nil
}

// add notes an outcome.
func (r *Report) add(operation, outcome string) {
	if outcome == "" {
		outcome = OK
	}
	outcomes := r.Operations[operation]
	if at, found := slices.BinarySearch(outcomes, outcome); !found {
		r.Operations[operation] = slices.Insert(outcomes, at, outcome)
	}
}

// Merge adds what the same client did when it was run in another way.
func (r *Report) Merge(other Report) error {
	if r.Client != other.Client || r.Version != other.Version {
		return fmt.Errorf("clients: reports of %s %s and %s %s are not of one client", r.Client, r.Version, other.Client, other.Version)
	}
	for _, way := range other.Ways {
		if !slices.Contains(r.Ways, way) {
			r.Ways = append(r.Ways, way)
		}
	}
	for operation, outcomes := range other.Operations {
		for _, outcome := range outcomes {
			r.add(operation, outcome)
		}
	}
	return nil
}

// Missing returns what another report has and this one lacks, in words.
func (r *Report) Missing(other Report) []string {
	var missing []string
	if r.Version != other.Version {
		missing = append(missing, "version "+other.Version)
	}
	for _, way := range other.Ways {
		if !slices.Contains(r.Ways, way) {
			missing = append(missing, way)
		}
	}
	for operation, outcomes := range other.Operations {
		for _, outcome := range outcomes {
			if !slices.Contains(r.Operations[operation], outcome) {
				missing = append(missing, operation+" "+outcome)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// LoadReports reads the reports of a folder, in the order of their files' names.
func LoadReports(folder string) ([]Report, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	var reports []Report
	for _, file := range files {
		r, err := LoadReport(file)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// LoadReport reads one report.
func LoadReport(file string) (Report, error) {
	var r Report
	content, err := os.ReadFile(file)
	if err != nil {
		return r, fmt.Errorf("clients: %w", err)
	}
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fmt.Errorf("clients: %s: %w", file, err)
	}
	return r, nil
}

// Save writes a report.
func (r *Report) Save(file string) error {
	content, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(content, '\n'), 0o644)
}
