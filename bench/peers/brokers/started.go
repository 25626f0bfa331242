package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/process"
)

// startMax is how long a server may take to start. The slowest one takes five
// seconds on two idle cores.
const startMax = time.Minute

// started is the part of a session that knows the server's process.
type started struct{ process *process.Process }

// ServerCPU implements target.Server.
func (s started) ServerCPU() (time.Duration, error) { return s.process.CPU() }

// ServerMemory implements target.Server.
func (s started) ServerMemory() (int64, error) { return s.process.Memory() }

// startTries is how often a server is started: another program may take its
// port before it does.
const startTries = 2

// onFreePorts opens a session on so many free ports, again if that fails.
func onFreePorts[S target.Session](ctx context.Context, count int, open func(ports []int) (S, error)) (target.Session, error) {
	var failures error
	for range startTries {
		ports, err := freePorts(count)
		if err != nil {
			return nil, err
		}
		session, err := open(ports)
		if err == nil {
			return session, nil
		}
		if failures = errors.Join(failures, err); ctx.Err() != nil {
			break
		}
	}
	return nil, failures
}

// loopback returns the address of a port of this machine.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts returns several different ports that nobody listens to.
func freePorts(count int) ([]int, error) {
	const triesEach = 10
	var ports []int
	taken := map[int]bool{}
	for range count * triesEach {
		port, err := process.FreePort()
		if err != nil {
			return nil, err
		}
		if taken[port] {
			continue
		}
		taken[port] = true
		if ports = append(ports, port); len(ports) == count {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("brokers: the system has no %d free ports on 127.0.0.1", count)
}

// unknownDurability is the error for a durability that About does not list.
func unknownDurability(name string, wanted target.Durability) error {
	return &target.UnavailableError{Target: name, Reason: fmt.Sprintf("it has no durability %q", wanted)}
}
