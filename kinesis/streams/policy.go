package streams

import (
	"context"
	"encoding/json"

	"github.com/millrace-io/millrace/kinesis"
)

// policyBytesMax is the largest policy.
const policyBytesMax = 20 << 10

// found is what an ARN names: a stream, one of its consumers, or a channel.
type found struct {
	*target
	consumer *consumer
	channel  *channel
}

// resource finds what an ARN names and asks whether the caller may.
func (a *API) resource(ctx context.Context, c *kinesis.Call, arn string) (found, error) {
	if name, account, ok := parseChannelARN(arn); ok {
		if err := c.Permit(ctx, arn); err != nil {
			return found{}, err
		}
		ch, err := a.channel(name, account)
		return found{channel: ch}, err
	}
	r, ok := parseARN(arn)
	if !ok {
		return found{}, invalidArgument("ResourceARN %.256s is not the ARN of a stream, a consumer or a channel.", arn)
	}
	if err := c.Permit(ctx, arn); err != nil {
		return found{}, err
	}
	if r.account != a.options.Account {
		return found{}, resourceNotFound("Resource %s not found.", arn)
	}
	t, err := a.find(r.stream, a.arnOf(c, r.stream))
	if err != nil || r.consumer == "" {
		return found{target: t}, err
	}
	k, err := consumerNamed(t, r.consumer)
	if err != nil {
		return found{}, err
	}
	if k.epoch() != r.epoch {
		return found{}, consumerNotFound(arn, t)
	}
	return found{target: t, consumer: k}, nil
}

// usableResource is resource for what AWS refuses while a stream is not there yet, or not for long.
func (a *API) usableResource(ctx context.Context, c *kinesis.Call, arn string) (found, error) {
	at, err := a.resource(ctx, c, arn)
	if err == nil && at.target != nil {
		err = a.requireUsable(at.target)
	}
	return at, err
}

func (a *API) putResourcePolicy(ctx context.Context, c *kinesis.Call, in *PutResourcePolicyInput) (*Empty, error) {
	if len(in.Policy) > policyBytesMax {
		return nil, limitExceeded("A policy has at most %d bytes.", policyBytesMax)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(in.Policy), &document); err != nil || document["Statement"] == nil {
		return nil, invalidArgument("The policy is not a JSON object with a Statement.")
	}
	return nil, a.setPolicy(ctx, c, in.ResourceARN, in.Policy)
}

func (a *API) deleteResourcePolicy(ctx context.Context, c *kinesis.Call, in *DeleteResourcePolicyInput) (*Empty, error) {
	return nil, a.setPolicy(ctx, c, in.ResourceARN, "")
}

// setPolicy changes the policy of a stream or a consumer.
func (a *API) setPolicy(ctx context.Context, c *kinesis.Call, arn string, policy string) error {
	at, err := a.usableResource(ctx, c, arn)
	switch {
	case err != nil:
		return err
	case at.channel != nil:
		return invalidArgument("ResourceARN %.256s is not the ARN of a stream or a consumer.", arn)
	case at.consumer != nil:
		return a.changeConsumer(at.target, at.consumer.Name, func(k *consumer) error {
			k.Policy = policy
			return nil
		})
	default:
		return a.change(ctx, at.target, func(s *settings) error {
			s.Policy = policy
			return nil
		})
	}
}

// getResourcePolicy answers with an empty policy where there is none, as AWS does.
func (a *API) getResourcePolicy(ctx context.Context, c *kinesis.Call, in *GetResourcePolicyInput) (*GetResourcePolicyOutput, error) {
	at, err := a.usableResource(ctx, c, in.ResourceARN)
	switch {
	case err != nil:
		return nil, err
	case at.channel != nil:
		return nil, invalidArgument("ResourceARN %.256s is not the ARN of a stream or a consumer.", in.ResourceARN)
	case at.consumer != nil:
		return &GetResourcePolicyOutput{Policy: orEmptyPolicy(at.consumer.Policy)}, nil
	default:
		return &GetResourcePolicyOutput{Policy: orEmptyPolicy(at.settings.Policy)}, nil
	}
}

func orEmptyPolicy(policy string) string {
	if policy == "" {
		return "{}"
	}
	return policy
}
