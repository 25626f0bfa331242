package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// printYAML writes the JSON form of value as YAML in block style. Scalars stay
// as JSON writes them, quotes included, which YAML reads alike; thereby no
// string can turn into a number, a date or a boolean.
func printYAML(w io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var out strings.Builder
	if err := yamlValue(&out, decoder, 0, false); err != nil {
		return err
	}
	_, err = io.WriteString(w, strings.TrimPrefix(out.String(), "\n"))
	return err
}

// yamlValue copies the next value of decoder. Composite values begin on a line
// of their own, except behind the dash of a list; members keep their order.
func yamlValue(out *strings.Builder, decoder *json.Decoder, depth int, behindDash bool) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	delimiter, composite := token.(json.Delim)
	if !composite {
		return yamlScalar(out, token)
	}
	if !decoder.More() {
		fmt.Fprintf(out, " %s\n", map[json.Delim]string{'{': "{}", '[': "[]"}[delimiter])
		_, err := decoder.Token()
		return err
	}
	indent := strings.Repeat("  ", depth)
	for first := true; decoder.More(); first = false {
		switch {
		case first && behindDash:
			out.WriteByte(' ')
		case first:
			out.WriteString("\n" + indent)
		default:
			out.WriteString(indent)
		}
		if delimiter == '[' {
			out.WriteByte('-')
			if err := yamlValue(out, decoder, depth+1, true); err != nil {
				return err
			}
			continue
		}
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s:", name)
		if err := yamlValue(out, decoder, depth+1, false); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return err
}

// yamlScalar writes a string, number, boolean or null behind a space.
func yamlScalar(out *strings.Builder, token json.Token) error {
	var text bytes.Buffer
	if err := printJSON(&text, token, ""); err != nil {
		return err
	}
	out.WriteString(" " + text.String())
	return nil
}
