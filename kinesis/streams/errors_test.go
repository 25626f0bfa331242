package streams_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/kinesis/streams"
)

// Errors that AWS lists and that are not provoked here, by operation and code, and why. Where the
// operation is a star, it is so for all.
var unreachable = map[string]string{
	"* KMSDisabledException":     "keys are names: there is no KMS",
	"* KMSInvalidStateException": "keys are names: there is no KMS",
	"* KMSAccessDeniedException": "keys are names: there is no KMS",
	"* KMSNotFoundException":     "keys are names: there is no KMS",
	"* KMSOptInRequired":         "keys are names: there is no KMS",
	"* KMSThrottlingException":   "keys are names: there is no KMS",

	"PutRecords ProvisionedThroughputExceededException": "each record has its own error in the answer",
	"UpdateAccountSettings InvalidArgumentException":    "its only argument is one of two words, which the table checks",
}

// outcomes collects which operations succeeded and with which errors they failed.
type outcomes struct {
	mutex sync.Mutex
	seen  map[string]bool
}

func (o *outcomes) see(seen kinesis.Observation) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.seen[seen.Operation+" "+seen.Code] = true
}

// world is a fixture with what requests speak of.
type world struct {
	*fixture
	given map[string]given // by kind of stream: "provisioned" or "demand"
	// through sends what is tested, and is nil where the SDK for Go does.
	through sender
}

// sender sends the input of an operation, as the SDK for Go has it, by another client.
type sender func(endpoint, operation string, input any) error

// newWorld makes two streams of two and four shards, with a consumer and a channel.
func newWorld(t *testing.T, seen *outcomes, changes ...func(*streams.Options)) *world {
	w := &world{fixture: newFixture(t, changes...), given: make(map[string]given)}
	w.create("provisioned", 2)
	w.createOnDemand("demand")
	w.clock.Advance(time.Minute) // everything is ACTIVE now
	for _, name := range []string{"provisioned", "demand"} {
		g := given{
			name: aws.String(name), arn: aws.String(arnOf(name)), resource: arnOf(name), shard: shard0,
			consumer: w.consumer(name, "reader"), channelled: "new", consumed: "new", mode: types.StreamModeProvisioned,
			status: types.MinimumThroughputBillingCommitmentInputStatusEnabled,
		}
		w.clock.Advance(time.Minute)
		g.iterator = w.iterator(name, shard0, types.ShardIteratorTypeTrimHorizon)
		w.given[name] = g
	}
	made, err := w.client.CreateChannel(t.Context(), channelInput("channel", aws.String(arnOf("demand"))))
	w.must(err)
	for kind, g := range w.given {
		g.channel = made.ChannelDescription.ChannelARN
		w.given[kind] = g
	}
	w.clock.Advance(time.Minute)
	w.observeBy(seen.see)
	return w
}

// of returns what a good request of the operation speaks of.
func (w *world) of(operation string) given {
	switch operation {
	case "UpdateStreamWarmThroughput", "UpdateStreamRecordDistributionStrategy", "CreateChannel":
		return w.given["demand"]
	case "CreateStream":
		g := w.given["provisioned"]
		g.name = aws.String("fresh")
		return g
	default:
		return w.given["provisioned"]
	}
}

func (w *world) send(operation string, g given) error {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if w.through != nil {
		return w.through(w.server.URL, operation, w.inputOf(ctx, operation, g))
	}
	return requests[operation](ctx, w.client, g)
}

// provocation brings an operation to fail with an error.
type provocation struct {
	code string
	// message is the text, or empty if it is not always the same.
	message string
	// not are the operations that fail with the code in other ways, or not at all.
	not []string
	// options are those of the server.
	options func(*streams.Options)
	do      func(w *world, operation string) error
}

const (
	oddARN         = "arn:aws:kinesis:" + region + ":" + account + ":stream/a/b"
	oddConsumerARN = "arn:aws:kinesis:" + region + ":" + account + ":xstream/a/consumer/b:1"
	oddChannelARN  = "arn:aws:kinesis:" + region + ":" + account + ":channel/a/b"
	oddResourceARN = "arn:aws:kinesis:" + region + ":" + account + ":queue/a"
)

