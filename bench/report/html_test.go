package report

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/bench/result"
)

// page renders d.
func page(t *testing.T, d *result.Document) string {
	t.Helper()
	return rendered(t, func(w io.Writer) error { return HTML(w, d) })
}

// elements parses a page as strict XML and returns its elements and its text.
func elements(content string) (found []xml.StartElement, text string, err error) {
	decoder := xml.NewDecoder(strings.NewReader(content))
	var all strings.Builder
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return found, all.String(), nil
		}
		if err != nil {
			return nil, "", err
		}
		switch token := token.(type) {
		case xml.StartElement:
			found = append(found, token.Copy())
		case xml.CharData:
			all.Write(token)
		}
	}
}

// parse fails the test unless the page is well-formed and needs nothing from
// elsewhere.
func parse(t *testing.T, content string) (found []xml.StartElement, text string) {
	t.Helper()
	found, text, err := elements(content)
	if err != nil {
		t.Fatalf("the page is not well-formed: %v", err)
	}
	if alien := foreign(found); alien != "" {
		t.Fatalf("the page has %s", alien)
	}
	if strings.Contains(content, "url(") || strings.Contains(content, "@import") {
		t.Fatal("the style sheet loads something")
	}
	return found, text
}

// foreign names the first thing that runs or loads something.
func foreign(found []xml.StartElement) string {
	for _, element := range found {
		switch element.Name.Local {
		case "script", "link", "img", "image", "iframe", "object", "embed", "use", "foreignObject":
			return "an element " + element.Name.Local
		}
		for _, attribute := range element.Attr {
			name := strings.ToLower(attribute.Name.Local)
			if name == "src" || name == "href" && !strings.HasPrefix(attribute.Value, "#") || strings.HasPrefix(name, "on") {
				return "an attribute " + name + " of " + element.Name.Local
			}
		}
	}
	return ""
}

func count(found []xml.StartElement, name string) int {
	n := 0
	for _, element := range found {
		if element.Name.Local == name {
			n++
		}
	}
	return n
}

func TestForeignIsFound(t *testing.T) {
	for _, content := range []string{
		`<html><script>1</script></html>`,
		`<html><p onclick="x()">a</p></html>`,
		`<html><a href="https://example.org/">a</a></html>`,
		`<html><img src="data:,"/></html>`,
	} {
		found, _, err := elements(content)
		if err != nil {
			t.Fatal(err)
		}
		if foreign(found) == "" {
			t.Errorf("%s passed", content)
		}
	}
}

func TestHTMLIsAPageOfItsOwn(t *testing.T) {
	d := sample()
	content := page(t, d)
	_, text := parse(t, content)
	for _, want := range []string{
		d.Title, d.Machine.CPU, d.Machine.Kernel, d.Machine.Commit, "fdatasync",
		"wal-append-steady/group", "tidwall/wal", "hashicorp/raft-wal", "did not keep up", "PEER WINS",
		"no Java runtime was found", "needs a device", "no space left on device", "158 k/s", "pwrite 1 KiB",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if !strings.Contains(content, "prefers-color-scheme:dark") {
		t.Error("there is no dark form")
	}
}

func TestHTMLHasAllCharts(t *testing.T) {
	for name, d := range map[string]*result.Document{"rows": sample(), "runs": eventful()} {
		found, _ := parse(t, page(t, d))
		labels := map[string]bool{}
		for _, element := range found {
			for _, attribute := range element.Attr {
				if element.Name.Local == "svg" && attribute.Name.Local == "aria-label" {
					labels[attribute.Value] = true
				}
			}
		}
		for _, chart := range Charts(d) {
			if !labels[chart.Title] {
				t.Errorf("%s: %q is not on the page", name, chart.Title)
			}
		}
		for _, want := range []string{"percentiles over time", "where latencies were"} {
			if !labels["wal-append-steady/group, wal: "+want] {
				t.Errorf("%s: no %q", name, want)
			}
		}
	}
}

// hostile is text that ends elements, attributes and comments, and has
// characters that XML cannot hold.
const hostile = "</title><script>alert(1)</script>\"'&--><b onload='x'>\x00\x1b[31m\u009b\xff\ufffe"

func TestHTMLEscapesEverything(t *testing.T) {
	d := sample()
	plain, _ := parse(t, page(t, d))
	soil(d)
	found, text := parse(t, page(t, d))
	for _, name := range []string{"script", "b"} {
		if got, want := count(found, name), count(plain, name); got != want {
			t.Errorf("%d elements %s, without hostile text %d", got, name, want)
		}
	}
	if !strings.Contains(text, "<script>alert(1)</script>") {
		t.Error("the hostile text was lost instead of escaped")
	}
}

// soil puts hostile text wherever a document has text.
func soil(d *result.Document) {
	d.Title += hostile
	m := &d.Machine
	for _, field := range []*string{
		&m.CPU, &m.Kernel, &m.Governor, &m.FileSystem, &m.Mount, &m.Device, &m.Go, &m.GOGC, &m.GOMEMLIMIT, &m.Commit,
	} {
		*field += hostile
	}
	m.Dirty = map[string]string{hostile: hostile}
	for i := range d.Limits {
		d.Limits[i].Name += hostile
		d.Limits[i].Unit += hostile
	}
	for i := range d.Runs {
		r := &d.Runs[i]
		for _, field := range []*string{&r.Scenario, &r.Target, &r.TargetVersion, &r.Durability, &r.Loop, &r.FirstError, &r.Notes} {
			*field += hostile
		}
		r.Values = map[string]float64{hostile: 1}
	}
	for i := range d.Rows {
		r := &d.Rows[i]
		for _, field := range []*string{&r.Measure, &r.Better, &r.Unit, &r.Peer, &r.Durability, &r.LimitName, &r.Notes} {
			*field += hostile
		}
	}
	for i := range d.Skipped {
		d.Skipped[i].What += hostile
		d.Skipped[i].Reason += hostile
	}
}

func TestHTMLOfLittle(t *testing.T) {
	one := sample()
	one.Runs, one.Rows, one.Limits, one.Skipped = one.Runs[:1], nil, nil, nil
	bare := &result.Document{Runs: []result.Run{{Scenario: "wal-restart", Target: "wal", Values: map[string]float64{"open_ns": 1e6}}}}
	for name, d := range map[string]*result.Document{"empty": {}, "one run": one, "no latency": bare} {
		t.Run(name, func(t *testing.T) {
			found, _ := parse(t, page(t, d))
			if got, want := count(found, "svg"), len(Charts(d)); got != want {
				t.Errorf("%d svg elements, but %d charts", got, want)
			}
		})
	}
}

func TestHTMLIsTheSameEachTime(t *testing.T) {
	if first, second := page(t, sample()), page(t, sample()); first != second {
		t.Error("two pages of one document differ")
	}
}
