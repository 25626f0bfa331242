package arch

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	linkPattern  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fencePattern = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
)

func TestLinksLeadSomewhere(t *testing.T) {
	everywhere := func(string) bool { return true }
	err := walk(everywhere, func(name string) error {
		if path.Ext(name) != ".md" {
			return nil
		}
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		for _, match := range linkPattern.FindAllSubmatch(fencePattern.ReplaceAll(content, nil), -1) {
			target, err := url.Parse(string(match[1]))
			if err != nil {
				t.Errorf("%s: link %s: %v", name, match[1], err)
				continue
			}
			if target.Scheme != "" || target.Path == "" {
				continue // elsewhere, or in this document
			}
			file := path.Join(path.Dir(name), strings.TrimPrefix(target.Path, "/"))
			if !exists(filepath.Join(root, file)) {
				t.Errorf("%s: link to %s, which does not exist", name, match[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
