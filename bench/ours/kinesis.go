package ours

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace-io/millrace/bench/requests"
	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/process"
	"github.com/millrace-io/millrace/client"
)

// Kinesis is a server in a process of its own, by the API of Kinesis Data Streams
// over a loopback connection.
type Kinesis struct {
	// Program is a millrace binary.
	Program string
}

// About implements target.Target.
func (Kinesis) About() target.About {
	return target.About{
		Name: "kinesis", Version: version(), Kind: "broker", Durabilities: everyDurability, Checks: true,
		Notes: "millrace serve, the API of Kinesis Data Streams over HTTP/1.1, without an SDK, in clear text unless the option tls is true; signatures are not verified, as on loopback by default",
	}
}

// Open implements target.Target.
func (k Kinesis) Open(ctx context.Context, c target.Config) (target.Session, error) {
	promise, err := durability(c.Durability)
	if err != nil {
		return nil, err
	}
	started, at, err := serve(ctx, k.Program, c.Dir)
	if err != nil {
		return nil, err
	}
	// The API has no word for durability, so the stream is made by another one.
	if !c.Reopen {
		err = createStream(ctx, at.Native, client.StreamConfig{Name: streamName, Shards: max(c.Shards, 1), Durability: promise})
	}
	var opened *requests.Session
	if err == nil {
		opened, err = requests.Open(ctx, at.HTTP, streamName, true, c)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ours: open kinesis: %w", err), started.Stop())
	}
	return &kinesisSession{opened, started}, nil
}

// createStream makes a stream by the native protocol.
func createStream(ctx context.Context, address string, config client.StreamConfig) error {
	c, err := client.New(ctx, address)
	if err != nil {
		return err
	}
	_, err = c.CreateStream(ctx, config)
	return errors.Join(err, c.Close())
}

// kinesisSession is a session with the server it is of.
type kinesisSession struct {
	*requests.Session
	process *process.Process
}

// ServerCPU implements target.Server.
func (s *kinesisSession) ServerCPU() (time.Duration, error) { return s.process.CPU() }

// ServerMemory implements target.Server.
func (s *kinesisSession) ServerMemory() (int64, error) { return s.process.Memory() }

// Close implements target.Session.
func (s *kinesisSession) Close() error { return errors.Join(s.Session.Close(), s.process.Stop()) }
