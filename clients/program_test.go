package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write reports and docs/reference/clients.md again")

const (
	// programMax is how long a program may run: far longer than any should.
	programMax = 3 * time.Minute

	account = "000000000000"
)

// program is how a client is started.
type program struct {
	// client is the name of what install/NAME.sh installs; empty: nothing is to be installed.
	client string
	// command returns the program and its arguments; folder is where the client is installed.
	command func(folder string) []string
	// environment is added to that of the test and of the SDKs.
	environment []string
	// tls is whether the program is given https://.
	tls bool
}

// folder returns where a client is installed. A test of one that is not is skipped.
func folder(t *testing.T, client string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, ".cache", "clients", client))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(path, "version")); err == nil {
		return path
	}
	reason, err := os.ReadFile(filepath.Join(path, "reason.txt"))
	if err != nil {
		reason = []byte("run clients/install.sh " + client)
	}
	t.Skipf("%s is not installed: %s", client, bytes.TrimSpace(reason))
	return ""
}

// run runs programs against a server, all at once, and returns their reports together.
func (m *millrace) run(t *testing.T, programs ...program) Report {
	t.Helper()
	reports, failures := make([]Report, len(programs)), make([]error, len(programs))
	var group sync.WaitGroup
	for i, p := range programs {
		where := ""
		if p.client != "" {
			where = folder(t, p.client)
		}
		group.Go(func() { reports[i], failures[i] = m.runOne(t, p, where) })
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	for _, each := range reports[1:] {
		if err := reports[0].Merge(each); err != nil {
			t.Fatal(err)
		}
	}
	return reports[0]
}

// runOne runs a program.
func (m *millrace) runOne(t *testing.T, p program, folder string) (Report, error) {
	ctx, cancel := context.WithTimeout(t.Context(), programMax)
	defer cancel()
	words := p.command(folder)
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Env = append(os.Environ(), m.environment(p.tls)...)
	command.Env = append(command.Env, p.environment...)
	var errput bytes.Buffer
	command.Stderr = &errput
	output, err := command.Output()
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w\nit reported:\n%s\nit said:\n%s", strings.Join(words, " "), err, last(output), last(errput.Bytes()))
	}
	report, err := ParseReport(output)
	if err != nil {
		return report, fmt.Errorf("%w\nit said:\n%s", err, last(errput.Bytes()))
	}
	return report, nil
}

// last returns the end of what a program printed.
func last(output []byte) []byte {
	const enough = 16 << 10
	return output[max(0, len(output)-enough):]
}

// environment is what programs are told: the endpoint, and what AWS's SDKs read by themselves.
func (m *millrace) environment(tls bool) []string {
	endpoint := "http://" + m.address
	if tls {
		endpoint = "https://" + m.address
	}
	return []string{
		"AWS_MAX_ATTEMPTS=3",
		"MILLRACE_ENDPOINT=" + endpoint,
		"MILLRACE_CERTIFICATE=" + m.certificate,
		"AWS_ACCESS_KEY_ID=" + m.key.ID,
		"AWS_SECRET_ACCESS_KEY=" + m.secret,
		"AWS_SESSION_TOKEN=",
		"AWS_REGION=" + region,
		"AWS_DEFAULT_REGION=" + region,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// decode reads the addresses in the line that the server prints.
func (m *millrace) decode(line string) error {
	var at struct {
		HTTP   string `json:"http_address"`
		Native string `json:"native_address"`
	}
	if err := json.Unmarshal([]byte(line), &at); err != nil {
		return err
	}
	if at.HTTP == "" || at.Native == "" {
		return errors.New("the server did not print its addresses")
	}
	m.address, m.native = at.HTTP, at.Native
	return nil
}

// check compares what a client did with the report that is kept.
func check(t *testing.T, name string, all Report) {
	t.Helper()
	file := filepath.Join("reports", name+".json")
	if *update {
		if err := all.Save(file); err != nil {
			t.Fatal(err)
		}
		return
	}
	kept, err := LoadReport(file)
	if err != nil {
		t.Fatal(err)
	}
	if missing := all.Missing(kept); len(missing) > 0 {
		t.Errorf("the client no longer does what %s says: %s", file, strings.Join(missing, ", "))
	}
	if more := kept.Missing(all); len(more) > 0 {
		// Libraries that send requests by themselves do not always have the same outcomes.
		t.Logf("the client does more than %s says (go -C clients test -update): %s", file, strings.Join(more, ", "))
	}
}