// provocations are the ways to errors that many operations share.
var provocations = []provocation{
	{
		code: "AccessDeniedException", message: "User is not authorized.",
		do: func(w *world, operation string) error {
			w.authorizeBy(func(kinesis.Permission) error {
				return kinesis.Errorf(kinesis.CodeAccessDenied, "User is not authorized.")
			})
			return w.send(operation, w.of(operation))
		},
	},
	{
		code: "InternalFailureException",
		do: func(w *world, operation string) error {
			w.authorizeBy(func(kinesis.Permission) error { return errors.New("what nobody foresaw") })
			return w.send(operation, w.of(operation))
		},
	},
	{
		code:    "LimitExceededException",
		not:     []string{"SubscribeToShard"},
		options: func(o *streams.Options) { o.EnforceLimits = true },
		do: func(w *world, operation string) error {
			g := w.of(operation)
			if operation == "ListShards" {
				return w.listTooOften(g)
			}
			for range 20 {
				_ = w.send(operation, g) // whatever it says: it counts
			}
			err := w.send(operation, g)
			w.refused(err, "LimitExceededException", "Rate exceeded for account "+account+".")
			return err
		},
	},
	{
		code: "ResourceNotFoundException",
		not:  []string{"CreateStream"},
		do: func(w *world, operation string) error {
			g := w.of(operation)
			g.name, g.arn, g.resource = aws.String("missing"), aws.String(arnOf("missing")), arnOf("missing")
			g.consumer, g.channel = aws.String(*g.consumer+"1"), aws.String(strings.Replace(*g.channel, "/channel", "/missing", 1))
			if operation == "GetRecords" {
				g.arn = nil
				_, err := w.client.DeleteStream(w.t.Context(), &awskinesis.DeleteStreamInput{StreamName: aws.String("provisioned"), EnforceConsumerDeletion: aws.Bool(true)})
				w.must(err)
			}
			return w.send(operation, g)
		},
	},
	{
		code: "InvalidArgumentException",
		not:  []string{"CreateStream", "ListStreams", "ListChannels", "UpdateAccountSettings"},
		do: func(w *world, operation string) error {
			g := w.of(operation)
			g.name, g.arn, g.resource = nil, aws.String(oddARN), oddResourceARN
			g.consumer, g.channel = aws.String(oddConsumerARN), aws.String(oddChannelARN)
			return w.send(operation, g)
		},
	},
	{
		code: "InvalidArgumentException",
		not:  allBut("ListStreams", "ListChannels", "ListShards", "ListStreamConsumers"),
		do: func(w *world, operation string) error {
			g := w.of(operation)
			g.token = aws.String("AAAA")
			if operation == "ListShards" {
				g.name, g.arn = nil, nil
			}
			return w.send(operation, g)
		},
	},
	{
		code: "InvalidArgumentException", not: allBut("CreateStream"),
		do: func(w *world, operation string) error {
			g := w.of(operation)
			g.mode = types.StreamModeOnDemand // with a number of shards
			return w.send(operation, g)
		},
	},
	{
		code: "ValidationException",
		not:  []string{"ListChannels", "UpdateAccountSettings"},
		do: func(w *world, operation string) error {
			g := w.of(operation)
			g.name, g.arn, g.resource = aws.String("no good"), aws.String("no good"), "no good"
			g.consumer, g.channel = g.name, g.name
			return w.send(operation, g)
		},
	},
	{
		code: "ValidationException", not: allBut("ListChannels", "UpdateAccountSettings"),
		do: func(w *world, operation string) error {
			g := w.of(operation)
			g.token, g.status = aws.String(""), "MAYBE"
			return w.send(operation, g)
		},
	},
	{
		code:    "ResourceInUseException",
		not:     []string{"CreateStream", "CreateChannel", "UpdateChannel", "SubscribeToShard"},
		options: func(o *streams.Options) { o.StatusDelay = time.Second },
		do: func(w *world, operation string) error {
			g := w.of(operation)
			_, err := w.client.DeleteStream(w.t.Context(), &awskinesis.DeleteStreamInput{StreamARN: g.arn, EnforceConsumerDeletion: aws.Bool(true)})
			w.must(err)
			err = w.send(operation, g)
			w.refused(err, "ResourceInUseException", "Stream "+strings.TrimPrefix(*g.arn, arnOf(""))+" under account "+account+" not ACTIVE, instead in state DELETING")
			return err
		},
	},
	{
		code: "ResourceInUseException", message: "Stream provisioned under account " + account + " already exists.", not: allBut("CreateStream"),
		do: func(w *world, operation string) error { return w.send(operation, w.given["provisioned"]) },
	},
	{
		code: "ResourceInUseException", not: allBut("CreateChannel"),
		do: func(w *world, operation string) error {
			g := w.of(operation)
			g.channelled = "channel"
			return w.send(operation, g)
		},
	},
	{
		code: "ResourceInUseException", message: "Channel channel under account " + account + " not ACTIVE, instead in state UPDATING", not: allBut("UpdateChannel"),
		options: func(o *streams.Options) { o.StatusDelay = time.Second },
		do: func(w *world, operation string) error {
			w.must(w.send(operation, w.of(operation)))
			return w.send(operation, w.of(operation))
		},
	},
	{
		code: "ExpiredNextTokenException", not: allBut("ListStreams", "ListShards", "ListStreamConsumers", "ListChannels"),
		do: func(w *world, operation string) error {
			g := w.of(operation)
			g.token = w.tokenOf(operation)
			if operation == "ListShards" {
				g.name, g.arn = nil, nil
			}
			w.clock.Advance(300*time.Second + time.Millisecond)
			return w.send(operation, g)
		},
	},
	{
		code: "ExpiredIteratorException", not: allBut("GetRecords"),
		message: "Iterator expired. The iterator was created at time Tue Nov 14 22:15:20 UTC 2023 while right now it is Tue Nov 14 22:22:20 UTC 2023 " +
			"which is further in the future than the tolerated delay of 300000 milliseconds.",
		do: func(w *world, operation string) error {
			w.clock.Advance(5 * time.Minute)
			return w.send(operation, w.of(operation))
		},
	},
	{
		code: "DryRunOperationException", not: allBut("PutRecord", "PutRecords", "GetRecords", "GetShardIterator", "SubscribeToShard"),
		message: "Request would have succeeded, but DryRun flag is set.",
		do: func(w *world, operation string) error {
			g := w.of(operation)
			g.dryRun = aws.Bool(true)
			return w.send(operation, g)
		},
	},
	{
		code: "ProvisionedThroughputExceededException", not: allBut("GetRecords", "GetShardIterator"),
		message: "Rate exceeded for shard " + shard0 + " in stream provisioned under account " + account + ".",
		options: func(o *streams.Options) { o.EnforceLimits = true },
		do: func(w *world, operation string) error {
			for range 5 {
				w.must(w.send(operation, w.of(operation)))
			}
			return w.send(operation, w.of(operation))
		},
	},
	{
		code: "ProvisionedThroughputExceededException", not: allBut("PutRecord"),
		message: "Rate exceeded for shard " + shard0 + " in stream provisioned under account " + account + ".",
		options: func(o *streams.Options) { o.EnforceLimits = true },
		do: func(w *world, _ string) error {
			in := &awskinesis.PutRecordInput{StreamName: aws.String("provisioned"), PartitionKey: aws.String("key"), ExplicitHashKey: aws.String("0"), Data: make([]byte, 1<<20-3)}
			_, err := w.client.PutRecord(w.t.Context(), in)
			w.must(err)
			if w.through != nil {
				return w.through(w.server.URL, "PutRecord", in)
			}
			_, err = w.client.PutRecord(w.t.Context(), in)
			return err
		},
	},
	{
		code: "ResourceInUseException", not: allBut("SubscribeToShard"),
		message: "Another active subscription exists for this consumer: " + account + ":provisioned:reader",
		do: func(w *world, operation string) error {
			out, err := w.newClient().SubscribeToShard(w.t.Context(), &awskinesis.SubscribeToShardInput{
				ConsumerARN: w.of(operation).consumer, ShardId: aws.String(shard0), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
			})
			w.must(err)
			defer out.GetStream().Close()
			w.clock.Advance(4 * time.Second)
			return w.send(operation, w.of(operation))
		},
	},
	{
		code: "LimitExceededException", not: allBut("SubscribeToShard"),
		options: func(o *streams.Options) { o.EnforceLimits = true },
		do: func(w *world, operation string) error {
			g := w.of(operation)
			w.must(w.send(operation, g))
			for {
				// The first subscription ends a moment after its client has gone.
				var shown smithy.APIError
				if err := w.send(operation, g); !errors.As(err, &shown) || shown.ErrorCode() != "ResourceInUseException" {
					return err
				}
			}
		},
	},
}

