package streams_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

const (
	account = streams.AccountDefault
	region  = "eu-west-1"
	// patience bounds every wait of a test; none takes nearly as long.
	patience = 30 * time.Second
)

func arnOf(name string) string {
	return "arn:aws:kinesis:" + region + ":" + account + ":stream/" + name
}

// handClock moves only when it is told to.
type handClock struct {
	mutex   sync.Mutex
	now     time.Time
	pending []*handTimer
}

type handTimer struct {
	clock *handClock
	due   time.Time
	do    func()
}

func newHandClock() *handClock { return &handClock{now: time.Unix(1_700_000_000, 250e6)} }

func (c *handClock) Now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

func (c *handClock) AfterFunc(d time.Duration, do func()) clock.Timer {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	t := &handTimer{c, c.now.Add(d), do}
	c.pending = append(c.pending, t)
	return t
}

func (t *handTimer) Stop() bool {
	t.clock.mutex.Lock()
	defer t.clock.mutex.Unlock()
	before := len(t.clock.pending)
	t.clock.pending = slices.DeleteFunc(t.clock.pending, func(each *handTimer) bool { return each == t })
	return len(t.clock.pending) < before
}

// Advance moves the clock and does what is due, in its order.
func (c *handClock) Advance(d time.Duration) {
	c.mutex.Lock()
	c.now = c.now.Add(d)
	var due []*handTimer
	c.pending = slices.DeleteFunc(c.pending, func(t *handTimer) bool {
		if t.due.After(c.now) {
			return false
		}
		due = append(due, t)
		return true
	})
	c.mutex.Unlock()
	slices.SortStableFunc(due, func(a, b *handTimer) int { return a.due.Compare(b.due) })
	for _, t := range due {
		t.do()
	}
}

// fixture is a server over an empty store whose disk is memory and whose clock is moved by hand,
// and a client of AWS's.
type fixture struct {
	t         testing.TB
	clock     *handClock
	options   streams.Options
	directory string
	disk      *crashfs.FS
	store     *stream.Store
	api       *streams.API
	front     *kinesis.Front
	server    *httptest.Server
	transport *http.Transport
	client    *awskinesis.Client

	// shardsMax is how many shards the store lets a stream have; 0 is its default.
	shardsMax int

	mutex     sync.Mutex
	authorize func(kinesis.Permission) error
	observe   func(kinesis.Observation)
}

// newFixture starts a server, which shows no states unless a change says so.
func newFixture(t testing.TB, changes ...func(*streams.Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: newHandClock(), directory: t.TempDir(), disk: crashfs.New(crashfs.Options{})}
	f.options = streams.Options{StatusDelay: -1, ScaleInterval: -1, Clock: f.clock}
	for _, change := range changes {
		change(&f.options)
	}
	f.start()
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *fixture) start() {
	f.t.Helper()
	store, err := stream.Open(f.directory, stream.Options{
		Options:           wal.Options{FS: f.disk, Backend: wal.BackendHeap, Clock: f.clock},
		RetentionInterval: -1, ShardsPerStreamMax: f.shardsMax,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.store = store
	if f.api, err = streams.New(store, f.options); err != nil {
		f.t.Fatal(err)
	}
	f.front, err = kinesis.NewFront(kinesis.Options{
		Anonymous: kinesis.Identity{Account: account, Region: region, Principal: "arn:aws:iam::" + account + ":user/test"},
		Authorize: func(_ context.Context, p kinesis.Permission) error {
			f.mutex.Lock()
			defer f.mutex.Unlock()
			if f.authorize == nil {
				return nil
			}
			return f.authorize(p)
		},
		Observe: func(o kinesis.Observation) {
			f.mutex.Lock()
			defer f.mutex.Unlock()
			if f.observe != nil {
				f.observe(o)
			}
		},
	}, f.api.Service())
	if err != nil {
		f.t.Fatal(err)
	}
	f.server = httptest.NewUnstartedServer(f.front)
	f.server.Config.Protocols = new(http.Protocols)
	f.server.Config.Protocols.SetHTTP1(true)
	f.server.Config.Protocols.SetUnencryptedHTTP2(true)
	f.server.Start()
	// Over HTTP/1.1 this SDK closes the connection of a subscription now and then, if the answer
	// begins before its transport has seen the end of the request's body.
	f.transport = &http.Transport{Protocols: new(http.Protocols)}
	f.transport.Protocols.SetUnencryptedHTTP2(true)
	f.client = f.newClient()
}

// newClient returns a client. Each subscription needs one of its own: those of one client share memory
// that they write to.
func (f *fixture) newClient() *awskinesis.Client {
	return awskinesis.New(awskinesis.Options{
		Region: region, BaseEndpoint: &f.server.URL, HTTPClient: &http.Client{Transport: f.transport}, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	})
}

func (f *fixture) stop() {
	f.t.Helper()
	f.api.Drain()
	f.transport.CloseIdleConnections()
	f.server.Close()
	if err := errors.Join(f.api.Close(), f.store.Close()); err != nil {
		f.t.Error(err)
	}
}

// restart stops the server and starts another over the same data.
func (f *fixture) restart() {
	f.t.Helper()
	f.stop()
	f.start()
}

// authorizeBy has every request asked for.
func (f *fixture) authorizeBy(ask func(kinesis.Permission) error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.authorize = ask
}

func (f *fixture) observeBy(see func(kinesis.Observation)) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.observe = see
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// create makes a provisioned stream.
func (f *fixture) create(name string, shards int32) {
	f.t.Helper()
	_, err := f.client.CreateStream(f.t.Context(), &awskinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards})
	f.must(err)
}

// createOnDemand makes a stream ON_DEMAND.
func (f *fixture) createOnDemand(name string) {
	f.t.Helper()
	_, err := f.client.CreateStream(f.t.Context(), &awskinesis.CreateStreamInput{
		StreamName: &name, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand},
	})
	f.must(err)
}

