package arch

import (
	"go/ast"
	"slices"
	"testing"
)

// leaksUnchecked are packages that start goroutines and whose tests need not
// look for those that are left, for the reason given.
var leaksUnchecked = map[string]string{
	"bench/target/targettest": "it has no tests of its own; those of its users check",
}

// TestGoroutinesAreCheckedForLeaks wants goleak in the tests of every package
// that starts goroutines.
func TestGoroutinesAreCheckedForLeaks(t *testing.T) {
	starts, checks := make(map[string]string), make(map[string]bool)
	for _, f := range sourceFiles(t) {
		switch {
		case f.test:
			checks[f.dir] = checks[f.dir] || slices.Contains(f.imports(), "go.uber.org/goleak")
		case startsGoroutine(f.syntax):
			starts[f.dir] = f.path
		}
	}
	for dir, file := range starts {
		if !checks[dir] && leaksUnchecked[dir] == "" {
			t.Errorf("%s starts goroutines: call goleak.VerifyTestMain in TestMain of package %s", file, display(dir))
		}
	}
	for dir := range leaksUnchecked {
		if checks[dir] || starts[dir] == "" {
			t.Errorf("%s need not be in leaksUnchecked any more", dir)
		}
	}
}

// startsGoroutine reports whether the file has a go statement or a call of a
// method named Go, as those of sync.WaitGroup are.
func startsGoroutine(file *ast.File) bool {
	found := false
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.CallExpr:
			method, ok := n.Fun.(*ast.SelectorExpr)
			found = found || ok && method.Sel.Name == "Go"
		}
		return !found
	})
	return found
}
