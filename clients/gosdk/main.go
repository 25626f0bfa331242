// Command gosdk does what a user of the AWS SDK for Go v2 does with Kinesis, and reports it.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithymiddleware "github.com/aws/smithy-go/middleware"
)

const module = "github.com/aws/aws-sdk-go-v2/service/kinesis"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	report(map[string]string{"client": "AWS SDK for Go v2", "version": version()})
	s := &session{name: "go"}
	endpoint := os.Getenv("MILLRACE_ENDPOINT")
	way := "HTTP/1.1, clear text, JSON"
	if strings.HasPrefix(endpoint, "https") {
		s.name, way = "go-tls", "HTTP/2, TLS, JSON"
	}
	if err := s.connect(endpoint); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.create, s.records, s.subscribe, s.reshard, s.remove} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if want, _, _ := strings.Cut(way, ","); s.protocol != want {
		return fmt.Errorf("answers came by %s, not by %s", s.protocol, want)
	}
	report(map[string]string{"way": way})
	return nil
}

// version is that of the module in this program.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, each := range info.Deps {
			if each.Path == module {
				return strings.TrimPrefix(each.Version, "v")
			}
		}
	}
	return "unknown"
}

func report(line map[string]string) {
	text, _ := json.Marshal(line) // strings always can be
	fmt.Println(string(text))
}

// session is one client and its stream.
type session struct {
	name     string
	client   *kinesis.Client
	arn      string
	shards   []types.Shard
	wanted   [][]byte // in the first shard
	protocol string   // of the last answer
}

// noting notes by which protocol requests are answered.
type noting struct {
	http.RoundTripper
	session *session
}

// RoundTrip implements http.RoundTripper.
func (n noting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := n.RoundTripper.RoundTrip(r)
	if err == nil {
		n.session.protocol = strings.TrimSuffix(answer.Proto, ".0")
	}
	return answer, err
}

func (s *session) connect(endpoint string) error {
	pem, err := os.ReadFile(os.Getenv("MILLRACE_CERTIFICATE"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	built := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	})
	s.client = kinesis.New(kinesis.Options{
		Region: os.Getenv("AWS_REGION"), BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
		HTTPClient:  &http.Client{Transport: noting{built.GetTransport(), s}},
		APIOptions:  []func(*smithymiddleware.Stack) error{observe},
	})
	return nil
}

// observe reports the outcome of each operation.
func observe(stack *smithymiddleware.Stack) error {
	return stack.Initialize.Add(smithymiddleware.InitializeMiddlewareFunc("observe", func(
		ctx context.Context, in smithymiddleware.InitializeInput, next smithymiddleware.InitializeHandler,
	) (smithymiddleware.InitializeOutput, smithymiddleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		line := map[string]string{"operation": middleware.GetOperationName(ctx)}
		var failed smithy.APIError
		if errors.As(err, &failed) {
			line["error"] = failed.ErrorCode()
		}
		if err == nil || failed != nil {
			report(line)
		}
		return out, metadata, err
	}), smithymiddleware.Before)
}

func (s *session) active(ctx context.Context) error {
	return kinesis.NewStreamExistsWaiter(s.client, func(o *kinesis.StreamExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 100*time.Millisecond
	}).
		Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &s.name}, time.Minute)
}

func (s *session) create(ctx context.Context) error {
	input := &kinesis.CreateStreamInput{StreamName: &s.name, ShardCount: aws.Int32(2)}
	if _, err := s.client.CreateStream(ctx, input); err != nil {
		return err
	}
	var exists *types.ResourceInUseException
	if _, err := s.client.CreateStream(ctx, input); !errors.As(err, &exists) {
		return fmt.Errorf("a stream that exists: %w", err)
	}
	if err := s.active(ctx); err != nil {
		return err
	}
	described, err := s.client.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: &s.name})
	if err != nil {
		return err
	}
	s.arn, s.shards = *described.StreamDescription.StreamARN, described.StreamDescription.Shards
	var missing *types.ResourceNotFoundException
	if _, err := s.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("nowhere")}); !errors.As(err, &missing) {
		return fmt.Errorf("a stream that does not exist: %w", err)
	}
	found := false
	for pages := kinesis.NewListStreamsPaginator(s.client, &kinesis.ListStreamsInput{Limit: aws.Int32(1)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, name := range page.StreamNames {
			found = found || name == s.name
		}
	}
	if !found {
		return errors.New("the stream is on no page of ListStreams")
	}
	return nil
}

