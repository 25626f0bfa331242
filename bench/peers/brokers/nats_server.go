package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/millrace-io/millrace/bench/target/process"
)

// natsServerWord is the first argument that makes this program a NATS server.
const natsServerWord = "nats-server"

// natsPayloadMax lets the harness send its largest record.
const natsPayloadMax = 16 << 20

// serveNATSIfAsked is a NATS server until it is told to stop, if the program was
// started as one; it does not return then.
func serveNATSIfAsked() {
	if len(os.Args) < 2 || os.Args[1] != natsServerWord {
		return
	}
	if err := serveNATS(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// natsAddress is what the server's process prints when it is ready.
type natsAddress struct {
	URL string `json:"url"`
}

// serveNATS runs a server with JetStream. SIGTERM ends it in order.
func serveNATS(arguments []string) error {
	flags := flag.NewFlagSet(natsServerWord, flag.ContinueOnError)
	directory := flags.String("directory", "", "where the streams are")
	syncAlways := flags.Bool("sync-always", false, "sync every message before it is acknowledged")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, MaxPayload: natsPayloadMax,
		JetStream: true, StoreDir: *directory, SyncAlways: *syncAlways, NoLog: true,
	})
	if err != nil {
		return fmt.Errorf("brokers: NATS server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(startMax) || !s.JetStreamEnabled() {
		return errors.New("brokers: NATS server: it accepts no connections, or JetStream did not start")
	}
	if err := json.NewEncoder(os.Stdout).Encode(natsAddress{URL: s.ClientURL()}); err != nil {
		return err
	}
	s.WaitForShutdown()
	return nil
}

// startNATS starts this program again as a server over directory, and returns
// its address.
func startNATS(ctx context.Context, directory string, syncAlways bool) (*process.Process, string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, "", fmt.Errorf("brokers: NATS server: %w", err)
	}
	p, err := process.Start(ctx, process.Command{
		Path: program,
		Args: []string{natsServerWord, "-directory", directory, fmt.Sprintf("-sync-always=%t", syncAlways)},
		Dir:  directory,
	})
	if err != nil {
		return nil, "", err
	}
	var address natsAddress
	err = p.Ready(ctx, startMax, func(context.Context) error {
		return json.Unmarshal([]byte(p.Output()), &address)
	})
	if err != nil {
		return nil, "", errors.Join(err, p.Stop())
	}
	return p, address.URL, nil
}

// natsTimeout bounds requests to the server and the end of a batch.
const natsTimeout = 30 * time.Second
