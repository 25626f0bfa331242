package arch

import (
	"go/ast"
	"testing"
)

const (
	fileLinesSoft     = 500
	fileLinesHard     = 800
	functionLinesSoft = 60
	functionLinesHard = 100
)

// longFiles and longFunctions may exceed the hard limits, for the reason given.
// The lists are to shrink: an entry that no longer needs to be here fails.
var (
	longFiles     = map[string]string{}
	longFunctions = map[string]string{}
)

func TestSizes(t *testing.T) {
	var softFiles, softFunctions int
	needed := make(map[string]bool)
	for _, f := range sourceFiles(t) {
		if f.generated {
			continue
		}
		if f.lines > fileLinesSoft {
			softFiles++
		}
		if f.lines > fileLinesHard {
			needed[f.path] = true
			if longFiles[f.path] == "" {
				t.Errorf("%s has %d lines, the limit is %d: split it by what its parts do", f.path, f.lines, fileLinesHard)
			}
		}
		for _, declaration := range f.syntax.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := f.line(function.End()) - f.line(function.Pos()) + 1
			if lines > functionLinesSoft && !f.test {
				softFunctions++
			}
			if lines > functionLinesHard {
				name := f.path + ":" + function.Name.Name
				needed[name] = true
				if longFunctions[name] == "" {
					t.Errorf("%s has %d lines, the limit is %d: give its steps names", name, lines, functionLinesHard)
				}
			}
		}
	}
	for _, list := range []map[string]string{longFiles, longFunctions} {
		for name := range list {
			if !needed[name] {
				t.Errorf("%s is no longer too long: remove it from the list in internal/arch/size_test.go", name)
			}
		}
	}
	t.Logf("%d files over %d lines, %d functions outside tests over %d", softFiles, fileLinesSoft, softFunctions, functionLinesSoft)
}
