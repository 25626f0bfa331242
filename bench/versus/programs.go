package versus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/target/installed"
	"github.com/millrace-io/millrace/bench/worker"
)

// peersFolder is where the peers' modules are, below the root of the
// repository.
const peersFolder = "bench/peers"

// Root returns the root of the repository that dir is in. The peers are built
// from source, so a contest needs one.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("versus: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if info, err := os.Stat(filepath.Join(at, peersFolder)); err == nil && info.IsDir() {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("versus: %s is not inside a checkout of Millrace: the peers' programs are built from its folder %s", dir, peersFolder)
		}
	}
}

// Build compiles the programs of the peers below root into root/.cache/peers/bin
// and returns them: of the modules named, or of all. A module that does not build is
// a skip with its reason.
func Build(ctx context.Context, root string, output io.Writer, names ...string) (programs []worker.Program, skipped []result.Skip, err error) {
	modules, err := filepath.Glob(filepath.Join(root, peersFolder, "*", "go.mod"))
	if err != nil || len(modules) == 0 {
		return nil, nil, errors.Join(fmt.Errorf("versus: %s has no modules of peers", filepath.Join(root, peersFolder)), err)
	}
	cache := filepath.Join(root, ".cache", "peers")
	for _, module := range modules {
		folder := filepath.Dir(module)
		if len(names) > 0 && !slices.Contains(names, filepath.Base(folder)) {
			continue
		}
		binary := filepath.Join(cache, "bin", filepath.Base(folder))
		command := exec.CommandContext(ctx, "go", "build", "-C", folder, "-o", binary, ".")
		command.Env = append(os.Environ(), "GOFLAGS=-mod=readonly -buildvcs=false", "CGO_ENABLED=0")
		command.Stdout, command.Stderr = output, output
		if err := command.Run(); err != nil {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			skipped = append(skipped, result.Skip{What: filepath.Base(folder), Reason: fmt.Sprintf("its program does not build: %v", err)})
			continue
		}
		programs = append(programs, worker.Program{Path: binary, Env: []string{installed.Variable + "=" + cache}})
	}
	return programs, skipped, nil
}

// Contenders asks the programs whom they have. A program that does not say is a
// skip; the error is that of ctx.
func Contenders(ctx context.Context, programs []worker.Program) (all []Contender, skipped []result.Skip, err error) {
	for _, program := range programs {
		list, err := program.Targets(ctx)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			skipped = append(skipped, result.Skip{What: filepath.Base(program.Path), Reason: err.Error()})
			continue
		}
		for _, about := range list {
			all = append(all, Contender{About: about, Program: program})
		}
	}
	return all, skipped, nil
}