// listTooOften lists the shards of a stream more than 1,000 times in a second, past the network.
func (w *world) listTooOften(g given) error {
	for range 1000 {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"StreamName":"provisioned"}`))
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", "Kinesis_20131202.ListShards")
		w.front.ServeHTTP(httptest.NewRecorder(), r)
	}
	return w.send("ListShards", g)
}

// allBut returns the names of all operations but some.
func allBut(names ...string) []string {
	return slices.DeleteFunc(slices.Collect(maps.Keys(requests)), func(name string) bool { return slices.Contains(names, name) })
}

// tokenOf returns a token with which a list goes on.
func (w *world) tokenOf(operation string) *string {
	w.t.Helper()
	switch operation {
	case "ListStreams":
		out, err := w.client.ListStreams(w.t.Context(), &awskinesis.ListStreamsInput{Limit: aws.Int32(1)})
		w.must(err)
		return out.NextToken
	case "ListShards":
		out, err := w.client.ListShards(w.t.Context(), &awskinesis.ListShardsInput{StreamName: aws.String("provisioned"), MaxResults: aws.Int32(1)})
		w.must(err)
		return out.NextToken
	case "ListStreamConsumers":
		w.consumer("provisioned", "writer")
		out, err := w.client.ListStreamConsumers(w.t.Context(), &awskinesis.ListStreamConsumersInput{StreamARN: aws.String(arnOf("provisioned")), MaxResults: aws.Int32(1)})
		w.must(err)
		return out.NextToken
	default:
		_, err := w.client.CreateChannel(w.t.Context(), channelInput("more", aws.String(arnOf("demand"))))
		w.must(err)
		out, err := w.client.ListChannels(w.t.Context(), &awskinesis.ListChannelsInput{MaxResults: aws.Int32(1)})
		w.must(err)
		return out.NextToken
	}
}

// modelOf reads the service's table.
func modelOf(t testing.TB) *model.Service {
	t.Helper()
	table, err := os.ReadFile("kinesis.model")
	if err != nil {
		t.Fatal(err)
	}
	service, err := model.Parse(string(table))
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// TestOperations has every operation succeed and fail with every error that AWS lists for it, and
// that can occur.
func TestOperations(t *testing.T) { provokeAll(t, nil) }

func provokeAll(t *testing.T, through sender) {
	service, seen := modelOf(t), &outcomes{seen: make(map[string]bool)}
	listed := make(map[string]bool)
	for _, operation := range service.Operations {
		listed[operation.Name+" "] = true // success
		for _, shape := range operation.Errors {
			listed[operation.Name+" "+shape.Error.Code] = true
		}
	}
	var ran atomic.Int64
	t.Run("all", func(t *testing.T) {
		for _, operation := range service.Operations {
			if requests[operation.Name] == nil {
				t.Fatalf("there is no request for %s", operation.Name)
			}
			t.Run(operation.Name, func(t *testing.T) {
				t.Parallel()
				ran.Add(1)
				t.Run("success", func(t *testing.T) {
					w := newWorld(t, seen)
					w.through = through
					w.must(w.send(operation.Name, w.of(operation.Name)))
				})
				for _, p := range provocations {
					if slices.Contains(p.not, operation.Name) || !listed[operation.Name+" "+p.code] {
						continue
					}
					t.Run(p.code, func(t *testing.T) {
						w := newWorld(t, seen, func(o *streams.Options) {
							if p.options != nil {
								p.options(o)
							}
						})
						w.through = through
						w.refused(p.do(w, operation.Name), p.code, p.message)
					})
				}
			})
		}
	})
	if int(ran.Load()) < len(service.Operations) {
		t.Log("some operations were not asked for: whether all was provoked is not checked")
		return
	}
	for _, missing := range incomplete(listed, seen.seen) {
		t.Error(missing)
	}
}

// incomplete compares what AWS lists with what was seen and what is said to be unreachable.
func incomplete(listed, seen map[string]bool) []string {
	var wrong []string
	for pair := range listed {
		_, code, _ := strings.Cut(pair, " ")
		excused := unreachable[pair] != "" || unreachable["* "+code] != ""
		switch {
		case seen[pair] && excused:
			wrong = append(wrong, pair+" was provoked and is said to be unreachable")
		case !seen[pair] && !excused:
			wrong = append(wrong, pair+" is listed by AWS and was not provoked")
		}
	}
	for pair := range unreachable {
		if !strings.HasPrefix(pair, "* ") && !listed[pair] {
			wrong = append(wrong, pair+" is not listed by AWS")
		}
	}
	slices.Sort(wrong)
	return wrong
}

// TestIncomplete shows that the judge of TestOperations is awake.
func TestIncomplete(t *testing.T) {
	listed := map[string]bool{"ListShards LimitExceededException": true, "PutRecord KMSDisabledException": true, "PutRecord ": true}
	if got := incomplete(listed, map[string]bool{"PutRecord KMSDisabledException": true}); len(got) < 2 ||
		!slices.Contains(got, "PutRecord  is listed by AWS and was not provoked") ||
		!slices.Contains(got, "PutRecord KMSDisabledException was provoked and is said to be unreachable") {
		t.Errorf("incomplete says %q", got)
	}
}
