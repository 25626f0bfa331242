package streams

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis"
)

const (
	// consumerPrefix and a name make the key of a consumer's document in its stream.
	consumerPrefix = "kinesis/consumer/"

	consumersPage         = 100
	consumersMax          = 20
	consumersCreatingMax  = 5
	consumersAdvantageMax = 50
)

// consumer is a registered consumer, a document of its stream.
type consumer struct {
	Name    string            `json:"name"`
	Created int64             `json:"created"` // Unix nanoseconds
	Ready   int64             `json:"ready"`   // CREATING until then, Unix nanoseconds
	Tags    map[string]string `json:"tags,omitempty"`
	Policy  string            `json:"policy,omitempty"`
}

// epoch is the number behind the name in a consumer's ARN.
func (k *consumer) epoch() string { return strconv.FormatInt(k.Created/int64(time.Second), 10) }

func (k *consumer) arn(t *target) string { return t.arn + "/consumer/" + k.Name + ":" + k.epoch() }

func (k *consumer) statusAt(now time.Time) string {
	if now.UnixNano() < k.Ready {
		return statusCreating
	}
	return statusActive
}

func (k *consumer) shown(t *target, now time.Time) Consumer {
	return Consumer{
		ConsumerName: k.Name, ConsumerARN: k.arn(t), ConsumerStatus: k.statusAt(now),
		ConsumerCreationTimestamp: seconds(time.Unix(0, k.Created)),
	}
}

// consumersOf returns the consumers of a stream, sorted by name.
func consumersOf(t *target) ([]consumer, error) {
	var all []consumer
	after := ""
	for {
		page, more, err := t.Documents().List(consumerPrefix, after, listPage)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			k, err := readConsumer(t, d.Value)
			if err != nil {
				return nil, err
			}
			all, after = append(all, *k), d.Key
		}
		if !more {
			return all, nil
		}
	}
}

func readConsumer(t *target, value []byte) (*consumer, error) {
	k := new(consumer)
	if err := json.Unmarshal(value, k); err != nil {
		return nil, failure.Wrap(failure.Corrupt, "streams: a consumer of "+t.Name(), err)
	}
	return k, nil
}

// consumerNamed returns the consumer of that name.
func consumerNamed(t *target, name string) (*consumer, error) {
	value, found, err := t.Documents().Get(consumerPrefix + name)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, consumerNotFound(name, t)
	}
	return readConsumer(t, value)
}

func consumerNotFound(name string, t *target) error {
	return resourceNotFound("Consumer %s of stream %s under account %s not found.", name, t.Name(), t.account)
}

func writeConsumer(t *target, k *consumer) error {
	value, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return t.Documents().Put(consumerPrefix+k.Name, value)
}

// changeConsumer changes a consumer. changing keeps them apart.
func (a *API) changeConsumer(t *target, name string, do func(*consumer) error) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	k, err := consumerNamed(t, name)
	if err != nil {
		return err
	}
	if err := do(k); err != nil {
		return err
	}
	return a.gone(t, writeConsumer(t, k))
}

