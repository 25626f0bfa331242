package arch

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the committed dependency lists")

const module = "github.com/millrace-io/millrace"

// root is the top of the repository, seen from this package.
const root = "../.."

// goFile is a parsed Go file of the main module.
type goFile struct {
	path      string // from the top, with slashes
	dir       string // likewise; "" is the top
	test      bool
	generated bool
	syntax    *ast.File
	positions *token.FileSet
	lines     int
}

func (f goFile) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

func (f goFile) line(pos token.Pos) int { return f.positions.Position(pos).Line }

// source parses the main module once for all tests.
var source = sync.OnceValues(func() ([]goFile, error) {
	var files []goFile
	err := walk(func(name string) bool { return !exists(filepath.Join(root, name, "go.mod")) }, func(name string) error {
		if path.Ext(name) != ".go" {
			return nil
		}
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		positions := token.NewFileSet()
		syntax, err := parser.ParseFile(positions, name, content, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, goFile{
			path: name, dir: strings.TrimPrefix(path.Dir(name), "."),
			test: strings.HasSuffix(name, "_test.go"), generated: ast.IsGenerated(syntax),
			syntax: syntax, positions: positions, lines: strings.Count(string(content), "\n"),
		})
		return nil
	})
	return files, err
})

func sourceFiles(t *testing.T) []goFile {
	t.Helper()
	files, err := source()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// walk visits all files of the repository, named from the top; enter says
// whether to go into a directory other than the top.
func walk(enter func(dir string) bool, visit func(name string) error) error {
	skipped := map[string]bool{".git": true, "bin": true, ".cache": true}
	return fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return err
		case entry.IsDir() && (skipped[name] || !enter(name)):
			return fs.SkipDir
		case entry.Type().IsRegular():
			return visit(name)
		}
		return nil
	})
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
