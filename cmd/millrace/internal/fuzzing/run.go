package fuzzing

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/millrace-io/millrace/failure"
)

// corpusVersion begins every file that go test reads as an input.
const corpusVersion = "go test fuzz v1\n"

// seedBytesMax bounds a seed: a fuzzer gets nowhere with a large one.
const seedBytesMax = 1 << 20

// Options say how to run a target.
type Options struct {
	// Time is how long.
	Time time.Duration
	// Seeds are files, or folders of files, to begin with: inputs as go test writes
	// them, or for a target that takes one []byte or string, the bytes themselves.
	Seeds []string
	// Output receives what go test prints.
	Output io.Writer
}

// FindingError is an input that the target fails for.
type FindingError struct {
	Target Target
	// Input is its name: a file of the corpus, or seed#0 for one in the source.
	Input string
}

// Error implements error.
func (e *FindingError) Error() string {
	where := e.Target.Corpus + "/" + e.Input
	if strings.HasPrefix(e.Input, "seed#") {
		where = "the input " + e.Input + " in its source"
	}
	return fmt.Sprintf("fuzz: %s fails for %s; see it again with: go test -run '%s/%s' ./%s",
		e.Target.Name, where, e.Target.Function, e.Input, path.Dir(e.Target.Name))
}

// Run fuzzes one target, and returns how many seeds it began with beside the
// committed ones. Seeds and what the fuzzer finds interesting are kept in
// .cache/fuzz of the checkout, so that the next run goes on from there; an input
// that fails is left in the corpus of the target, as go test does, and is a
// [*FindingError]. When ctx ends the fuzzer is interrupted.
func Run(ctx context.Context, root string, t Target, o Options) (seeds int, err error) {
	cache := filepath.Join(root, ".cache", "fuzz", filepath.Dir(t.Name))
	seeds, err = plant(filepath.Join(cache, t.Function), t, o.Seeds)
	if err != nil {
		return 0, err
	}
	// The last -test.fuzzcachedir counts, and the go command puts its own before
	// these arguments.
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.Function+"$", "-fuzztime", o.Time.String(), t.Package,
		"-args", "-test.fuzzcachedir="+cache)
	cmd.Dir = root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var printed bytes.Buffer
	cmd.Stdout = io.MultiWriter(o.Output, &printed)
	cmd.Stderr = cmd.Stdout
	err = cmd.Run()
	if m := findingPattern.FindStringSubmatch(printed.String()); m != nil {
		return seeds, &FindingError{t, m[1]}
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return seeds, failure.New(failure.NotFound, "fuzz", "the go command is not installed: targets are compiled with it")
	case ctx.Err() != nil:
		return seeds, ctx.Err()
	case err != nil:
		return seeds, fmt.Errorf("fuzz: %s: %w", t.Name, err)
	}
	return seeds, nil
}

// findingPattern finds the name of the failing input in what go test prints.
var findingPattern = regexp.MustCompile(`(?:Failing input written to \S+/|failure while testing seed corpus entry: \w+/)(\S+)`)

// plant writes the seeds into the folder from which the fuzzer begins.
func plant(folder string, t Target, seeds []string) (n int, err error) {
	files, err := seedFiles(seeds)
	if err != nil || len(files) == 0 {
		return 0, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return 0, fmt.Errorf("fuzz: %w", err)
	}
	for _, name := range files {
		content, err := readSeed(name)
		if err != nil {
			return 0, err
		}
		if content, err = t.encode(name, content); err != nil {
			return 0, err
		}
		sum := sha256.Sum256(content)
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%x", sum[:8])), content, 0o644); err != nil {
			return 0, fmt.Errorf("fuzz: %w", err)
		}
	}
	return len(files), nil
}

// seedFiles replaces folders by the files in them.
func seedFiles(seeds []string) ([]string, error) {
	var files []string
	for _, seed := range seeds {
		entries, err := os.ReadDir(seed)
		if err != nil {
			files = append(files, seed) // a file, or whoever reads it will say what it is
			continue
		}
		for _, entry := range entries {
			if entry.Type().IsRegular() {
				files = append(files, filepath.Join(seed, entry.Name()))
			}
		}
	}
	return files, nil
}

func readSeed(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("fuzz: seed: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, seedBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("fuzz: seed %s: %w", name, err)
	}
	if len(content) > seedBytesMax {
		return nil, failure.New(failure.TooLarge, "fuzz", "seed %s has more than %d bytes", name, seedBytesMax)
	}
	return content, nil
}

// encode returns the seed as go test reads it.
func (t Target) encode(name string, content []byte) ([]byte, error) {
	if strings.HasPrefix(string(content), corpusVersion) {
		return content, nil
	}
	if len(t.Input) != 1 || t.Input[0] != "[]byte" && t.Input[0] != "string" {
		return nil, failure.New(failure.InvalidArgument, "fuzz",
			"%s takes (%s), so that a seed must be a file as go test writes it, with the first line %q: %s is not; the committed ones are in %s",
			t.Name, strings.Join(t.Input, ", "), strings.TrimSpace(corpusVersion), name, t.Corpus)
	}
	return fmt.Appendf(nil, "%s%s(%q)\n", corpusVersion, t.Input[0], content), nil
}
