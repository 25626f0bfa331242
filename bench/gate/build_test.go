package gate

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program answers the only question that a build asks.
const program = `package main

import "os"

func main() {
	if len(os.Args) == 4 && os.Args[1] == "bench" {
		os.Stdout.WriteString("[]")
	}
}
`

// repository is a tree with two commits: the first one's program does not
// answer, the second one's does.
type repository struct {
	t    *testing.T
	root string
}

func newRepository(t *testing.T) repository {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("SKIPPED: there is no git here")
	}
	r := repository{t, t.TempDir()}
	r.git("init", "-q", "-b", "main")
	r.git("config", "user.name", "test")
	r.git("config", "user.email", "test@example.com")
	r.write("go.mod", "module example.com/tiny\n\ngo 1.26\n")
	r.write("cmd/millrace/main.go", "package main\n\nfunc main() {}\n")
	r.commit()
	r.write("cmd/millrace/main.go", program)
	r.commit()
	return r
}

func (r repository) git(args ...string) string {
	r.t.Helper()
	out, err := exec.Command("git", append([]string{"-C", r.root}, args...)...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r repository) write(name, content string) {
	r.t.Helper()
	path := filepath.Join(r.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r repository) commit() {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "change")
}

func TestBuildRevision(t *testing.T) {
	r := newRepository(t)
	bin := filepath.Join(t.TempDir(), "bin", "base")
	built, err := BuildRevision(t.Context(), r.root, "HEAD", bin, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if built.Path != bin {
		t.Errorf("built %q", built.Path)
	}
	if _, err := BuildRevision(t.Context(), r.root, "HEAD~1", bin, io.Discard); !errors.Is(err, ErrNoHarness) {
		t.Errorf("a program without a worker: %v", err)
	}
	if _, err := BuildRevision(t.Context(), r.root, "nothing", bin, io.Discard); err == nil {
		t.Error("a revision that does not exist was built")
	}
	r.write("cmd/millrace/main.go", "package main\n")
	if _, err := BuildTree(t.Context(), r.root, bin, io.Discard); err == nil {
		t.Error("a tree that does not compile was built")
	}
}

func TestLastLanded(t *testing.T) {
	r := newRepository(t)
	expect := func(what, revision string) {
		t.Helper()
		got, err := LastLanded(t.Context(), r.root)
		if err != nil {
			t.Fatal(err)
		}
		if want := r.git("rev-parse", revision); got != want {
			t.Errorf("%s: %s, want %s, %s", what, got, revision, want)
		}
	}
	expect("nothing changed", "HEAD~1")
	r.write("go.mod", "module example.com/changed\n\ngo 1.26\n")
	expect("changes that are not committed", "HEAD")
	r.git("update-ref", "refs/remotes/origin/main", "HEAD")
	r.commit()
	expect("one commit after the main branch", "HEAD~1")
	r.write("new", "")
	r.commit()
	expect("two commits after the main branch", "HEAD~2")
	if _, err := LastLanded(t.Context(), t.TempDir()); err == nil {
		t.Error("a folder without a repository has a last commit")
	}
}
