package streams

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/stream"
)

// target is the stream that a request speaks of.
type target struct {
	*stream.Stream
	settings *settings
	account  string
	arn      string
}

// streamARN is arn:aws:kinesis:REGION:ACCOUNT:stream/NAME, with what may follow.
var streamARN = regexp.MustCompile(`^arn:aws[-a-z0-9]*:kinesis:([-a-z0-9]*):(\d{12}):stream/([a-zA-Z0-9_.-]{1,128})(/consumer/([a-zA-Z0-9_.-]{1,128}):(\d{1,19}))?$`)

// resource is an ARN taken apart.
type resource struct {
	region, account, stream string
	consumer                string // with its epoch; empty for a stream
	epoch                   string
}

// parseARN takes the ARN of a stream or a consumer apart.
func parseARN(arn string) (resource, bool) {
	m := streamARN.FindStringSubmatch(arn)
	if m == nil {
		return resource{}, false
	}
	return resource{region: m[1], account: m[2], stream: m[3], consumer: m[5], epoch: m[6]}, true
}

// regionDefault is the region of who signs nothing.
const regionDefault = "us-east-1"

// arnOf returns the ARN of a stream as the caller knows it.
func (a *API) arnOf(c *kinesis.Call, name string) string {
	region := c.Region
	if region == "" {
		region = regionDefault
	}
	return "arn:" + partition(region) + ":kinesis:" + region + ":" + a.options.Account + ":stream/" + name
}

// partition returns the partition that a region is in.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	default:
		return "aws"
	}
}

// target finds the stream that a request names, by name, by ARN or by both, and asks whether
// the caller may.
func (a *API) target(ctx context.Context, c *kinesis.Call, name, arn string) (*target, error) {
	account := a.options.Account
	if arn != "" {
		r, ok := parseARN(arn)
		if !ok || r.consumer != "" {
			return nil, invalidArgument("StreamARN %.256s is not the ARN of a stream.", arn)
		}
		if name != "" && name != r.stream {
			return nil, invalidArgument("StreamName %s and StreamARN %.256s name different streams.", name, arn)
		}
		name, account = r.stream, r.account
	}
	if name == "" {
		return nil, invalidArgument("Either StreamName or StreamARN must be given.")
	}
	known := a.arnOf(c, name)
	if err := c.Permit(ctx, known); err != nil {
		return nil, err
	}
	if account != a.options.Account {
		return nil, streamNotFound(name, account)
	}
	return a.find(name, known)
}

// find finds a stream by name.
func (a *API) find(name, arn string) (*target, error) {
	of, err := a.store.Stream(name)
	if err != nil {
		return nil, a.notFound(name, err)
	}
	return a.targetOf(of, arn)
}

// targetOf returns the target that is this stream.
func (a *API) targetOf(of *stream.Stream, arn string) (*target, error) {
	known, err := a.settingsOf(of)
	if err != nil {
		return nil, err
	}
	return &target{Stream: of, settings: known, account: a.options.Account, arn: arn}, nil
}

// notFound translates an error of looking for a stream.
func (a *API) notFound(name string, err error) error {
	if errors.Is(err, failure.NotFound) {
		return streamNotFound(name, a.options.Account)
	}
	return err
}

// gone translates an error of using a stream, which may have been deleted meanwhile.
func (a *API) gone(t *target, err error) error { return a.notFound(t.Name(), err) }

// requireActive refuses what AWS refuses while a stream is in another state.
func (a *API) requireActive(t *target, s *settings) error {
	if status := s.statusAt(a.options.Clock.Now()); status != statusActive {
		return notActive(t, status)
	}
	return nil
}

// usableTarget is target for what AWS refuses while a stream is not there yet, or not for long.
func (a *API) usableTarget(ctx context.Context, c *kinesis.Call, name, arn string) (*target, error) {
	t, err := a.target(ctx, c, name, arn)
	if err == nil {
		err = a.requireUsable(t)
	}
	return t, err
}

// requireUsable refuses what AWS refuses while a stream is not there yet, or not for long.
func (a *API) requireUsable(t *target) error {
	if status := t.settings.statusAt(a.options.Clock.Now()); status == statusCreating || status == statusDeleting {
		return notActive(t, status)
	}
	return nil
}

func notActive(t *target, status string) error {
	return resourceInUse("Stream %s under account %s not ACTIVE, instead in state %s", t.Name(), t.account, status)
}

// seconds returns a time as AWS shows it: to the second.
func seconds(t time.Time) *time.Time {
	t = t.Truncate(time.Second)
	return &t
}

func streamNotFound(name, account string) error {
	return kinesis.Errorf("ResourceNotFoundException", "Stream %s under account %s not found.", name, account)
}

func invalidArgument(format string, args ...any) error {
	return kinesis.Errorf("InvalidArgumentException", format, args...)
}

func resourceInUse(format string, args ...any) error {
	return kinesis.Errorf("ResourceInUseException", format, args...)
}

func resourceNotFound(format string, args ...any) error {
	return kinesis.Errorf("ResourceNotFoundException", format, args...)
}

func limitExceeded(format string, args ...any) error {
	return kinesis.Errorf("LimitExceededException", format, args...)
}

func validation(format string, args ...any) error {
	return kinesis.Errorf("ValidationException", format, args...)
}
