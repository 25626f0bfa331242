package versus

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/bench/worker"
)

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// peersTree is a repository with one module of peers that builds and one that
// does not.
func peersTree(t *testing.T) string {
	t.Helper()
	return tree(t, map[string]string{
		"bench/peers/good/go.mod": "module example.com/good\n\ngo 1.26\n",
		"bench/peers/good/main.go": `package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Printf("[{\"name\": %q, \"notes\": %q}]", os.Args[1], os.Getenv("MILLRACE_PEERS"))
}
`,
		"bench/peers/bad/go.mod":        "module example.com/bad\n\ngo 1.26\n",
		"bench/peers/bad/main.go":       "package main\n\nfunc main() { this does not build }\n",
		"bench/peers/no-module/main.go": "package main\n",
	})
}

func TestRoot(t *testing.T) {
	root := peersTree(t)
	for _, dir := range []string{root, filepath.Join(root, "bench"), filepath.Join(root, "bench", "peers", "good")} {
		if got, err := Root(dir); err != nil || got != root {
			t.Errorf("%s: got %s, %v", dir, got, err)
		}
	}
	t.Chdir(filepath.Join(root, "bench"))
	if got, err := Root("."); err != nil || !filepath.IsAbs(got) {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := Root(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not inside a checkout") {
		t.Errorf("got %v", err)
	}
}

func TestBuild(t *testing.T) {
	root := peersTree(t)
	var said bytes.Buffer
	programs, skipped, err := Build(t.Context(), root, &said)
	if err != nil || len(programs) != 1 || len(skipped) != 1 {
		t.Fatalf("got %v, %v, %v", programs, skipped, err)
	}
	if skipped[0].What != "bad" || !strings.Contains(skipped[0].Reason, "does not build") || !strings.Contains(said.String(), "syntax error") {
		t.Errorf("skipped %+v; %s", skipped[0], said.String())
	}
	silent := worker.Program{Path: filepath.Join(root, "does", "not", "exist")}
	found, without, err := Contenders(t.Context(), append(programs, silent))
	if err != nil || len(found) != 1 || len(without) != 1 || without[0].What != "exist" || without[0].Reason == "" {
		t.Fatalf("got %v, without %v, %v", found, without, err)
	}
	if got := found[0]; got.Name != "about" || got.Notes != filepath.Join(root, ".cache", "peers") || got.Program.Path != programs[0].Path {
		t.Errorf("got %+v", got)
	}
	if programs, skipped, err = Build(t.Context(), root, &said, "good"); err != nil || len(programs) != 1 || len(skipped) != 0 {
		t.Errorf("got %v, %v, %v", programs, skipped, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Build(ctx, root, &said); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, _, err := Build(t.Context(), t.TempDir(), &said); err == nil || !strings.Contains(err.Error(), "no modules") {
		t.Errorf("got %v", err)
	}
	if _, _, err := Contenders(ctx, programs); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