func (s *session) records(ctx context.Context) error {
	var entries []types.PutRecordsRequestEntry
	for i := range 500 {
		data := fmt.Appendf(nil, "record %d", i)
		s.wanted = append(s.wanted, data)
		entries = append(entries, types.PutRecordsRequestEntry{Data: data, PartitionKey: aws.String("größe"), ExplicitHashKey: aws.String("0")})
	}
	many, err := s.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamARN: &s.arn, Records: entries})
	if err != nil || *many.FailedRecordCount != 0 {
		return fmt.Errorf("PutRecords: %w", err)
	}
	got, _, err := s.read(ctx, len(s.wanted))
	if err != nil {
		return err
	}
	return s.compare(got)
}

// read reads that many records of the first shard, or to its end.
func (s *session) read(ctx context.Context, count int) (got [][]byte, children []types.ChildShard, err error) {
	opened, err := s.client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamARN: &s.arn, ShardId: s.shards[0].ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		return nil, nil, err
	}
	for at := opened.ShardIterator; at != nil && len(got) < count; {
		page, err := s.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at, Limit: aws.Int32(100)})
		if err != nil {
			return nil, nil, err
		}
		for _, r := range page.Records {
			got = append(got, r.Data)
		}
		at, children = page.NextShardIterator, page.ChildShards
	}
	return got, children, nil
}

func (s *session) compare(got [][]byte) error {
	if len(got) != len(s.wanted) {
		return fmt.Errorf("%d records, want %d", len(got), len(s.wanted))
	}
	for i := range got {
		if !bytes.Equal(got[i], s.wanted[i]) {
			return fmt.Errorf("record %d is %q, want %q", i, got[i], s.wanted[i])
		}
	}
	return nil
}

// subscribe reads by enhanced fan-out, and what is put meanwhile too.
func (s *session) subscribe(ctx context.Context) error {
	made, err := s.client.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: &s.arn, ConsumerName: aws.String("pushed")})
	if err != nil {
		return err
	}
	consumer := made.Consumer.ConsumerARN
	for status := types.ConsumerStatusCreating; status != types.ConsumerStatusActive; {
		described, err := s.client.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerARN: consumer})
		if err != nil {
			return err
		}
		status = described.ConsumerDescription.ConsumerStatus
	}
	subscribed, err := s.client.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{
		ConsumerARN: consumer, ShardId: s.shards[0].ShardId, StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
	})
	if err != nil {
		return err
	}
	events := subscribed.GetStream()
	before, got := len(s.wanted), [][]byte(nil)
	for event := range events.Events() {
		pushed, ok := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
		if !ok {
			return fmt.Errorf("event %T", event)
		}
		for _, r := range pushed.Value.Records {
			got = append(got, r.Data)
		}
		if len(got) == before && len(s.wanted) == before {
			s.wanted = append(s.wanted, []byte("pushed"))
			if _, err := s.client.PutRecord(ctx, &kinesis.PutRecordInput{
				StreamARN: &s.arn, Data: []byte("pushed"), PartitionKey: aws.String("k"), ExplicitHashKey: aws.String("0"),
			}); err != nil {
				return err
			}
		}
		if len(got) > before {
			break
		}
	}
	return errors.Join(s.compare(got), events.Close(), events.Err())
}

func (s *session) reshard(ctx context.Context) error {
	if _, err := s.client.SplitShard(ctx, &kinesis.SplitShardInput{
		StreamARN: &s.arn, ShardToSplit: s.shards[0].ShardId, NewStartingHashKey: aws.String("85070591730234615865843651857942052864"),
	}); err != nil {
		return err
	}
	if err := s.active(ctx); err != nil {
		return err
	}
	got, children, err := s.read(ctx, len(s.wanted)+1)
	if err != nil {
		return err
	}
	if len(children) != 2 {
		return fmt.Errorf("children of the shard: %v", children)
	}
	if _, err := s.client.MergeShards(ctx, &kinesis.MergeShardsInput{
		StreamARN: &s.arn, ShardToMerge: children[1].ShardId, AdjacentShardToMerge: s.shards[1].ShardId,
	}); err != nil {
		return err
	}
	return errors.Join(s.compare(got), s.active(ctx))
}

func (s *session) remove(ctx context.Context) error {
	if _, err := s.client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamARN: &s.arn, EnforceConsumerDeletion: aws.Bool(true)}); err != nil {
		return err
	}
	return kinesis.NewStreamNotExistsWaiter(s.client, func(o *kinesis.StreamNotExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 100*time.Millisecond
	}).
		Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &s.name}, time.Minute)
}
