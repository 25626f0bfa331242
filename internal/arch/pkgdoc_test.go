package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// TestOnePackageComment: none leaves a reader alone, two contradict each other
// one day.
func TestOnePackageComment(t *testing.T) {
	comments := make(map[string][]string)
	for _, f := range sourceFiles(t) {
		if f.test {
			continue
		}
		if _, found := comments[f.dir]; !found {
			comments[f.dir] = nil
		}
		if f.syntax.Doc != nil && strings.TrimSpace(f.syntax.Doc.Text()) != "" {
			comments[f.dir] = append(comments[f.dir], f.path)
		}
	}
	for dir, files := range comments {
		slices.Sort(files)
		switch len(files) {
		case 0:
			t.Errorf("package %s has no comment: write one in %s/doc.go", display(dir), display(dir))
		case 1:
		default:
			t.Errorf("package %s has %d comments: keep the one in doc.go (%s)", display(dir), len(files), strings.Join(files, ", "))
		}
	}
}

// selfExplaining are methods whose meaning the standard library fixed.
var selfExplaining = []string{"String", "Error", "Unwrap"}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range sourceFiles(t) {
		if f.test || f.generated || f.syntax.Name.Name == "main" {
			continue
		}
		for _, name := range undocumented(f.syntax) {
			t.Errorf("%s:%d: %s has no comment", f.path, f.line(name.Pos()), name.Name)
		}
	}
}

func undocumented(file *ast.File) []*ast.Ident {
	var names []*ast.Ident
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			explained := d.Doc != nil || (d.Recv != nil && slices.Contains(selfExplaining, d.Name.Name))
			if !explained && d.Name.IsExported() && receiverExported(d) {
				names = append(names, d.Name)
			}
		case *ast.GenDecl:
			if d.Tok != token.IMPORT {
				names = append(names, undocumentedSpecs(d)...)
			}
		}
	}
	return names
}

// undocumentedSpecs accepts, for constants and variables, one comment on the
// group; each type needs its own.
func undocumentedSpecs(d *ast.GenDecl) []*ast.Ident {
	var names []*ast.Ident
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	receiver := d.Recv.List[0].Type
	for {
		switch r := receiver.(type) {
		case *ast.StarExpr:
			receiver = r.X
		case *ast.IndexExpr:
			receiver = r.X
		case *ast.IndexListExpr:
			receiver = r.X
		case *ast.Ident:
			return r.IsExported()
		default:
			panic(fmt.Sprintf("receiver of type %T", r))
		}
	}
}

// TestMissingCommentsAreSeen shows that the check above can fail.
func TestMissingCommentsAreSeen(t *testing.T) {
	const text = `package p
func Bare() {}
// Said is documented.
func Said() {}
func hidden() {}
type Bare2 struct{}
func (Bare2) Method() {}
func (Bare2) String() string { return "" }
func (hidden2[T]) Method() {}
type hidden2[T any] struct{}
const Bare3 = 1
// A group.
const (
	Said3 = 1
)
`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range undocumented(file) {
		got = append(got, name.Name)
	}
	if want := []string{"Bare", "Bare2", "Method", "Bare3"}; !slices.Equal(got, want) {
		t.Fatalf("found %v, want %v", got, want)
	}
}
