package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/millrace-io/millrace/bench/peers/kinesis/session"
	"github.com/millrace-io/millrace/bench/requests"
	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/installed"
	"github.com/millrace-io/millrace/bench/target/process"
)

const (
	// readyMax is how long a server may take to start.
	readyMax = time.Minute
	// startsMax is how often it is started: somebody else may take its port
	// between its being found free and its being used.
	startsMax = 3
)

// emulator is a server that speaks the API of Kinesis.
type emulator struct {
	name  string
	notes string
	// persistent says that records are there again after a restart.
	persistent bool
	// command is how the server is started from its folder to listen to port,
	// with room for that many shards and its files below directory.
	command func(folder, directory string, port, shards int) (process.Command, error)
}

// About implements target.Target.
func (e emulator) About() target.About {
	return target.About{
		Name: e.name, Version: installed.Version(e.name), Kind: "broker", Durabilities: []target.Durability{target.None}, Notes: e.notes,
	}
}

// Open implements target.Target.
func (e emulator) Open(ctx context.Context, c target.Config) (target.Session, error) {
	if c.Durability != target.None {
		return nil, &target.UnavailableError{Target: e.name, Reason: fmt.Sprintf("it has no durability %s, only none", c.Durability)}
	}
	if c.Reopen && !e.persistent {
		return nil, &target.UnavailableError{Target: e.name, Reason: "it keeps records in memory, so there is nothing to open again"}
	}
	folder, err := installed.Folder(e.name, e.name)
	if err != nil {
		return nil, err
	}
	server, address, err := e.start(ctx, folder, c)
	if err != nil {
		return nil, err
	}
	opened, err := openSession(ctx, address, running{server}, c)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kinesis: open %s: %w; it said: %s", e.name, err, server.Output()), server.Stop())
	}
	return opened, nil
}

// openSession opens a session with the client that the options name: the AWS SDK
// unless they name another.
func openSession(ctx context.Context, address string, of running, c target.Config) (target.Session, error) {
	if c.Options[requests.ClientOption] == requests.Thin {
		opened, err := requests.Open(ctx, address, streamName, false, c)
		return &servedThin{opened, of}, err
	}
	opened, err := session.Open(ctx, (&url.URL{Scheme: "http", Host: address}).String(), c)
	return &served{opened, of}, err
}

// start starts the server and waits until it listens.
func (e emulator) start(ctx context.Context, folder string, c target.Config) (*process.Process, string, error) {
	var failures error
	for range startsMax {
		port, err := process.FreePort()
		if err != nil {
			return nil, "", err
		}
		command, err := e.command(folder, c.Dir, port, max(c.Shards, 1))
		if err != nil {
			return nil, "", err
		}
		server, err := process.Start(ctx, command)
		if err != nil {
			return nil, "", err
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		err = server.Ready(ctx, readyMax, process.Listening(address))
		if err == nil {
			return server, address, nil
		}
		failures = errors.Join(failures, err, server.Stop())
		if ctx.Err() != nil {
			break
		}
	}
	return nil, "", fmt.Errorf("kinesis: start %s: %w", e.name, failures)
}

// streamName is the stream of a session that gives it a name.
const streamName = "bench"

// running is the server of a session.
type running struct{ process *process.Process }

// ServerCPU implements target.Server.
func (r running) ServerCPU() (time.Duration, error) { return r.process.CPU() }

// ServerMemory implements target.Server.
func (r running) ServerMemory() (int64, error) { return r.process.Memory() }

// served is a session with the server it is of.
type served struct {
	*session.Session
	running
}

// Close implements target.Session.
func (s *served) Close() error { return errors.Join(s.Session.Close(), s.process.Stop()) }

// servedThin is served without an SDK.
type servedThin struct {
	*requests.Session
	running
}

// Close implements target.Session.
func (s *servedThin) Close() error { return errors.Join(s.Session.Close(), s.process.Stop()) }
