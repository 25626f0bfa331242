package arch

import (
	"bytes"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// unwanted are texts that have no place in the repository. They are written in
// pieces so that this file does not contain them.
var unwanted = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`/(?:ho` + `me|Us` + `ers)/[a-z]+`), "a personal path: nobody else has it"},
	{regexp.MustCompile(`(?:^|[\s"'(=])/(?:ro` + `ot|wo` + `rk|mnt|srv)/[\w.]`), "an absolute path of one machine"},
	{regexp.MustCompile(`\b(?:TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`), "a leftover mark: do it, or write an issue"},
	{regexp.MustCompile(`(?m)^(?:<<<` + `<<<<|>>>` + `>>>>) `), "a merge conflict"},
}

// blobBytesMax is how large a committed file may be.
const blobBytesMax = 2 << 20

func TestNothingIsLeftLyingAround(t *testing.T) {
	everywhere := func(string) bool { return true }
	err := walk(everywhere, func(name string) error {
		if name == ".git" { // of a second work tree: a file that says where the first is
			return nil
		}
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		if len(content) > blobBytesMax {
			t.Errorf("%s has %d bytes: keep blobs out of the repository", name, len(content))
		}
		if bytes.IndexByte(content[:min(len(content), 8000)], 0) >= 0 {
			return nil // not text
		}
		for _, u := range unwanted {
			if at := u.pattern.FindIndex(content); at != nil {
				line := 1 + bytes.Count(content[:at[0]], []byte("\n"))
				t.Errorf("%s:%d: %q: %s", name, line, bytes.TrimSpace(content[at[0]:at[1]]), u.why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sleepers may call time.Sleep, for the reason given.
var sleepers = map[string]string{
	"bench/load/pace.go":        "an open loop waits for planned moments: that is its job",
	"bench/load/sleep_linux.go": "the same",
	"bench/load/sleep_other.go": "the same",
	"bench/load/stall.go":       "the target of the self-test is slow on purpose",
}

// TestNobodySleeps: a sleep in a test is a race with the scheduler, a sleep in
// the engine cannot be interrupted. Virtual time is the exception.
func TestNobodySleeps(t *testing.T) {
	for _, f := range sourceFiles(t) {
		virtual := false
		for _, imported := range f.imports() {
			virtual = virtual || imported == "testing/synctest"
		}
		if virtual || sleepers[f.path] != "" {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || selector.Sel.Name != "Sleep" {
				return true
			}
			if x, ok := selector.X.(*ast.Ident); ok && x.Name == "time" {
				t.Errorf("%s:%d: time.Sleep: wait for the event itself, a timer with a context, or use testing/synctest", f.path, f.line(n.Pos()))
			}
			return true
		})
	}
}

// TestUnwantedTextsAreSeen shows that the patterns match what they are for, and
// little else.
func TestUnwantedTextsAreSeen(t *testing.T) {
	for text, want := range map[string]bool{
		"open /ho" + "me/alice/x":      true,
		"see /wo" + "rk/x":             true,
		"// TO" + "DO: later":          true,
		"<<<" + "<<<< HEAD":            true,
		"the homework of users, todo":  false,
		"docs/work/x.md":               false,
		"/var/lib/millrace, /tmp/data": false,
	} {
		got := false
		for _, u := range unwanted {
			got = got || u.pattern.MatchString(text)
		}
		if got != want {
			t.Errorf("%q: unwanted %v, want %v", text, got, want)
		}
	}
}
