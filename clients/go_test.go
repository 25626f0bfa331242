package clients

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// The SDK for Go is a module like any other: go.mod has its version, and nothing is to be installed.
func TestGoSDK(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gosdk")
	if output, err := exec.Command("go", "build", "-o", path, "./gosdk").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	command := func(string) []string { return []string{path} }
	m := start(t)
	check(t, "go", m.run(t, program{command: command}, program{command: command, tls: true}))
}
