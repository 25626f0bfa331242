package arch

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// TestGuidesShowRealCode: every block of Go in docs/how-to stands, line by line,
// in a Go file of the repository, and so compiles and mostly runs.
func TestGuidesShowRealCode(t *testing.T) {
	var files []string
	guides := make(map[string]string)
	everywhere := func(string) bool { return true }
	err := walk(everywhere, func(name string) error {
		isGuide := path.Dir(name) == "docs/how-to" && path.Ext(name) == ".md"
		if !isGuide && path.Ext(name) != ".go" {
			return nil
		}
		content, err := os.ReadFile(filepath.Join(root, name))
		if isGuide {
			guides[name] = string(content)
		} else {
			files = append(files, "\n"+outdented(string(content))+"\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(guides) == 0 {
		t.Error("there is no guide in docs/how-to")
	}
	for name, content := range guides {
		for _, block := range goBlock.FindAllStringSubmatch(content, -1) {
			if !stands(block[1], files) {
				t.Errorf("%s: this is in no Go file; take it from an example, whole lines that follow each other:\n%s", name, block[1])
			}
		}
	}
	if stands("this := stands.Nowhere\n", files[:1]) || !stands("package arch\n", []string{"\npackage arch\n"}) {
		t.Error("the check is asleep")
	}
}

// stands reports whether the lines follow each other in one of the files.
func stands(block string, files []string) bool {
	for _, file := range files {
		if strings.Contains(file, "\n"+outdented(block)+"\n") {
			return true
		}
	}
	return false
}

// outdented is the text without indentation.
func outdented(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}
