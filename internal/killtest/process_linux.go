package killtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// Process is a server in a process of its own.
type Process struct {
	// Address is that of the native protocol, Admin that of the metrics, HTTP that of
	// the API of AWS.
	Address, Admin, HTTP string

	command *exec.Cmd
	log     *tail
	exited  chan struct{}
	failed  error // of Wait; read behind exited
}

// Start runs the binary with the arguments, which must make it print its
// endpoints as one line of JSON when it is ready, and waits for that. It is
// killed when ctx ends.
func Start(ctx context.Context, binary string, arguments ...string) (*Process, error) {
	p := &Process{command: exec.CommandContext(ctx, binary, arguments...), log: &tail{}, exited: make(chan struct{})}
	p.command.Stderr = p.log
	// The server must not outlive a test that is killed itself.
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("killtest: start: %w", err)
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("killtest: start: %w", err)
	}
	line, readErr := bufio.NewReader(out).ReadBytes('\n')
	go func() {
		defer close(p.exited)
		p.failed = p.command.Wait()
	}()
	var ready struct {
		Native string `json:"native_address"`
		Admin  string `json:"admin_address"`
		HTTP   string `json:"http_address"`
	}
	if err := errors.Join(readErr, json.Unmarshal(line, &ready)); readErr != nil || ready.Native == "" {
		_ = p.Kill()
		return nil, fmt.Errorf("killtest: the server did not become ready: %w\n%s", err, p.log)
	}
	p.Address, p.Admin, p.HTTP = ready.Native, ready.Admin, ready.HTTP
	return p, nil
}

// Kill sends SIGKILL and waits until the process is gone. The error is one of a
// process that had ended before.
func (p *Process) Kill() error {
	killed := p.command.Process.Kill()
	<-p.exited
	var exit *exec.ExitError
	if errors.As(p.failed, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return nil
	}
	return errors.Join(fmt.Errorf("killtest: the server ended by itself:\n%s", p.log), p.failed, killed)
}

// Log returns the end of what the server has written to standard error.
func (p *Process) Log() string { return p.log.String() }

// Pid returns the id of the process.
func (p *Process) Pid() int { return p.command.Process.Pid }

// Stop sends SIGTERM and waits for the end, which must be an orderly one.
func (p *Process) Stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("killtest: stop: %w", err)
	}
	<-p.exited
	if p.failed != nil {
		return fmt.Errorf("killtest: stop: %w\n%s", p.failed, p.log)
	}
	return nil
}

// tailMax is how much of a server's log is kept.
const tailMax = 16 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mutex sync.Mutex
	kept  []byte
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.kept = append(t.kept, b...)
	if cut := len(t.kept) - tailMax; cut > 0 {
		t.kept = bytes.Clone(t.kept[cut:])
	}
	return len(b), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return strings.TrimSpace(string(t.kept))
}
