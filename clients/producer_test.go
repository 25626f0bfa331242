package clients

import (
	"bytes"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// command runs a command of millrace against the server and returns what it prints.
func (m *millrace) command(t *testing.T, input string, words ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), m.binary, append(words, "--addr", m.native)...)
	command.Stdin = strings.NewReader(input)
	var errput bytes.Buffer
	command.Stderr = &errput
	output, err := command.Output()
	if err != nil {
		t.Fatalf("millrace %s: %v\n%s", strings.Join(words, " "), err, errput.String())
	}
	return string(output)
}

// counted is how often each line is there.
func counted(text string) map[string]int {
	lines := make(map[string]int)
	for line := range strings.Lines(text) {
		lines[strings.TrimSpace(line)]++
	}
	return lines
}

// The producer library packs records together; what it wrote is what millrace prints.
func TestProducerLibrary(t *testing.T) {
	const records = 5000
	installed := folder(t, "java-kpl")
	classes := compile(t, installed, "kpl")
	m := start(t)
	m.command(t, "", "stream", "create", "kpl", "--shards", "3")
	p := java("java-kpl", classes, trustStore(t, m), "Kpl", true, "-Djava.io.tmpdir="+t.TempDir())
	run := p.command
	p.command = func(folder string) []string { return append(run(folder), strconv.Itoa(records)) }
	report := m.run(t, p)

	want := make(map[string]int)
	for i := range records {
		want[fmt.Sprintf("key %d record %d", i%100, i)]++
	}
	if got := counted(m.command(t, "", "get", "kpl", "--format", "%k %v")); !maps.Equal(got, want) {
		t.Errorf("%d different records, want %d: %.200q", len(got), len(want), slices.Sorted(maps.Keys(got)))
	}
	if stored := strings.Count(m.command(t, "", "get", "kpl", "--raw", "--format", "%s"), "\n"); stored == 0 || stored > records/10 {
		t.Errorf("%d records were stored as %d: they were not aggregated", records, stored)
	}
	m.observe(t, &report)
	check(t, "java-kpl", report)
}

// A job reads by polling and writes, another one reads that by enhanced fan-out.
func TestFlink(t *testing.T) {
	const records = 1000
	installed := folder(t, "java-flink")
	classes := compile(t, installed, "flink")
	m := start(t)
	m.command(t, "", "stream", "create", "flink-in", "--shards", "3")
	m.command(t, "", "stream", "create", "flink-out", "--shards", "2")
	var input strings.Builder
	for i := range records {
		fmt.Fprintf(&input, "record %d\n", i)
	}
	m.command(t, input.String(), "put", "flink-in")
	p := java("java-flink", classes, trustStore(t, m), "Flink", true, "-Djava.io.tmpdir="+t.TempDir(),
		"--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.time=ALL-UNNAMED",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
	p.environment = []string{fmt.Sprint("MILLRACE_RECORDS=", records)}
	report := m.run(t, p)
	got := counted(m.command(t, "", "get", "flink-out"))
	if want := counted(input.String()); !maps.Equal(got, want) {
		t.Errorf("%d different records were written back, want %d", len(got), len(want))
	}
	m.observe(t, &report)
	check(t, "java-flink", report)
}
