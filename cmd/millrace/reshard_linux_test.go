package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/millrace-io/millrace/internal/killtest"
)

const (
	reshardRoundsDefault = 50
	reshardRoundsShort   = 3
	// reshardEpoch is how many rounds share a directory, whose shards get more and more.
	reshardEpoch   = 10
	reshardStream  = "resharded"
	reshardShards  = 4
	reshardWriters = 8
	// reshardAcksMax is the most acknowledgements of a round before its kill.
	reshardAcksMax = 400
	// reshardPatience is how long consumers may take to read what there is.
	reshardPatience = 30 * time.Second
	// pollPause is the pause of whoever asks again.
	pollPause = 4 * time.Millisecond
)

// reshardRounds is how many rounds to run: MILLRACE_RESHARD_KILLS, or the default.
func reshardRounds(t *testing.T) int {
	text, found := os.LookupEnv("MILLRACE_RESHARD_KILLS")
	if !found {
		if testing.Short() {
			return reshardRoundsShort
		}
		return reshardRoundsDefault
	}
	rounds, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("MILLRACE_RESHARD_KILLS: %v", err)
	}
	return rounds
}

// TestReshardKill puts records through the SDK of AWS, splits and merges the shards
// meanwhile, kills the server in the middle and starts it again, over and over. Two
// consumers follow the shards all the time: one polls, one subscribes. In the end each
// of them, and a third one that begins then, must have read every acknowledged record
// once, and those of every key in the order in which they were put.
func TestReshardKill(t *testing.T) {
	binary := buildBinary(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rounds := reshardRounds(t)
	for epoch := 0; epoch*reshardEpoch < rounds; epoch++ {
		w := newReshardWorld(t, binary, killDirectory(t, epoch), rand.New(rand.NewPCG(seed, uint64(epoch))))
		w.run(min(rounds-epoch*reshardEpoch, reshardEpoch))
		if t.Failed() {
			return
		}
	}
}

// reshardWorld is a stream on a server that is killed now and then, and its clients.
type reshardWorld struct {
	t      *testing.T
	binary string
	data   string
	random *rand.Rand // of the rounds alone
	order  *killtest.Order
	arn    string
	// plain is a client in clear text; secure makes one with TLS, and so with HTTP/2.
	// Whatever server runs answers them. Each subscription needs a client of its own: the
	// subscriptions of one share the buffer that events are decoded in (aws/smithy-go
	// v1.28.8, internal/eventstream.Codec), which the race detector sees.
	plain    *kinesis.Client
	secure   func() *kinesis.Client
	idle     func() // closes their connections
	process  *killtest.Process
	address  atomic.Pointer[string] // nil while no server runs
	reshards atomic.Int64
	lastLog  atomic.Pointer[string] // of the server that was killed last
}

func newReshardWorld(t *testing.T, binary, dir string, random *rand.Rand) *reshardWorld {
	w := &reshardWorld{t: t, binary: binary, data: filepath.Join(dir, "data"), random: random, order: killtest.NewOrder()}
	transport := &http.Transport{
		DialContext:         w.dial,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 2 * reshardWriters,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // its certificate is its own
	}
	w.idle = transport.CloseIdleConnections
	client := func(scheme string) *kinesis.Client {
		return kinesis.New(kinesis.Options{
			Region:       "us-east-1",
			BaseEndpoint: aws.String(scheme + "://localhost"),
			Credentials:  credentials.NewStaticCredentialsProvider("any", "any", ""),
			HTTPClient:   &http.Client{Transport: transport},
			Retryer:      aws.NopRetryer{}, // what is put again is another record
		})
	}
	w.plain = client("http")
	w.secure = func() *kinesis.Client { return client("https") }
	return w
}

// dial connects to the server that runs, whatever the address.
func (w *reshardWorld) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	address := w.address.Load()
	if address == nil {
		return nil, net.ErrClosed
	}
	return new(net.Dialer).DialContext(ctx, network, *address)
}

func (w *reshardWorld) start() {
	// Small segments, so that kills meet rolls and seals as well.
	p, err := killtest.Start(w.t.Context(), w.binary, "serve", "--data", w.data, "--native-address", "127.0.0.1:0",
		"--admin-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--segment-bytes-min", "64KiB", "--segment-bytes-max", "1MiB",
		"--status-delay", "0s", "--output", "jsonl")
	if err != nil {
		w.t.Fatal(err)
	}
	w.process = p
	w.address.Store(&p.HTTP)
}

