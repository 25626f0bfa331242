package process

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// attributes puts the server into a process group of its own, to be ended with
// all its children, and has the kernel kill it with its parent.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// starts is where start asks for processes. The kernel sends the death signal
// when the thread that started a process ends, not the process; so all are
// started from one thread that never does.
var starts = sync.OnceValue(func() chan<- func() {
	requests := make(chan func(), 1)
	go func() {
		runtime.LockOSThread()
		for request := range requests {
			request()
		}
	}()
	return requests
})

// start starts a command from the thread that lives as long as this process.
func start(command *exec.Cmd) error {
	result := make(chan error, 1)
	starts() <- func() { result <- command.Start() }
	return <-result
}

// signalGroup sends a signal to all processes of a group.
func signalGroup(leader int, signal syscall.Signal) error { return syscall.Kill(-leader, signal) }

// clockTicks is the unit of times in /proc: 100 a second on every Linux that Go
// runs on.
const clockTicks = 100

// CPU returns the processor time of the server and of all its descendants that
// still live, user and system.
func (p *Process) CPU() (time.Duration, error) {
	var ticks int64
	err := p.family(func(fields []string, _ int) {
		for _, field := range fields[11:13] { // utime, stime, counted behind the name
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	})
	return time.Duration(ticks) * time.Second / clockTicks, err
}

// Memory returns the resident bytes of the server and its descendants.
func (p *Process) Memory() (int64, error) {
	var pages int64
	err := p.family(func(fields []string, _ int) {
		n, _ := strconv.ParseInt(fields[21], 10, 64)
		pages += n
	})
	return pages * int64(os.Getpagesize()), err
}

// family visits /proc/PID/stat of all processes in the server's group, split
// behind the name, which may contain spaces.
func (p *Process) family(visit func(fields []string, id int)) error {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	found := false
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		end := bytes.LastIndexByte(b, ')')
		if end < 0 {
			continue
		}
		fields := strings.Fields(string(b[end+1:]))
		const needed = 22
		if len(fields) < needed || fields[2] != strconv.Itoa(p.ID()) || fields[0] == "Z" {
			continue // another process group, or dead and not yet reaped
		}
		found = true
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		visit(fields, id)
	}
	if !found {
		return fmt.Errorf("process: %d has ended", p.ID())
	}
	return nil
}
