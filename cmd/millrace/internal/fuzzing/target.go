package fuzzing

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace-io/millrace/failure"
)

const module = "github.com/millrace-io/millrace"

// Target is one fuzz target.
type Target struct {
	// Name is the package's folder and the function: wal/FuzzModel.
	Name     string `json:"name"`
	Package  string `json:"package"`
	Function string `json:"function"`
	// Input is the types of what the target takes.
	Input []string `json:"input"`
	// Corpus is the folder of the committed inputs, Inputs and Bytes what is in it.
	Corpus string `json:"corpus"`
	Inputs int    `json:"inputs"`
	Bytes  int64  `json:"bytes"`
}

// Root returns the checkout that dir is in: the folder with the go.mod of
// Millrace.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("fuzz: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		content, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && strings.HasPrefix(string(content), "module "+module+"\n") {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", failure.New(failure.NotFound, "fuzz", "%s is not inside a checkout of Millrace: fuzz targets are part of its source", dir)
		}
	}
}

// Targets returns the fuzz targets below root, sorted by name. Modules of their
// own are left out.
func Targets(root string) ([]Target, error) {
	var targets []Target
	files := os.DirFS(root)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (skipped(entry.Name()) || exists(files, path.Join(name, "go.mod"))):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		found, err := targetsIn(files, name)
		targets = append(targets, found...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fuzz: list the targets: %w", err)
	}
	slices.SortFunc(targets, func(a, b Target) int { return strings.Compare(a.Name, b.Name) })
	return targets, nil
}

func skipped(folder string) bool {
	return folder == "testdata" || strings.HasPrefix(folder, ".") || strings.HasPrefix(folder, "_")
}

func exists(files fs.FS, name string) bool {
	_, err := fs.Stat(files, name)
	return err == nil
}

// targetsIn returns the targets of one file.
func targetsIn(files fs.FS, name string) ([]Target, error) {
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, content, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var targets []Target
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Recv != nil || !strings.HasPrefix(function.Name.Name, "Fuzz") || function.Body == nil {
			continue
		}
		folder := path.Dir(name)
		t := Target{
			Name: path.Join(folder, function.Name.Name), Package: path.Join(module, folder), Function: function.Name.Name,
			Input: inputOf(function), Corpus: path.Join(folder, "testdata", "fuzz", function.Name.Name),
		}
		if err := t.count(files); err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// inputOf returns the types of the function that is given to Fuzz, but for the
// first, the *testing.T.
func inputOf(function *ast.FuncDecl) (input []string) {
	ast.Inspect(function, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 || input != nil {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		body, isFunction := call.Args[0].(*ast.FuncLit)
		if !ok || !isFunction || method.Sel.Name != "Fuzz" {
			return true
		}
		for _, field := range body.Type.Params.List[1:] {
			for range max(1, len(field.Names)) {
				input = append(input, types.ExprString(field.Type))
			}
		}
		return false
	})
	return input
}

// count looks at the committed corpus; a target need not have one.
func (t *Target) count(files fs.FS) error {
	entries, err := fs.Glob(files, t.Corpus+"/*")
	if err != nil {
		return err
	}
	for _, name := range entries {
		info, err := fs.Stat(files, name)
		if err != nil {
			return err
		}
		t.Inputs++
		t.Bytes += info.Size()
	}
	return nil
}

// Select returns the target with that name. The function alone is enough if no
// other package has one that is called so.
func Select(targets []Target, name string) (Target, error) {
	var found []Target
	var near []string
	for _, t := range targets {
		if t.Name == name || t.Function == name {
			found = append(found, t)
		}
		near = append(near, t.Name)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Target{}, failure.New(failure.NotFound, "fuzz", "there is no target %q; there are %s", name, strings.Join(near, ", "))
	}
	return Target{}, failure.New(failure.InvalidArgument, "fuzz", "%s and %s are called %s: name the folder too", found[0].Name, found[1].Name, name)
}
