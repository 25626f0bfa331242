package installed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/bench/target"
)

func TestFolder(t *testing.T) {
	peers := t.TempDir()
	t.Setenv(Variable, peers)
	put := func(name, content string) {
		t.Helper()
		path := filepath.Join(peers, "program", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lacks := func(wanted ...string) {
		t.Helper()
		_, err := Folder("name", "program")
		reason, unavailable := target.Unavailable(err)
		for _, text := range wanted {
			if !unavailable || !strings.Contains(reason, text) {
				t.Errorf("got %v, want %q in it", err, text)
			}
		}
		if version := Version("program"); version != "not installed" {
			t.Errorf("version %q", version)
		}
	}
	lacks("not installed", "bench/peers/install.sh program")
	put("reason.txt", "no compiler here\n")
	lacks("no compiler here", "bench/peers/install.sh program")
	put("version", "7.0.15\n")
	if got, err := Folder("name", "program"); err != nil || got != filepath.Join(peers, "program") {
		t.Errorf("got %s, %v", got, err)
	}
	if version := Version("program"); version != "7.0.15" {
		t.Errorf("version %q", version)
	}
}

func TestFolderAboveTheWorkingDirectory(t *testing.T) {
	t.Setenv(Variable, "")
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	program, below := filepath.Join(top, ".cache", "peers", "program"), filepath.Join(top, "a", "b")
	for _, dir := range []string{program, below} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(program, "version"), []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(below)
	if got, err := Folder("name", "program"); err != nil || got != program {
		t.Errorf("got %s, %v, want %s", got, err, program)
	}
}
