package streams

import (
	"context"
	"time"

	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

// describePage is how many shards DescribeStream shows unless it is told.
const describePage = 100

func (a *API) describeStream(ctx context.Context, c *kinesis.Call, in *DescribeStreamInput) (*DescribeStreamOutput, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	d := t.Describe()
	from, err := afterShard(in.ExclusiveStartShardId)
	if err != nil {
		return nil, err
	}
	shards, more := pageOfShards(t, listed(d.Shards), from, limitOf(in.Limit, describePage))
	return &DescribeStreamOutput{StreamDescription: &StreamDescription{
		StreamName:              t.Name(),
		StreamARN:               t.arn,
		StreamStatus:            t.settings.statusAt(a.options.Clock.Now()),
		StreamModeDetails:       &StreamModeDetails{StreamMode: t.settings.Mode},
		Shards:                  shards,
		HasMoreShards:           more,
		RetentionPeriodHours:    hours(d.Config.RetentionTime),
		StreamCreationTimestamp: seconds(d.Created),
		EnhancedMonitoring:      []EnhancedMetrics{{ShardLevelMetrics: metricsShown(t.settings.Monitoring)}},
		EncryptionType:          t.settings.Encryption,
		KeyId:                   t.settings.Key,
	}}, nil
}

func (a *API) describeStreamSummary(ctx context.Context, c *kinesis.Call, in *DescribeStreamSummaryInput) (*DescribeStreamSummaryOutput, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	consumers, err := consumersOf(t)
	if err != nil {
		return nil, err
	}
	channels, err := a.channelsOf(t.Name())
	if err != nil {
		return nil, err
	}
	d := t.Describe()
	open, consumerCount, channelCount := int64(openShards(d)), int64(len(consumers)), int64(len(channels))
	summary := &StreamDescriptionSummary{
		StreamName:                 t.Name(),
		StreamARN:                  t.arn,
		StreamId:                   streamID(t.ID()),
		StreamStatus:               t.settings.statusAt(a.options.Clock.Now()),
		StreamModeDetails:          &StreamModeDetails{StreamMode: t.settings.Mode},
		RetentionPeriodHours:       hours(d.Config.RetentionTime),
		StreamCreationTimestamp:    seconds(d.Created),
		EnhancedMonitoring:         []EnhancedMetrics{{ShardLevelMetrics: metricsShown(t.settings.Monitoring)}},
		EncryptionType:             t.settings.Encryption,
		KeyId:                      t.settings.Key,
		OpenShardCount:             open,
		ConsumerCount:              &consumerCount,
		ChannelCount:               &channelCount,
		MaxRecordSizeInKiB:         &t.settings.RecordKiBMax,
		RecordDistributionStrategy: t.settings.Distribution,
	}
	if t.settings.Mode == modeOnDemand {
		summary.WarmThroughput = warmThroughput(t.settings)
	}
	return &DescribeStreamSummaryOutput{StreamDescriptionSummary: summary}, nil
}

func warmThroughput(s *settings) *WarmThroughputObject {
	return &WarmThroughputObject{TargetMiBps: &s.WarmMiBps, CurrentMiBps: &s.WarmMiBps}
}

// metricsShown returns metrics as a list that is there even if it is empty.
func metricsShown(metrics []string) []string {
	if metrics == nil {
		return []string{}
	}
	return metrics
}

const streamIDAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

// streamID renders the number of a stream as AWS renders its ids: 20 characters of base 36, a
// hyphen and 3 more, which stand for nothing here.
func streamID(id uint64) string {
	var text [24]byte
	for i := len(text) - 1; i >= 0; i-- {
		switch {
		case i == 20:
			text[i] = '-'
		case i > 20:
			text[i] = '0'
		default:
			text[i] = streamIDAlphabet[id%36]
			id /= 36
		}
	}
	return string(text[:])
}

// listed returns the shards that AWS would list: those that are open or have records that
// retention keeps.
func listed(shards []stream.ShardDescription) []stream.ShardDescription {
	kept := make([]stream.ShardDescription, 0, len(shards))
	for _, s := range shards {
		if !s.Expired {
			kept = append(kept, s)
		}
	}
	return kept
}

func openShards(d stream.Description) int {
	open := 0
	for i := range d.Shards {
		if !d.Shards[i].Closed {
			open++
		}
	}
	return open
}

// afterShard returns the first shard id that follows the given one, which need not exist.
func afterShard(exclusive string) (record.ShardID, error) {
	if exclusive == "" {
		return 0, nil
	}
	id, err := record.ParseShardID(exclusive)
	if err != nil {
		return 0, invalidArgument("ExclusiveStartShardId %s is not the id of a shard.", exclusive)
	}
	return id + 1, nil
}

func limitOf(limit *int64, otherwise int) int {
	if limit == nil {
		return otherwise
	}
	return int(*limit)
}

// pageOfShards returns up to limit shards from one on, as AWS shows them, and whether there
// are more.
func pageOfShards(t *target, shards []stream.ShardDescription, from record.ShardID, limit int) (page []Shard, more bool) {
	page = []Shard{}
	for i := range shards {
		if shards[i].ID < from {
			continue
		}
		if len(page) == limit {
			return page, true
		}
		page = append(page, shownShard(&shards[i]))
	}
	return page, false
}

func shownShard(s *stream.ShardDescription) Shard {
	shown := Shard{
		ShardId:             s.ID.String(),
		HashKeyRange:        shownRange(s.Range),
		SequenceNumberRange: &SequenceNumberRange{StartingSequenceNumber: sequenceAt(s, 0, s.Created)},
	}
	if s.Closed {
		shown.SequenceNumberRange.EndingSequenceNumber = sequenceAt(s, record.IndexMax, s.ClosedAt)
	}
	if len(s.Parents) > 0 {
		shown.ParentShardId = s.Parents[0].String()
	}
	if len(s.Parents) > 1 {
		shown.AdjacentParentShardId = s.Parents[1].String()
	}
	return shown
}

func shownRange(r record.HashRange) *HashKeyRange {
	return &HashKeyRange{StartingHashKey: r.Start.String(), EndingHashKey: r.End.String()}
}

// sequenceAt returns the sequence number of a place in a shard.
func sequenceAt(s *stream.ShardDescription, index uint64, at time.Time) string {
	return record.SequenceNumber{ShardCreated: s.Created.Unix(), Shard: s.ID, Index: index, Arrival: at.Unix()}.String()
}

// childShards returns the children of a closed shard as the end of reading shows them.
func childShards(d stream.Description, parent record.ShardID) []ChildShard {
	var children []ChildShard
	for i := range d.Shards {
		s := &d.Shards[i]
		for _, p := range s.Parents {
			if p == parent {
				child := ChildShard{ShardId: s.ID.String(), HashKeyRange: shownRange(s.Range)}
				for _, p := range s.Parents {
					child.ParentShards = append(child.ParentShards, p.String())
				}
				children = append(children, child)
				break
			}
		}
	}
	return children
}
