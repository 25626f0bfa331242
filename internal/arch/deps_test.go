package arch

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// engineModules is all that an embedder gets beside the standard library.
var engineModules = []string{
	"golang.org/x/sys/",
	"github.com/google/flatbuffers/",
	"github.com/klauspost/compress/",
	"go.etcd.io/bbolt",
}

// TestDependencies compares what is linked in with the committed lists, so that
// a new dependency is a line in a review. After looking at it:
//
//	go test ./internal/arch -run Dependencies -update
func TestDependencies(t *testing.T) {
	for _, c := range []struct {
		list, dir string
		only      []string // modules it may use; nil: any that is listed
	}{
		{"wal", "wal", engineModules[:3]},
		{"facade", "", engineModules},
		{"client", "client", engineModules[:3]},
		{"binary", "cmd/millrace", nil},
	} {
		t.Run(c.list, func(t *testing.T) {
			got := foreignPackages(t, c.dir)
			for _, name := range got {
				if c.only != nil && !slices.ContainsFunc(c.only, func(m string) bool { return strings.HasPrefix(name+"/", m) }) {
					t.Errorf("%s depends on %s: whoever embeds it would inherit that", display(c.dir), name)
				}
			}
			compareList(t, filepath.Join("testdata", c.list+".txt"), got)
		})
	}
}

func compareList(t *testing.T, name string, got []string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	committed, err := os.ReadFile(name) // a list that is missing is made by -update
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Fields(string(committed)), got); diff != "" {
		t.Errorf("dependencies changed (-committed +now); if that is meant, run go test ./internal/arch -run Dependencies -update\n%s", diff)
	}
}

// foreignPackages lists, for linux/amd64, the packages that are neither ours
// nor the standard library's.
func foreignPackages(t *testing.T, dir string) []string {
	t.Helper()
	const format = "{{if not .Standard}}{{.ImportPath}}{{end}}"
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, "./"+dir)
	command.Dir = root
	command.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var names []string
	for _, name := range strings.Fields(string(out)) {
		if _, ours := ourPackage(name); !ours {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
