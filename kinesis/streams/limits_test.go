package streams_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace-io/millrace/kinesis/streams"
)

func limited(o *streams.Options) { o.EnforceLimits = true }

// TestCreatingLimit: five streams may be CREATING at once.
func TestCreatingLimit(t *testing.T) {
	f := newFixture(t, limited, func(o *streams.Options) { o.StatusDelay = time.Hour })
	create := func(name string) error {
		return w(f.client.CreateStream(t.Context(), &awskinesis.CreateStreamInput{StreamName: &name}))
	}
	for i := range 5 {
		f.must(create(fmt.Sprint(i)))
		f.clock.Advance(time.Second)
	}
	f.refused(create("5"), "LimitExceededException", "This request would exceed the limit of 5 streams in the CREATING state.")
	f.clock.Advance(time.Hour)
	f.must(create("5"))
}

// TestDailyLimits: what may be changed so often in 24 hours.
func TestDailyLimits(t *testing.T) {
	f := newFixture(t, limited)
	f.create("orders", 1)
	mode := func(mode types.StreamMode) error {
		return w(f.client.UpdateStreamMode(t.Context(), &awskinesis.UpdateStreamModeInput{StreamARN: aws.String(arnOf("orders")), StreamModeDetails: &types.StreamModeDetails{StreamMode: mode}}))
	}
	f.must(mode(types.StreamModeOnDemand))
	f.must(mode(types.StreamModeOnDemand)) // no change
	f.must(mode(types.StreamModeProvisioned))
	f.refused(mode(types.StreamModeOnDemand), "LimitExceededException", "The stream mode can be changed 2 times in 24 hours.")
	f.must(mode(types.StreamModeProvisioned))
	f.clock.Advance(24*time.Hour + time.Second)
	f.must(mode(types.StreamModeOnDemand))

	encrypt := func() error {
		return w(f.client.StartStreamEncryption(t.Context(), &awskinesis.StartStreamEncryptionInput{StreamName: aws.String("orders"), EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("key")}))
	}
	for range 25 {
		f.must(encrypt())
		f.clock.Advance(time.Second)
	}
	f.refused(encrypt(), "LimitExceededException", "The key can be changed 25 times in 24 hours.")
}

// TestConsumerLimits: 5 CREATING at once; 20 in all, 50 for who commits to a throughput.
func TestConsumerLimits(t *testing.T) {
	f := newFixture(t, limited, slow)
	f.create("orders", 1)
	f.clock.Advance(time.Minute)
	made := 0
	register := func() error {
		name := fmt.Sprint(made)
		err := w(f.client.RegisterStreamConsumer(t.Context(), &awskinesis.RegisterStreamConsumerInput{StreamARN: aws.String(arnOf("orders")), ConsumerName: &name}))
		if err == nil {
			made++
		}
		return err
	}
	commit := func(status types.MinimumThroughputBillingCommitmentInputStatus) *types.MinimumThroughputBillingCommitmentOutput {
		out, err := f.client.UpdateAccountSettings(t.Context(), &awskinesis.UpdateAccountSettingsInput{MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{Status: status}})
		f.must(err)
		return out.MinimumThroughputBillingCommitment
	}
	for made < 20 {
		f.must(register())
		if made%5 == 0 {
			f.clock.Advance(time.Second)
		}
	}
	f.refused(register(), "LimitExceededException", "")
	commit("ENABLED")
	for made < 50 {
		f.must(register())
		if made%4 == 0 {
			f.clock.Advance(time.Second)
		}
	}
	f.refused(register(), "LimitExceededException", "")
}

