package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/bench/target"
)

// stopDelay is how long a worker has to end its servers when it is told to.
const stopDelay = 20 * time.Second

const (
	// errorTextMax bounds what is kept of what a worker says on standard error.
	errorTextMax = 4096
	// answerMax bounds an answer. That of a run of a day has less than 1 MiB.
	answerMax = 64 << 20
)

// errLongAnswer is what a worker gets that does not stop printing.
var errLongAnswer = fmt.Errorf("the answer is longer than %d bytes", answerMax)

// Program is how a worker is started.
type Program struct {
	// Path and Args come before the words of the protocol.
	Path string
	Args []string
	// Env is added to the environment: "GOMAXPROCS=1".
	Env []string
}

// Targets asks the worker what it can measure.
func (p Program) Targets(ctx context.Context) ([]target.About, error) {
	out, err := p.call(ctx, "about", nil)
	if err != nil {
		return nil, err
	}
	var list []target.About
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("worker: %s about: %w", p.Path, err)
	}
	return list, nil
}

// Run has the worker make a measurement in a new process. Errors are those of
// runner.Run.
func (p Program) Run(ctx context.Context, job runner.Job) (*result.Run, error) {
	encoded, err := json.Marshal(job)
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	out, err := p.call(ctx, "run", encoded)
	if err != nil {
		return nil, fmt.Errorf("%s on %s: %w", job.Scenario.Name, job.Target, err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		return nil, fmt.Errorf("worker: %s run: the answer is not one: %w", p.Path, err)
	}
	switch {
	case a.Unavailable:
		return nil, &target.UnavailableError{Target: a.Target, Reason: a.Reason}
	case a.Error != "":
		return nil, errors.New(a.Error)
	case a.Run == nil:
		return nil, fmt.Errorf("worker: %s run: the answer is empty", p.Path)
	}
	return a.Run, nil
}

// kill starts the worker to write the job's backlog into dir, and kills it when it
// has. A worker of several processes, as a server's is, would leave the others.
func (p Program) kill(ctx context.Context, job runner.Job, dir string) error {
	job.Dir = dir
	encoded, err := json.Marshal(job)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	// Standard input stays open until the worker has been killed.
	command, stdin, said, err := p.command(ctx, "leave")
	if err != nil {
		return err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("worker: start %s: %w", p.Path, err)
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("worker: start %s: %w", p.Path, err)
	}
	_, writeErr := stdin.Write(encoded)
	line, readErr := bufio.NewReader(io.LimitReader(stdout, int64(len(left))+1)).ReadString('\n')
	_ = command.Process.Kill() // or it has ended by itself
	err = command.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case line == left+"\n":
		return nil
	}
	return fmt.Errorf("worker: %s leave: %w: %s", p.Path, errors.Join(err, readErr, ignoreClosed(writeErr)), strings.TrimSpace(said.String()))
}

// command is the worker, not started, with its standard input and what will be kept of
// its standard error.
func (p Program) command(ctx context.Context, word string) (command *exec.Cmd, stdin io.WriteCloser, said *excerpt, err error) {
	command = exec.CommandContext(ctx, p.Path, append(append([]string{}, p.Args...), word)...)
	command.Env = append(os.Environ(), p.Env...)
	if stdin, err = command.StdinPipe(); err != nil {
		return nil, nil, nil, fmt.Errorf("worker: start %s: %w", p.Path, err)
	}
	said = new(excerpt)
	command.Stderr = said
	return command, stdin, said, nil
}

// call starts the worker, keeps its standard input open while it works, and
// returns what it printed.
func (p Program) call(ctx context.Context, word string, input []byte) ([]byte, error) {
	command, stdin, said, err := p.command(ctx, word)
	if err != nil {
		return nil, err
	}
	out := new(printed)
	command.Stdout = out
	// Closing standard input is the request to stop; killing comes later.
	command.Cancel = stdin.Close
	command.WaitDelay = stopDelay
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("worker: start %s: %w", p.Path, err)
	}
	_, writeErr := stdin.Write(input)
	err = command.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err = errors.Join(out.err, err, ignoreClosed(writeErr)); err != nil {
		return nil, fmt.Errorf("worker: %s %s: %w: %s", p.Path, word, err, strings.TrimSpace(said.String()))
	}
	return out.kept, nil
}

// ignoreClosed drops the error of writing to a worker that has ended by itself:
// how it ended says more.
func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// printed keeps an answer. One that is too long is an error, and the worker
// ends when it goes on printing.
type printed struct {
	kept []byte
	err  error
}

// Write implements io.Writer.
func (p *printed) Write(b []byte) (int, error) {
	if len(p.kept)+len(b) > answerMax {
		p.err = errLongAnswer
		return 0, p.err
	}
	p.kept = append(p.kept, b...)
	return len(b), nil
}

// excerpt keeps the first and the last bytes written to it: a crash begins with
// its reason and may end with many stacks.
type excerpt struct {
	first, last []byte
	cut         bool // there was more between them
}

// Write implements io.Writer.
func (e *excerpt) Write(b []byte) (int, error) {
	const half = errorTextMax / 2
	written := len(b)
	fits := min(half-len(e.first), len(b))
	e.first = append(e.first, b[:fits]...)
	e.last = append(e.last, b[fits:]...)
	if over := len(e.last) - half; over > 0 {
		e.last = append(e.last[:0], e.last[over:]...)
		e.cut = true
	}
	return written, nil
}

// String returns what was kept.
func (e *excerpt) String() string {
	if e.cut {
		return string(e.first) + " [...] " + string(e.last)
	}
	return string(e.first) + string(e.last)
}
