//go:build !linux

package process

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func attributes() *syscall.SysProcAttr { return nil }

func start(command *exec.Cmd) error { return command.Start() }

// signalGroup ends one process: groups are not portable.
func signalGroup(leader int, _ syscall.Signal) error {
	process, err := os.FindProcess(leader)
	if err != nil {
		return err
	}
	return process.Kill()
}

// CPU is known on Linux only.
func (p *Process) CPU() (time.Duration, error) { return 0, errors.ErrUnsupported }

// Memory is known on Linux only.
func (p *Process) Memory() (int64, error) { return 0, errors.ErrUnsupported }
