package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestKeysAreSwitched takes a key out of use and back, with a server and without.
func TestKeysAreSwitched(t *testing.T) {
	dir := t.TempDir()
	_, stop, err := startTestServer(dir)
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (out, errOut string) {
		t.Helper()
		code, out, errOut := command(t, nil, nil, append(args, "--data", dir)...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d\n%s", args, code, errOut)
		}
		return out, errOut
	}
	out, _ := run("auth", "create-key", "--user", "ada", "--output", "json")
	var key keyView
	if err := json.Unmarshal([]byte(out), &key); err != nil {
		t.Fatal(err)
	}
	disabled := func() bool {
		t.Helper()
		out, _ := run("auth", "ls", "--output", "jsonl")
		var listed keyView
		if err := json.Unmarshal([]byte(out), &listed); err != nil || listed.ID != key.ID || listed.Secret != "" {
			t.Fatalf("%q: %v", out, err)
		}
		return listed.Disabled
	}
	both := func() {
		t.Helper()
		if _, said := run("auth", "disable", key.ID); !strings.Contains(said, "disabled "+key.ID+" of ada\n") || !disabled() {
			t.Errorf("disable said %q, the key is disabled: %v", said, disabled())
		}
		if _, said := run("auth", "enable", key.ID); !strings.Contains(said, "enabled "+key.ID+" of ada\n") || disabled() {
			t.Errorf("enable said %q, the key is disabled: %v", said, disabled())
		}
	}
	both()
	stop()
	both()
}