// status returns what a stream shows.
func (f *fixture) status(name string) types.StreamStatus {
	f.t.Helper()
	out, err := f.client.DescribeStreamSummary(f.t.Context(), &awskinesis.DescribeStreamSummaryInput{StreamName: &name})
	f.must(err)
	return out.StreamDescriptionSummary.StreamStatus
}

// put writes a record to a place in the hash space.
func (f *fixture) put(name, data, hash string) *awskinesis.PutRecordOutput {
	f.t.Helper()
	in := &awskinesis.PutRecordInput{StreamName: &name, Data: []byte(data), PartitionKey: aws.String("key")}
	if hash != "" {
		in.ExplicitHashKey = &hash
	}
	out, err := f.client.PutRecord(f.t.Context(), in)
	f.must(err)
	return out
}

// iterator returns an iterator of a shard.
func (f *fixture) iterator(name, shard string, kind types.ShardIteratorType) *string {
	f.t.Helper()
	out, err := f.client.GetShardIterator(f.t.Context(), &awskinesis.GetShardIteratorInput{StreamName: &name, ShardId: &shard, ShardIteratorType: kind})
	f.must(err)
	return out.ShardIterator
}

// get reads once.
func (f *fixture) get(iterator *string) *awskinesis.GetRecordsOutput {
	f.t.Helper()
	out, err := f.client.GetRecords(f.t.Context(), &awskinesis.GetRecordsInput{ShardIterator: iterator})
	f.must(err)
	return out
}

// shards lists the shards that pass a filter.
func (f *fixture) shards(name string, filter *types.ShardFilter) []types.Shard {
	f.t.Helper()
	out, err := f.client.ListShards(f.t.Context(), &awskinesis.ListShardsInput{StreamName: &name, ShardFilter: filter})
	f.must(err)
	return out.Shards
}

// consumer registers a consumer and returns its ARN.
func (f *fixture) consumer(streamName, name string) *string {
	f.t.Helper()
	out, err := f.client.RegisterStreamConsumer(f.t.Context(), &awskinesis.RegisterStreamConsumerInput{StreamARN: aws.String(arnOf(streamName)), ConsumerName: &name})
	f.must(err)
	return out.Consumer.ConsumerARN
}

// data returns what records hold.
func data(records []types.Record) []string {
	texts := make([]string, len(records))
	for i, r := range records {
		texts[i] = string(r.Data)
	}
	return texts
}

// refused checks the error of a request: its code and, unless it is empty, its text.
func (f *fixture) refused(err error, code, message string) {
	f.t.Helper()
	var shown smithy.APIError
	if !errors.As(err, &shown) || shown.ErrorCode() != code || message != "" && shown.ErrorMessage() != message {
		f.t.Errorf("the error is\n%v\ninstead of\n%s: %s", err, code, message)
	}
	var response interface{ HTTPStatusCode() int }
	want := http.StatusBadRequest
	if code == "InternalFailureException" || code == kinesis.CodeInternalFailure {
		want = http.StatusInternalServerError
	}
	if errors.As(err, &response) && response.HTTPStatusCode() != want {
		f.t.Errorf("%s has status %d instead of %d", code, response.HTTPStatusCode(), want)
	}
}

// waiting returns how many timers there are.
func (c *handClock) waiting() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.pending)
}