// TestCommitment: a commitment to a throughput that is ended too early goes on as long as it must.
func TestCommitment(t *testing.T) {
	f := newFixture(t)
	began := f.clock.Now().Truncate(time.Second)
	describe := func() *types.MinimumThroughputBillingCommitmentOutput {
		out, err := f.client.DescribeAccountSettings(t.Context(), &awskinesis.DescribeAccountSettingsInput{})
		f.must(err)
		return out.MinimumThroughputBillingCommitment
	}
	set := func(status types.MinimumThroughputBillingCommitmentInputStatus) {
		t.Helper()
		f.must(w(f.client.UpdateAccountSettings(t.Context(), &awskinesis.UpdateAccountSettingsInput{MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{Status: status}})))
	}
	check := func(status types.MinimumThroughputBillingCommitmentOutputStatus, ended time.Time) {
		t.Helper()
		got := describe()
		if got.Status != status || !aws.ToTime(got.EndedAt).Equal(ended) {
			t.Errorf("the commitment is %s until %v instead of %s until %v", got.Status, aws.ToTime(got.EndedAt), status, ended)
		}
	}
	check("DISABLED", time.Time{})
	set("DISABLED")
	check("DISABLED", time.Time{})
	set("ENABLED")
	check("ENABLED", time.Time{})
	if got := describe(); !got.StartedAt.Equal(began) || !got.EarliestAllowedEndAt.Equal(began.Add(24*time.Hour)) {
		t.Errorf("the commitment is from %v until %v at least", got.StartedAt, got.EarliestAllowedEndAt)
	}
	f.clock.Advance(time.Hour)
	set("DISABLED")
	check("ENABLED_UNTIL_EARLIEST_ALLOWED_END", began.Add(24*time.Hour))
	set("ENABLED")
	check("ENABLED", time.Time{})
	set("DISABLED")
	f.restart()
	f.clock.Advance(23*time.Hour + time.Second)
	check("DISABLED", began.Add(24*time.Hour))
	set("ENABLED")
	f.clock.Advance(48 * time.Hour)
	set("DISABLED")
	check("DISABLED", f.clock.Now().Truncate(time.Second))
}

// TestDescribeLimits counts what there is.
func TestDescribeLimits(t *testing.T) {
	f := newFixture(t, func(o *streams.Options) { o.ShardsMax = 77 })
	f.create("orders", 3)
	f.split("orders", shard0, "100")
	f.createOnDemand("demand")
	f.must(w(f.client.CreateChannel(t.Context(), channelInput("channel", aws.String(arnOf("demand"))))))
	out, err := f.client.DescribeLimits(t.Context(), &awskinesis.DescribeLimitsInput{})
	f.must(err)
	if *out.ShardLimit != 77 || *out.OpenShardCount != 8 || *out.OnDemandStreamCount != 1 || *out.OnDemandStreamCountLimit != 50 || *out.ChannelCount != 1 {
		t.Errorf("the limits are %+v", out)
	}
}

// TestChannels: they are made, changed, listed and deleted; what cannot be is refused.
func TestChannels(t *testing.T) {
	f := newFixture(t, slow)
	f.create("orders", 1)
	f.createOnDemand("demand")
	f.createOnDemand("other")
	f.clock.Advance(time.Second)
	f.refused(w(f.client.CreateChannel(t.Context(), channelInput("x", aws.String(arnOf("orders"))))), "ValidationException", "")
	f.refused(w(f.client.CreateChannel(t.Context(), channelInput("x", aws.String(arnOf("missing"))))), "ResourceNotFoundException", "Stream missing under account "+account+" not found.")
	neither := channelInput("x", aws.String(arnOf("demand")))
	neither.S3DestinationConfiguration = nil
	f.refused(w(f.client.CreateChannel(t.Context(), neither)), "InvalidArgumentException", "")
	for name, stream := range map[string]string{"a": "demand", "b": "other", "c": "demand"} {
		f.must(w(f.client.CreateChannel(t.Context(), channelInput(name, aws.String(arnOf(stream))))))
	}
	arn := aws.String("arn:aws:kinesis:" + region + ":" + account + ":channel/a")
	describe := func() *types.ChannelDescription {
		out, err := f.client.DescribeChannel(t.Context(), &awskinesis.DescribeChannelInput{ChannelARN: arn})
		f.must(err)
		return out.ChannelDescription
	}
	if d := describe(); d.ChannelStatus != types.ChannelStatusCreating || *d.S3DestinationConfiguration.DataFreshnessInSeconds != 300 || *d.StreamConfigurationList[0].StreamARN != arnOf("demand") {
		t.Errorf("a new channel is %+v", d)
	}
	f.clock.Advance(time.Second)
	update := func(in awskinesis.UpdateChannelInput) error {
		in.ChannelARN = arn
		return w(f.client.UpdateChannel(t.Context(), &in))
	}
	f.must(update(awskinesis.UpdateChannelInput{S3DestinationConfiguration: &types.S3DestinationUpdateInput{DataFreshnessInSeconds: aws.Int32(60)}}))
	if d := describe(); d.ChannelStatus != types.ChannelStatusUpdating || *d.S3DestinationConfiguration.DataFreshnessInSeconds != 60 {
		t.Errorf("a channel that was changed is %+v", d)
	}
	f.clock.Advance(time.Second)
	f.refused(update(awskinesis.UpdateChannelInput{S3TablesDestinationConfiguration: &types.S3TablesDestinationUpdateInput{DataFreshnessInSeconds: aws.Int32(60)}}), "InvalidArgumentException", "Channel a does not deliver to S3 tables.")
	f.restart()
	list := func(in awskinesis.ListChannelsInput) (names []string, token *string) {
		out, err := f.client.ListChannels(t.Context(), &in)
		f.must(err)
		for _, c := range out.ChannelSummaries {
			names = append(names, *c.ChannelName)
		}
		return names, out.NextToken
	}
	first, token := list(awskinesis.ListChannelsInput{MaxResults: aws.Int32(2)})
	second, end := list(awskinesis.ListChannelsInput{NextToken: token})
	f.expect("first page", first, []string{"a", "b"})
	f.expect("second page", second, []string{"c"})
	if end != nil {
		t.Error("the list goes on for ever")
	}
	filtered, _ := list(awskinesis.ListChannelsInput{StreamFilter: []types.StreamFilter{{StreamARN: aws.String(arnOf("other"))}}})
	f.expect("of a stream", filtered, []string{"b"})
	f.must(w(f.client.DeleteChannel(t.Context(), &awskinesis.DeleteChannelInput{ChannelARN: arn})))
	f.refused(w(f.client.DescribeChannel(t.Context(), &awskinesis.DescribeChannelInput{ChannelARN: arn})), "ResourceNotFoundException", "Channel a under account "+account+" not found.")
}

