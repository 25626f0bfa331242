package render

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Format is how a result is printed. The zero value is FormatTable.
type Format string

// The formats.
const (
	FormatTable Format = "table" // aligned columns, rounded numbers
	FormatWide  Format = "wide"  // more columns, exact numbers
	FormatJSON  Format = "json"  // one indented value
	FormatJSONL Format = "jsonl" // one value a line
	FormatYAML  Format = "yaml"
)

var formats = []Format{FormatTable, FormatWide, FormatJSON, FormatJSONL, FormatYAML}

// String returns the name.
func (f *Format) String() string {
	if *f == "" {
		return string(FormatTable)
	}
	return string(*f)
}

// Set implements the value of a flag.
func (f *Format) Set(text string) error {
	for _, format := range formats {
		if text == string(format) {
			*f = format
			return nil
		}
	}
	return fmt.Errorf("format %q: use table, wide, json, jsonl or yaml", text)
}

// Type names the value in the usage of a flag.
func (f *Format) Type() string { return "format" }

// Wide reports whether the exact, longer form is wanted.
func (f Format) Wide() bool { return f == FormatWide }

// Print writes a result in the chosen format. The table is made only where one is
// printed. A slice is printed by FormatJSONL with one element a line.
func Print(w io.Writer, format Format, value any, table func(wide bool) Tables) error {
	switch format {
	case FormatJSON:
		return printJSON(w, value, "  ")
	case FormatJSONL:
		list := reflect.ValueOf(value)
		if list.Kind() != reflect.Slice {
			return printJSON(w, value, "")
		}
		for i := range list.Len() {
			if err := printJSON(w, list.Index(i).Interface(), ""); err != nil {
				return err
			}
		}
		return nil
	case FormatYAML:
		return printYAML(w, value)
	default:
		_, err := io.WriteString(w, table(format.Wide()).String())
		return err
	}
}

// printJSON writes one value and a line end. Angle brackets stay as they are:
// the output is not for a web page.
func printJSON(w io.Writer, value any, indent string) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	return encoder.Encode(value)
}

// Tables are printed one below the other, with an empty line between.
type Tables []Table

// String renders the tables.
func (t Tables) String() string {
	var parts []string
	for _, table := range t {
		parts = append(parts, table.String())
	}
	return strings.Join(parts, "\n")
}

// Table is aligned columns of text.
type Table struct {
	// Columns are the headings. One that starts with > is aligned right.
	Columns []string
	// Rows hold as many cells as there are columns.
	Rows [][]string
}

// String renders the table with two spaces between columns and no trailing
// spaces. Without columns there is no heading line.
func (t Table) String() string {
	widths := map[int]int{}
	right := map[int]bool{}
	var heading []string
	for i, column := range t.Columns {
		name, found := strings.CutPrefix(column, ">")
		right[i] = found
		heading = append(heading, name)
	}
	rows := t.Rows
	if len(heading) > 0 {
		rows = append([][]string{heading}, rows...)
	}
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], runes(cell))
		}
	}
	var text strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-runes(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if right[i] {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		text.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return text.String()
}

// runes counts the columns that a cell takes; all our cells are of characters
// one column wide.
func runes(text string) int { return len([]rune(text)) }
