package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// stopMax is how long a server may take to end by itself.
	stopMax = 10 * time.Second
	// outputMax is how much of what it prints is kept.
	outputMax = 64 << 10
	// pollInterval is between two looks whether it is ready.
	pollInterval = 10 * time.Millisecond
)

// Command is a server to be started.
type Command struct {
	Path string
	Args []string
	// Env is added to the environment.
	Env []string
	// Dir is its working directory.
	Dir string
}

// Process is a server that was started.
type Process struct {
	command *exec.Cmd
	output  *recent
	ended   chan struct{}
	err     error // set before ended is closed
	stop    sync.Once
}

// Start starts a server. It runs until Stop or the death of this process; ctx
// bounds nothing but the start.
func Start(ctx context.Context, c Command) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	command := exec.Command(c.Path, c.Args...) //nolint:noctx // it outlives the context of its start; Stop and Kill end it
	command.Env, command.Dir = append(os.Environ(), c.Env...), c.Dir
	command.SysProcAttr = attributes()
	p := &Process{command: command, output: &recent{maximum: outputMax}, ended: make(chan struct{})}
	command.Stdout, command.Stderr = p.output, p.output
	if err := start(command); err != nil {
		return nil, fmt.Errorf("process: start %s: %w", c.Path, err)
	}
	go func() {
		// Joined by Stop through ended.
		p.err = command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Ready asks whether the server answers, again and again, until ask returns nil,
// the server ends, or the time is up. The error has what the server printed.
func (p *Process) Ready(ctx context.Context, limit time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("process: %s ended before it was ready: %w: %s", p.command.Path, errors.Join(p.err, err), p.output)
		case <-ctx.Done():
			return fmt.Errorf("process: %s is not ready: %w: %s", p.command.Path, err, p.output)
		case <-ticker.C:
		}
	}
}

// Output returns the newest bytes of what the server printed.
func (p *Process) Output() string { return p.output.String() }

// ID returns the number of the process.
func (p *Process) ID() int { return p.command.Process.Pid }

// Stop ends the server and everything it started, and waits. It is idempotent.
func (p *Process) Stop() error {
	p.stop.Do(func() {
		_ = signalGroup(p.ID(), syscall.SIGTERM)
		timer := time.NewTimer(stopMax)
		defer timer.Stop()
		select {
		case <-p.ended:
		case <-timer.C:
		}
		// The rest of the group, if the server left any behind, too.
		_ = signalGroup(p.ID(), syscall.SIGKILL)
		<-p.ended
	})
	return nil
}

// Kill ends the server as a crash would, and waits.
func (p *Process) Kill() error {
	p.stop.Do(func() {
		_ = signalGroup(p.ID(), syscall.SIGKILL)
		<-p.ended
	})
	return nil
}

// FreePort returns a port of the loopback interface that nobody listens to.
// Somebody else may take it before the server does: start it again then.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nothing is waited for
	if err != nil {
		return 0, fmt.Errorf("process: free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

// Listening returns an ask for Ready: whether something accepts connections.
func Listening(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}

// recent keeps the newest bytes written to it.
type recent struct {
	mutex   sync.Mutex
	maximum int
	kept    []byte
}

// Write implements io.Writer.
func (r *recent) Write(b []byte) (int, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.kept = append(r.kept, b...)
	if over := len(r.kept) - r.maximum; over > 0 {
		r.kept = append(r.kept[:0], r.kept[over:]...)
	}
	return len(b), nil
}

// String returns what was kept.
func (r *recent) String() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return strings.TrimSpace(string(r.kept))
}
