package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	testscript.Main(leakless{m}, map[string]func(){"millrace": main})
}

// leakless fails tests that leave goroutines behind.
type leakless struct{ tests *testing.M }

// Run implements testscript.TestingM.
func (l leakless) Run() int {
	code := l.tests.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScript runs testdata/script, each script beside a server of its own.
func TestScript(t *testing.T) {
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			data := env.WorkDir + "/.data"
			addr, stop, err := startTestServer(data)
			if err != nil {
				return err
			}
			env.Defer(stop)
			env.Setenv("MILLRACE_ADDR", addr)
			env.Setenv("DATA", data)
			env.Setenv("CHECKOUT", checkout)
			for _, name := range []string{"GOCACHE", "GOMODCACHE"} { // the script has no home
				value, err := exec.Command("go", "env", name).Output()
				if err != nil {
					return err
				}
				env.Setenv(name, strings.TrimSpace(string(value)))
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"fails":   failsWith,
			"cmpjson": compareJSON,
		},
	})
}

// failsWith runs a command that must end with the given exit code.
func failsWith(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails CODE COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if exit == nil || exit.ExitCode() != want {
		ts.Fatalf("ended with %v, expected exit code %d", err, want)
	}
}

var varying = []struct {
	pattern *regexp.Regexp
	mask    string
}{
	{regexp.MustCompile(`"(created|time)":( ?)"[^"]*"`), `"$1":$2"TIME"`},
	{regexp.MustCompile(`"hash":( ?)"[^"]*"`), `"hash":$1"HASH"`},
	{regexp.MustCompile(`"id":( ?)\d+`), `"id":${1}0`},
}

// compareJSON compares like cmp, but for times, hashes and numbers of streams.
func compareJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cmpjson FILE FILE")
	}
	got, want := ts.ReadFile(args[0]), ts.ReadFile(args[1])
	for _, v := range varying {
		got = v.pattern.ReplaceAllString(got, v.mask)
	}
	if got != want {
		ts.Fatalf("got:\n%s\nwant:\n%s", got, want)
	}
}
