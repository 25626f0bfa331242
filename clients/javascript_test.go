package clients

import (
	"path/filepath"
	"testing"
)

// javascript returns the program of the folder javascript.
func javascript(t *testing.T, m *millrace, folder string, tls bool) program {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("javascript", "sdk.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	return program{
		client: "javascript", tls: tls, environment: []string{"MILLRACE_MODULES=" + folder, "NODE_EXTRA_CA_CERTS=" + m.certificate},
		command: func(string) []string { return []string{"node", path} },
	}
}

func TestJavaScript(t *testing.T) {
	installed := folder(t, "javascript")
	m := start(t)
	check(t, "javascript", m.run(t, javascript(t, m, installed, false), javascript(t, m, installed, true)))
}
