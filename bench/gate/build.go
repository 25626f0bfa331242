package gate

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/millrace-io/millrace/bench/worker"
)

// ErrNoHarness is returned for a revision whose program has no worker: it is
// older than the harness.
var ErrNoHarness = errors.New("gate: the revision has no harness to compare with")

// LastLanded returns the revision that the working tree is to be compared with:
// where it left the main branch of origin, if there is one; the last commit if
// there are changes on top of it; or else the one before.
func LastLanded(ctx context.Context, root string) (string, error) {
	head, err := git(ctx, root, "rev-parse", "HEAD")
	if err != nil {
		return "", err
	}
	if base, err := git(ctx, root, "merge-base", "HEAD", "origin/main"); err == nil && base != head {
		return base, nil
	}
	changes, err := git(ctx, root, "status", "--porcelain", "--untracked-files=no")
	if err != nil {
		return "", err
	}
	if changes != "" {
		return head, nil
	}
	return git(ctx, root, "rev-parse", "HEAD~1")
}

// git returns what a command of git prints.
func git(ctx context.Context, root string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("gate: git %s: %w", strings.Join(args, " "), explained(err))
	}
	return strings.TrimSpace(string(out)), nil
}

// explained adds what a command said on standard error.
func explained(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}

// BuildRevision builds the program of a revision into the file named.
func BuildRevision(ctx context.Context, root, revision, program string, output io.Writer) (worker.Program, error) {
	source, err := os.MkdirTemp("", "gate-source-")
	if err != nil {
		return worker.Program{}, fmt.Errorf("gate: %w", err)
	}
	built, err := buildRevision(ctx, root, revision, source, program, output)
	return built, errors.Join(err, os.RemoveAll(source))
}

func buildRevision(ctx context.Context, root, revision, source, program string, output io.Writer) (worker.Program, error) {
	command := exec.CommandContext(ctx, "git", "-C", root, "archive", "--format=tar", revision)
	command.Stderr = output
	archive, err := command.StdoutPipe()
	if err != nil {
		return worker.Program{}, fmt.Errorf("gate: %w", err)
	}
	if err := command.Start(); err != nil {
		return worker.Program{}, fmt.Errorf("gate: git archive: %w", err)
	}
	err = unpack(archive, source)
	// The rest has to be read, or the command would wait for ever.
	_, readErr := io.Copy(io.Discard, archive)
	if err = errors.Join(err, readErr, command.Wait()); err != nil {
		return worker.Program{}, fmt.Errorf("gate: unpack revision %s: %w", revision, err)
	}
	built, err := BuildTree(ctx, source, program, output)
	if err != nil {
		return built, err
	}
	if _, err := built.Targets(ctx); err != nil {
		return built, fmt.Errorf("%w: revision %s: %w", ErrNoHarness, revision, err)
	}
	return built, nil
}

// unpack writes the files of an archive below dir.
func unpack(archive io.Reader, dir string) error {
	in, err := os.OpenRoot(dir) // nothing is written outside, whatever the names say
	if err != nil {
		return err
	}
	defer in.Close()
	for files := tar.NewReader(archive); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch header.Typeflag {
		case tar.TypeDir:
			err = in.MkdirAll(filepath.Clean(header.Name), 0o755)
		case tar.TypeReg:
			err = unpackFile(in, header, files)
		}
		if err != nil {
			return err
		}
	}
}

// unpackFile writes one file.
func unpackFile(in *os.Root, header *tar.Header, content io.Reader) error {
	if err := in.MkdirAll(filepath.Dir(header.Name), 0o755); err != nil {
		return err
	}
	file, err := in.OpenFile(header.Name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, header.FileInfo().Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// BuildTree builds the program of a source tree as it is, changes and all. Both
// sides of a gate are built with the same flags, and no path gets in.
func BuildTree(ctx context.Context, source, program string, output io.Writer) (worker.Program, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return worker.Program{}, fmt.Errorf("gate: %w", err)
	}
	command := exec.CommandContext(ctx, "go", "build", "-C", source, "-trimpath", "-buildvcs=false", "-o", program, "./cmd/millrace")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	command.Stdout, command.Stderr = output, output
	if err := command.Run(); err != nil {
		return worker.Program{}, fmt.Errorf("gate: build %s: %w", source, err)
	}
	return worker.Program{Path: program, Args: []string{"bench", "worker"}}, nil
}