// look has the load looked at: the timer is there again when that is done.
func (f *fixture) look() {
	f.t.Helper()
	f.clock.Advance(10 * time.Second)
	for deadline := time.Now().Add(patience); f.clock.waiting() == 0; {
		if time.Now().After(deadline) {
			f.t.Fatal("nobody looks at the load")
		}
		f.shards("demand", nil) // a request, which takes a moment
	}
}

// load puts 0.8 MiB a second, seen over ten, into the first shard of each stream.
func (f *fixture) load(names ...string) {
	f.t.Helper()
	for range 8 {
		for _, name := range names {
			f.must(w(f.client.PutRecord(f.t.Context(), &awskinesis.PutRecordInput{StreamName: &name, PartitionKey: aws.String("k"), ExplicitHashKey: aws.String("0"), Data: make([]byte, 1<<20-1)})))
		}
	}
}

// TestOnDemandOneFails: a stream that cannot be split any more keeps no other from it.
func TestOnDemandOneFails(t *testing.T) {
	f := newFixture(t, func(o *streams.Options) { o.ScaleInterval = 10 * time.Second })
	f.stop()
	f.shardsMax = 6 // one split of the four
	f.start()
	f.createOnDemand("before")
	f.createOnDemand("demand")
	f.look()
	f.load("before")
	f.look()
	f.look() // its new shards are seen for the first time
	f.load("before", "demand")
	f.look()
	for _, name := range []string{"before", "demand"} {
		if got := len(f.shards(name, &types.ShardFilter{Type: types.ShardFilterTypeAtLatest})); got != 5 {
			t.Errorf("%s has %d open shards", name, got)
		}
	}
}

// TestOnDemand: a shard that takes much is split, and shards that take nothing for long are merged.
func TestOnDemand(t *testing.T) {
	f := newFixture(t, func(o *streams.Options) { o.ScaleInterval = 10 * time.Second })
	f.createOnDemand("demand")
	f.create("orders", 1)
	open := func(name string) int {
		return len(f.shards(name, &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}))
	}
	look := f.look
	look()
	f.load("demand", "orders")
	look()
	if got := open("demand"); got != 5 {
		t.Errorf("under load there are %d shards", got)
	}
	for range 90 { // 15 minutes
		look()
	}
	look()
	if got := open("demand"); got != 4 {
		t.Errorf("after a quiet time there are %d shards", got)
	}
	for range 100 {
		look()
	}
	if got := open("demand"); got != 4 {
		t.Errorf("below the least there are %d shards", got)
	}
	if got := open("orders"); got != 1 {
		t.Errorf("a provisioned stream has %d shards", got)
	}
}