// create makes the stream and the consumer that subscribes.
func (w *reshardWorld) create(ctx context.Context) (consumer string) {
	_, err := w.plain.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(reshardStream), ShardCount: aws.Int32(reshardShards)})
	if err != nil {
		w.t.Fatal(err)
	}
	summary, err := w.plain.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(reshardStream)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.arn = *summary.StreamDescriptionSummary.StreamARN
	made, err := w.plain.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: &w.arn, ConsumerName: aws.String("subscriber")})
	if err != nil {
		w.t.Fatal(err)
	}
	return *made.Consumer.ConsumerARN
}

// run runs rounds and checks what was read.
func (w *reshardWorld) run(rounds int) {
	began := time.Now()
	w.start()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer w.idle()
	consumer := w.create(ctx)
	var consumers sync.WaitGroup
	defer consumers.Wait()
	defer cancel()
	consume := func(name string, read readShard) *killtest.Reader {
		f := &follower{world: w, reader: w.order.Reader(name), read: read}
		consumers.Go(func() { f.follow(ctx) })
		return f.reader
	}
	readers := []*killtest.Reader{
		consume("poller", w.poll),
		consume("subscriber", func(ctx context.Context, f *follower, shard string) ([]string, bool) {
			return w.subscribe(ctx, f, consumer, shard)
		}),
	}
	writers := newReshardWriters(w)
	for range rounds {
		w.round(ctx, writers)
		if w.t.Failed() {
			return
		}
		w.start()
	}
	for _, each := range writers {
		each.finish(ctx)
	}
	readers = append(readers, consume("reader of the end", w.poll))
	w.await(ctx, readers)
	shards := w.list(ctx)
	if err := w.order.Conclude(); err != nil {
		w.t.Error(err)
	}
	cancel()
	consumers.Wait()
	if err := w.process.Stop(); err != nil {
		w.t.Error(err)
	}
	w.t.Logf("%d rounds, %d records sent, %d acknowledged, %d changes of shards, %d shards, %v",
		rounds, w.order.Sent(), w.order.Acknowledged(), w.reshards.Load(), len(shards), time.Since(began).Round(time.Millisecond))
}

// await returns when all readers have read what was acknowledged, or patience ends.
func (w *reshardWorld) await(ctx context.Context, readers []*killtest.Reader) {
	ctx, cancel := context.WithTimeout(ctx, reshardPatience)
	defer cancel()
	for _, r := range readers {
		for r.Unread() > 0 && pause(ctx) {
		}
	}
}

// round is one life of the server under load.
type round struct {
	world *reshardWorld
	// acksLeft is how many acknowledgements the kill awaits.
	acksLeft atomic.Int64
	// within says that the kill comes during the change of shards that follows, so long
	// after its beginning.
	within time.Duration
	once   sync.Once
	over   chan struct{} // closed before the kill
	killed chan error
}

// round lets writers and changes of shards go on until the server is killed.
func (w *reshardWorld) round(ctx context.Context, writers []*reshardWriter) {
	r := &round{world: w, over: make(chan struct{}), killed: make(chan error, 1)}
	r.acksLeft.Store(int64(w.random.IntN(reshardAcksMax)))
	if w.random.IntN(2) == 0 {
		r.within = time.Duration(1 + w.random.IntN(int(10*time.Millisecond)))
	}
	var group sync.WaitGroup
	for _, each := range writers {
		group.Go(func() { each.write(ctx, r) })
	}
	for range 2 {
		random := rand.New(rand.NewPCG(w.random.Uint64(), 0))
		group.Go(func() { r.reshard(ctx, random) })
	}
	group.Wait()
	if err := <-r.killed; err != nil {
		w.t.Error(err)
	}
}

// acknowledged counts answers of the server.
func (r *round) acknowledged(n int) {
	if r.acksLeft.Add(int64(-n)) <= 0 && r.within == 0 {
		r.kill()
	}
}

// resharding is called when a change of shards begins.
func (r *round) resharding() {
	if r.acksLeft.Load() <= 0 && r.within > 0 {
		time.AfterFunc(r.within, r.kill)
	}
}

// kill ends the round.
func (r *round) kill() {
	r.once.Do(func() {
		close(r.over)
		r.world.address.Store(nil)
		err := r.world.process.Kill()
		log := r.world.process.Log()
		r.world.lastLog.Store(&log)
		r.killed <- err
	})
}

// ended reports whether the round is. Errors of calls then mean nothing.
func (r *round) ended() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

// failed reports an error of a call while the server lives, and ends the round.
func (r *round) failed(format string, args ...any) {
	if !r.ended() {
		r.world.t.Error(fmt.Errorf(format, args...))
		r.kill()
	}
}

// pause waits a little, and reports whether there is reason to go on.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(pollPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
