package streams

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis"
)

const (
	// channelPrefix and a name make the key of a channel's document in the store.
	channelPrefix = "kinesis/channel/"

	channelsPage = 100

	freshnessDefault = 300 // seconds
)

// channel is a delivery built into a stream, a document of the store. Its definition is kept
// and shown; delivering is still to come, with Firehose.
type channel struct {
	Name    string            `json:"name"`
	Created int64             `json:"created"` // Unix nanoseconds
	Until   int64             `json:"until"`   // the state is shown until then
	Status  string            `json:"status"`
	Tags    map[string]string `json:"tags,omitempty"`
	// Definition is what the channel was made of, as it was given.
	Definition CreateChannelInput `json:"definition"`
}

var channelARN = regexp.MustCompile(`^arn:aws[-a-z0-9]*:kinesis:[-a-z0-9]*:(\d{12}):channel/([a-zA-Z0-9_.-]{1,128})$`)

// parseChannelARN returns the name and the account in a channel's ARN.
func parseChannelARN(arn string) (name, account string, ok bool) {
	m := channelARN.FindStringSubmatch(arn)
	if m == nil {
		return "", "", false
	}
	return m[2], m[1], true
}

func (a *API) channelARN(c *kinesis.Call, name string) string {
	region := c.Region
	if region == "" {
		region = regionDefault
	}
	return "arn:" + partition(region) + ":kinesis:" + region + ":" + a.options.Account + ":channel/" + name
}

// channel returns the channel of that name.
func (a *API) channel(name, account string) (*channel, error) {
	value, found, err := a.store.Documents().Get(channelPrefix + name)
	if err != nil {
		return nil, err
	}
	if !found || account != a.options.Account {
		return nil, resourceNotFound("Channel %s under account %s not found.", name, account)
	}
	return readChannel(value)
}

func readChannel(value []byte) (*channel, error) {
	ch := new(channel)
	if err := json.Unmarshal(value, ch); err != nil {
		return nil, failure.Wrap(failure.Corrupt, "streams: a channel", err)
	}
	return ch, nil
}

// allChannels returns the channels, sorted by name.
func (a *API) allChannels() ([]channel, error) {
	var all []channel
	after := ""
	for {
		page, more, err := a.store.Documents().List(channelPrefix, after, listPage)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			ch, err := readChannel(d.Value)
			if err != nil {
				return nil, err
			}
			all, after = append(all, *ch), d.Key
		}
		if !more {
			return all, nil
		}
	}
}

// channelsOf returns the channels of a stream.
func (a *API) channelsOf(stream string) ([]channel, error) {
	all, err := a.allChannels()
	return slices.DeleteFunc(all, func(ch channel) bool { return !ch.reads(stream) }), err
}

// reads reports whether the channel takes its records from that stream.
func (ch *channel) reads(stream string) bool {
	return slices.ContainsFunc(ch.Definition.StreamConfigurationList, func(s ChannelStreamConfiguration) bool {
		r, ok := parseARN(s.StreamARN)
		return ok && r.stream == stream
	})
}

func (a *API) writeChannel(ch *channel) error {
	value, err := json.Marshal(ch)
	if err != nil {
		return err
	}
	return a.store.Documents().Put(channelPrefix+ch.Name, value)
}

// changeChannel changes a channel. changing keeps them apart.
func (a *API) changeChannel(name string, do func(*channel) error) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	ch, err := a.channel(name, a.options.Account)
	if err != nil {
		return err
	}
	if err := do(ch); err != nil {
		return err
	}
	return a.writeChannel(ch)
}

func (ch *channel) statusAt(now time.Time) string {
	if now.UnixNano() < ch.Until {
		return ch.Status
	}
	return statusActive
}