func (a *API) registerConsumer(ctx context.Context, c *kinesis.Call, in *RegisterStreamConsumerInput) (*RegisterStreamConsumerOutput, error) {
	t, err := a.usableTarget(ctx, c, "", in.StreamARN)
	if err != nil {
		return nil, err
	}
	now := a.options.Clock.Now()
	k := &consumer{Name: in.ConsumerName, Created: now.UnixNano(), Ready: a.soon()}
	if err := mergeTags(&k.Tags, in.Tags, a.called("consumer", k.Name)); err != nil {
		return nil, err
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	all, err := consumersOf(t)
	if err != nil {
		return nil, err
	}
	creating := 0
	for i := range all {
		if all[i].Name == k.Name {
			return nil, resourceInUse("Consumer %s of stream %s under account %s already exists.", k.Name, t.Name(), t.account)
		}
		if all[i].statusAt(now) == statusCreating {
			creating++
		}
	}
	if a.options.EnforceLimits && (len(all) >= a.consumersMax() || creating >= consumersCreatingMax) {
		return nil, limitExceeded("Stream %s under account %s has the most consumers that it may have, or that may be CREATING at once.", t.Name(), t.account)
	}
	if err := writeConsumer(t, k); err != nil {
		return nil, a.gone(t, err)
	}
	shown := k.shown(t, now)
	shown.ConsumerStatus = statusCreating
	return &RegisterStreamConsumerOutput{Consumer: &shown}, nil
}

// consumersMax is how many consumers a stream may have: more with a commitment to a throughput.
func (a *API) consumersMax() int {
	if s, err := a.accountSettings(); err == nil && s.committed(a.options.Clock.Now()) {
		return consumersAdvantageMax
	}
	return consumersMax
}

// consumer finds the consumer that a request names: by its ARN, by the stream's ARN and its
// name, or by all of them if they agree.
func (a *API) consumer(ctx context.Context, c *kinesis.Call, streamARN, name, consumerARN string) (*target, *consumer, error) {
	if consumerARN == "" {
		if streamARN == "" || name == "" {
			return nil, nil, invalidArgument("Either ConsumerARN, or both StreamARN and ConsumerName, must be given.")
		}
		t, err := a.target(ctx, c, "", streamARN)
		if err != nil {
			return nil, nil, err
		}
		k, err := consumerNamed(t, name)
		return t, k, err
	}
	r, ok := parseARN(consumerARN)
	if !ok || r.consumer == "" {
		return nil, nil, invalidArgument("ConsumerARN %.256s is not the ARN of a consumer.", consumerARN)
	}
	if s, ok := parseARN(streamARN); streamARN != "" && (!ok || s.stream != r.stream) || name != "" && name != r.consumer {
		return nil, nil, invalidArgument("ConsumerARN %.256s, StreamARN and ConsumerName name different consumers.", consumerARN)
	}
	found, err := a.resource(ctx, c, consumerARN)
	return found.target, found.consumer, err
}

func (a *API) deregisterConsumer(ctx context.Context, c *kinesis.Call, in *DeregisterStreamConsumerInput) (*Empty, error) {
	t, k, err := a.consumer(ctx, c, in.StreamARN, in.ConsumerName, in.ConsumerARN)
	if err != nil {
		return nil, err
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	if err := t.Documents().Delete(consumerPrefix + k.Name); err != nil {
		return nil, a.gone(t, err)
	}
	a.subscriptions.endConsumer(t.ID(), k.Name)
	return nil, nil
}

func (a *API) describeConsumer(ctx context.Context, c *kinesis.Call, in *DescribeStreamConsumerInput) (*DescribeStreamConsumerOutput, error) {
	t, k, err := a.consumer(ctx, c, in.StreamARN, in.ConsumerName, in.ConsumerARN)
	if err != nil {
		return nil, err
	}
	return &DescribeStreamConsumerOutput{ConsumerDescription: &ConsumerDescription{
		ConsumerName: k.Name, ConsumerARN: k.arn(t), ConsumerStatus: k.statusAt(a.options.Clock.Now()),
		ConsumerCreationTimestamp: seconds(time.Unix(0, k.Created)), StreamARN: t.arn,
	}}, nil
}

func (a *API) listConsumers(ctx context.Context, c *kinesis.Call, in *ListStreamConsumersInput) (*ListStreamConsumersOutput, error) {
	t, err := a.usableTarget(ctx, c, "", in.StreamARN)
	if err != nil {
		return nil, err
	}
	if in.StreamCreationTimestamp != nil && in.StreamCreationTimestamp.Unix() != t.Created().Unix() {
		return nil, streamNotFound(t.Name(), t.account)
	}
	after := ""
	if in.NextToken != "" {
		next, err := a.openNext(in.NextToken, tokenConsumers)
		if err != nil {
			return nil, err
		}
		if next.stream != t.ID() {
			return nil, invalidArgument("NextToken is of another stream.")
		}
		after = next.after
	}
	all, err := consumersOf(t)
	if err != nil {
		return nil, err
	}
	out, limit, now := &ListStreamConsumersOutput{Consumers: []Consumer{}}, limitOf(in.MaxResults, consumersPage), a.options.Clock.Now()
	for i := range all {
		if all[i].Name <= after {
			continue
		}
		if len(out.Consumers) == limit {
			last := out.Consumers[limit-1].ConsumerName
			out.NextToken = a.nextToken(token{kind: tokenConsumers, stream: t.ID(), after: last})
			break
		}
		out.Consumers = append(out.Consumers, all[i].shown(t, now))
	}
	return out, nil
}
