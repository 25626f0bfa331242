package clients

import (
	"path/filepath"
	"testing"
)

// python returns a program of the folder python.
func python(t *testing.T, script, folder string, tls bool, environment ...string) program {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("python", script))
	if err != nil {
		t.Fatal(err)
	}
	return program{
		client: "python", tls: tls, environment: append(environment, "PYTHONPATH="+folder),
		command: func(string) []string { return []string{"python3", "-B", path} },
	}
}

func TestBoto3(t *testing.T) {
	installed := folder(t, "python")
	m := start(t)
	delayed := slow(t)
	check(t, "boto3", m.run(t, python(t, "sdk.py", installed, false, delayed), python(t, "sdk.py", installed, true, delayed)))
}

func TestCLI(t *testing.T) {
	installed := folder(t, "python")
	m := start(t)
	check(t, "cli", m.run(t, python(t, "cli.py", installed, false), python(t, "cli.py", installed, true)))
}