func (a *API) createChannel(ctx context.Context, c *kinesis.Call, in *CreateChannelInput) (*CreateChannelOutput, error) {
	if err := c.Permit(ctx, a.channelARN(c, in.ChannelName)); err != nil {
		return nil, err
	}
	if (in.S3DestinationConfiguration == nil) == (in.S3TablesDestinationConfiguration == nil) {
		return nil, invalidArgument("Exactly one of S3DestinationConfiguration and S3TablesDestinationConfiguration must be given.")
	}
	if len(in.StreamConfigurationList) != 1 {
		return nil, invalidArgument("A channel has one stream.")
	}
	r, ok := parseARN(in.StreamConfigurationList[0].StreamARN)
	if !ok || r.consumer != "" {
		return nil, invalidArgument("StreamARN %.256s is not the ARN of a stream.", in.StreamConfigurationList[0].StreamARN)
	}
	t, err := a.find(r.stream, a.arnOf(c, r.stream))
	if err != nil {
		return nil, err
	}
	if t.settings.Mode != modeOnDemand {
		return nil, validation("A channel needs a stream whose mode is ON_DEMAND.")
	}
	ch := &channel{Name: in.ChannelName, Created: a.options.Clock.Now().UnixNano(), Until: a.soon(), Status: statusCreating, Definition: *in}
	if err := mergeTags(&ch.Tags, in.Tags, a.called("channel", ch.Name)); err != nil {
		return nil, err
	}
	ch.Definition.Tags = nil
	a.changing.Lock()
	defer a.changing.Unlock()
	_, taken, err := a.store.Documents().Get(channelPrefix + ch.Name)
	if err != nil {
		return nil, err
	}
	if taken {
		return nil, resourceInUse("Channel %s under account %s already exists.", ch.Name, a.options.Account)
	}
	if err := a.writeChannel(ch); err != nil {
		return nil, err
	}
	return &CreateChannelOutput{ChannelDescription: a.shownChannel(c, ch)}, nil
}

// named returns the channel that an ARN names, once the caller is permitted.
func (a *API) namedChannel(ctx context.Context, c *kinesis.Call, arn string) (*channel, error) {
	name, account, ok := parseChannelARN(arn)
	if !ok {
		return nil, invalidArgument("ChannelARN %.256s is not the ARN of a channel.", arn)
	}
	if err := c.Permit(ctx, arn); err != nil {
		return nil, err
	}
	return a.channel(name, account)
}

func (a *API) updateChannel(ctx context.Context, c *kinesis.Call, in *UpdateChannelInput) (*UpdateChannelOutput, error) {
	named, err := a.namedChannel(ctx, c, in.ChannelARN)
	if err != nil {
		return nil, err
	}
	var changed *channel
	err = a.changeChannel(named.Name, func(ch *channel) error {
		if status := ch.statusAt(a.options.Clock.Now()); status != statusActive {
			return resourceInUse("Channel %s under account %s not ACTIVE, instead in state %s", ch.Name, a.options.Account, status)
		}
		changed = ch
		d := &ch.Definition
		if in.S3DestinationConfiguration != nil {
			if d.S3DestinationConfiguration == nil {
				return invalidArgument("Channel %s does not deliver to S3.", ch.Name)
			}
			d.S3DestinationConfiguration.DataFreshnessInSeconds = &in.S3DestinationConfiguration.DataFreshnessInSeconds
		}
		if in.S3TablesDestinationConfiguration != nil {
			if d.S3TablesDestinationConfiguration == nil {
				return invalidArgument("Channel %s does not deliver to S3 tables.", ch.Name)
			}
			d.S3TablesDestinationConfiguration.DataFreshnessInSeconds = &in.S3TablesDestinationConfiguration.DataFreshnessInSeconds
		}
		if in.LoggingConfiguration != nil {
			logs := in.LoggingConfiguration.CloudWatchLogs
			d.LoggingConfiguration = &ChannelLoggingConfiguration{CloudWatchLogs: &CloudWatchLogs{
				Enabled: logs.Enabled, LogGroupName: logs.LogGroupName, LogStreamName: logs.LogStreamName,
			}}
		}
		ch.Status, ch.Until = statusUpdating, a.soon()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &UpdateChannelOutput{ChannelDescription: a.shownChannel(c, changed)}, nil
}

func (a *API) deleteChannel(ctx context.Context, c *kinesis.Call, in *DeleteChannelInput) (*Empty, error) {
	ch, err := a.namedChannel(ctx, c, in.ChannelARN)
	if err != nil {
		return nil, err
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	return nil, a.store.Documents().Delete(channelPrefix + ch.Name)
}

func (a *API) describeChannel(ctx context.Context, c *kinesis.Call, in *DescribeChannelInput) (*DescribeChannelOutput, error) {
	ch, err := a.namedChannel(ctx, c, in.ChannelARN)
	if err != nil {
		return nil, err
	}
	return &DescribeChannelOutput{ChannelDescription: a.shownChannel(c, ch)}, nil
}

func (a *API) listChannels(ctx context.Context, c *kinesis.Call, in *ListChannelsInput) (*ListChannelsOutput, error) {
	if err := c.Permit(ctx, "*"); err != nil {
		return nil, err
	}
	after := ""
	if in.NextToken != "" {
		next, err := a.openNext(in.NextToken, tokenChannels)
		if err != nil {
			return nil, err
		}
		after = next.after
	}
	all, err := a.allChannels()
	if err != nil {
		return nil, err
	}
	out, limit := &ListChannelsOutput{ChannelSummaries: []ChannelSummary{}}, limitOf(in.MaxResults, channelsPage)
	for i := range all {
		if all[i].Name <= after || !all[i].passes(in.StreamFilter) {
			continue
		}
		if len(out.ChannelSummaries) == limit {
			out.NextToken = a.nextToken(token{kind: tokenChannels, after: out.ChannelSummaries[limit-1].ChannelName})
			break
		}
		out.ChannelSummaries = append(out.ChannelSummaries, a.channelSummary(c, &all[i]))
	}
	return out, nil
}

// passes reports whether the channel reads one of the streams; all pass where none is named.
func (ch *channel) passes(filter []StreamFilter) bool {
	return len(filter) == 0 || slices.ContainsFunc(filter, func(f StreamFilter) bool {
		r, ok := parseARN(f.StreamARN)
		return ok && ch.reads(r.stream)
	})
}

// channelID is what AWS makes up for a channel; here its name and its time.
func (ch *channel) id() string { return streamID(uint64(ch.Created)) }

// streamCreated returns when the channel's stream was created; the channel's own time if it is
// gone.
func (a *API) streamCreated(ch *channel, arn string) *time.Time {
	if r, ok := parseARN(arn); ok {
		if of, err := a.store.Stream(r.stream); err == nil {
			return seconds(of.Created())
		}
	}
	return seconds(time.Unix(0, ch.Created))
}

func (a *API) shownChannel(c *kinesis.Call, ch *channel) *ChannelDescription {
	d := ch.Definition
	shown := &ChannelDescription{
		ChannelName: ch.Name, ChannelARN: a.channelARN(c, ch.Name), ChannelId: ch.id(),
		ChannelStatus: ch.statusAt(a.options.Clock.Now()), ChannelCreationTimestamp: seconds(time.Unix(0, ch.Created)),
		ServiceExecutionRoleARN: d.ServiceExecutionRoleARN, EncryptionConfiguration: d.EncryptionConfiguration,
		LoggingConfiguration: d.LoggingConfiguration,
	}
	if shown.LoggingConfiguration == nil {
		shown.LoggingConfiguration = &ChannelLoggingConfiguration{CloudWatchLogs: new(CloudWatchLogs)}
	}
	for _, s := range d.StreamConfigurationList {
		shown.StreamConfigurationList = append(shown.StreamConfigurationList, ChannelStreamDescription{
			StreamARN: s.StreamARN, StreamCreationTimestamp: a.streamCreated(ch, s.StreamARN), RecordConfiguration: s.RecordConfiguration,
		})
	}
	if to := d.S3DestinationConfiguration; to != nil {
		shown.S3DestinationConfiguration = &S3DestinationDescription{
			DataFreshnessInSeconds: freshness(to.DataFreshnessInSeconds), DeadLetterQueueS3Configuration: to.DeadLetterQueueS3Configuration, StorageConfiguration: to.StorageConfiguration,
		}
	}
	if to := d.S3TablesDestinationConfiguration; to != nil {
		shown.S3TablesDestinationConfiguration = &S3TablesDestinationDescription{
			DataFreshnessInSeconds: freshness(to.DataFreshnessInSeconds), DeadLetterQueueS3Configuration: to.DeadLetterQueueS3Configuration, S3TablesConfigurationList: to.S3TablesConfigurationList,
		}
	}
	return shown
}

func freshness(given *int64) int64 {
	if given == nil {
		return freshnessDefault
	}
	return *given
}

func (a *API) channelSummary(c *kinesis.Call, ch *channel) ChannelSummary {
	shown := ChannelSummary{
		ChannelName: ch.Name, ChannelARN: a.channelARN(c, ch.Name), ChannelId: ch.id(),
		ChannelStatus: ch.statusAt(a.options.Clock.Now()), ChannelCreationTimestamp: seconds(time.Unix(0, ch.Created)),
		ChannelDestinationType: ChannelDestinationTypeS3,
	}
	if ch.Definition.S3TablesDestinationConfiguration != nil {
		shown.ChannelDestinationType = ChannelDestinationTypeS3_TABLES
	}
	for _, s := range ch.Definition.StreamConfigurationList {
		shown.Streams = append(shown.Streams, ChannelStreamIdentifier{StreamARN: s.StreamARN, StreamCreationTimestamp: a.streamCreated(ch, s.StreamARN)})
	}
	return shown
}
