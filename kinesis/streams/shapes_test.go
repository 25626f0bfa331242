package streams_test

import (
	"reflect"
	"testing"

	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/kinesis/streams"
)

// shapes are the structs of an operation's input and output.
type shapes struct{ in, out reflect.Type }

// operationShapes has those of all operations.
var operationShapes = map[string]shapes{
	"AddTagsToStream":                        {reflect.TypeFor[streams.AddTagsToStreamInput](), reflect.TypeFor[streams.Empty]()},
	"CreateChannel":                          {reflect.TypeFor[streams.CreateChannelInput](), reflect.TypeFor[streams.CreateChannelOutput]()},
	"CreateStream":                           {reflect.TypeFor[streams.CreateStreamInput](), reflect.TypeFor[streams.Empty]()},
	"DecreaseStreamRetentionPeriod":          {reflect.TypeFor[streams.DecreaseStreamRetentionPeriodInput](), reflect.TypeFor[streams.Empty]()},
	"DeleteChannel":                          {reflect.TypeFor[streams.DeleteChannelInput](), reflect.TypeFor[streams.Empty]()},
	"DeleteResourcePolicy":                   {reflect.TypeFor[streams.DeleteResourcePolicyInput](), reflect.TypeFor[streams.Empty]()},
	"DeleteStream":                           {reflect.TypeFor[streams.DeleteStreamInput](), reflect.TypeFor[streams.Empty]()},
	"DeregisterStreamConsumer":               {reflect.TypeFor[streams.DeregisterStreamConsumerInput](), reflect.TypeFor[streams.Empty]()},
	"DescribeAccountSettings":                {reflect.TypeFor[streams.DescribeAccountSettingsInput](), reflect.TypeFor[streams.DescribeAccountSettingsOutput]()},
	"DescribeChannel":                        {reflect.TypeFor[streams.DescribeChannelInput](), reflect.TypeFor[streams.DescribeChannelOutput]()},
	"DescribeLimits":                         {reflect.TypeFor[streams.DescribeLimitsInput](), reflect.TypeFor[streams.DescribeLimitsOutput]()},
	"DescribeStream":                         {reflect.TypeFor[streams.DescribeStreamInput](), reflect.TypeFor[streams.DescribeStreamOutput]()},
	"DescribeStreamConsumer":                 {reflect.TypeFor[streams.DescribeStreamConsumerInput](), reflect.TypeFor[streams.DescribeStreamConsumerOutput]()},
	"DescribeStreamSummary":                  {reflect.TypeFor[streams.DescribeStreamSummaryInput](), reflect.TypeFor[streams.DescribeStreamSummaryOutput]()},
	"DisableEnhancedMonitoring":              {reflect.TypeFor[streams.DisableEnhancedMonitoringInput](), reflect.TypeFor[streams.EnhancedMonitoringOutput]()},
	"EnableEnhancedMonitoring":               {reflect.TypeFor[streams.EnableEnhancedMonitoringInput](), reflect.TypeFor[streams.EnhancedMonitoringOutput]()},
	"GetRecords":                             {reflect.TypeFor[streams.GetRecordsInput](), reflect.TypeFor[streams.GetRecordsOutput]()},
	"GetResourcePolicy":                      {reflect.TypeFor[streams.GetResourcePolicyInput](), reflect.TypeFor[streams.GetResourcePolicyOutput]()},
	"GetShardIterator":                       {reflect.TypeFor[streams.GetShardIteratorInput](), reflect.TypeFor[streams.GetShardIteratorOutput]()},
	"IncreaseStreamRetentionPeriod":          {reflect.TypeFor[streams.IncreaseStreamRetentionPeriodInput](), reflect.TypeFor[streams.Empty]()},
	"ListChannels":                           {reflect.TypeFor[streams.ListChannelsInput](), reflect.TypeFor[streams.ListChannelsOutput]()},
	"ListShards":                             {reflect.TypeFor[streams.ListShardsInput](), reflect.TypeFor[streams.ListShardsOutput]()},
	"ListStreamConsumers":                    {reflect.TypeFor[streams.ListStreamConsumersInput](), reflect.TypeFor[streams.ListStreamConsumersOutput]()},
	"ListStreams":                            {reflect.TypeFor[streams.ListStreamsInput](), reflect.TypeFor[streams.ListStreamsOutput]()},
	"ListTagsForResource":                    {reflect.TypeFor[streams.ListTagsForResourceInput](), reflect.TypeFor[streams.ListTagsForResourceOutput]()},
	"ListTagsForStream":                      {reflect.TypeFor[streams.ListTagsForStreamInput](), reflect.TypeFor[streams.ListTagsForStreamOutput]()},
	"MergeShards":                            {reflect.TypeFor[streams.MergeShardsInput](), reflect.TypeFor[streams.Empty]()},
	"PutRecord":                              {reflect.TypeFor[streams.PutRecordInput](), reflect.TypeFor[streams.PutRecordOutput]()},
	"PutRecords":                             {reflect.TypeFor[streams.PutRecordsInput](), reflect.TypeFor[streams.PutRecordsOutput]()},
	"PutResourcePolicy":                      {reflect.TypeFor[streams.PutResourcePolicyInput](), reflect.TypeFor[streams.Empty]()},
	"RegisterStreamConsumer":                 {reflect.TypeFor[streams.RegisterStreamConsumerInput](), reflect.TypeFor[streams.RegisterStreamConsumerOutput]()},
	"RemoveTagsFromStream":                   {reflect.TypeFor[streams.RemoveTagsFromStreamInput](), reflect.TypeFor[streams.Empty]()},
	"SplitShard":                             {reflect.TypeFor[streams.SplitShardInput](), reflect.TypeFor[streams.Empty]()},
	"StartStreamEncryption":                  {reflect.TypeFor[streams.StartStreamEncryptionInput](), reflect.TypeFor[streams.Empty]()},
	"StopStreamEncryption":                   {reflect.TypeFor[streams.StopStreamEncryptionInput](), reflect.TypeFor[streams.Empty]()},
	"SubscribeToShard":                       {reflect.TypeFor[streams.SubscribeToShardInput](), reflect.TypeFor[streams.SubscribeToShardOutput]()},
	"TagResource":                            {reflect.TypeFor[streams.TagResourceInput](), reflect.TypeFor[streams.Empty]()},
	"UntagResource":                          {reflect.TypeFor[streams.UntagResourceInput](), reflect.TypeFor[streams.Empty]()},
	"UpdateAccountSettings":                  {reflect.TypeFor[streams.UpdateAccountSettingsInput](), reflect.TypeFor[streams.UpdateAccountSettingsOutput]()},
	"UpdateChannel":                          {reflect.TypeFor[streams.UpdateChannelInput](), reflect.TypeFor[streams.UpdateChannelOutput]()},
	"UpdateMaxRecordSize":                    {reflect.TypeFor[streams.UpdateMaxRecordSizeInput](), reflect.TypeFor[streams.Empty]()},
	"UpdateShardCount":                       {reflect.TypeFor[streams.UpdateShardCountInput](), reflect.TypeFor[streams.UpdateShardCountOutput]()},
	"UpdateStreamMode":                       {reflect.TypeFor[streams.UpdateStreamModeInput](), reflect.TypeFor[streams.Empty]()},
	"UpdateStreamRecordDistributionStrategy": {reflect.TypeFor[streams.UpdateStreamRecordDistributionStrategyInput](), reflect.TypeFor[streams.Empty]()},
	"UpdateStreamWarmThroughput":             {reflect.TypeFor[streams.UpdateStreamWarmThroughputInput](), reflect.TypeFor[streams.UpdateStreamWarmThroughputOutput]()},
}

// plans are the bound structs of an operation; out is nil if it answers with nothing.
type plans struct{ in, out *model.Plan }

// plansOf binds the structs of all operations.
func plansOf(t testing.TB, service *model.Service) map[string]plans {
	t.Helper()
	bound := make(map[string]plans)
	for _, operation := range service.Operations {
		types, found := operationShapes[operation.Name]
		if !found {
			t.Fatalf("the structs of %s are not known", operation.Name)
		}
		var p plans
		var err error
		if p.in, err = model.Bind(service, operation.Input.Name, types.in); err != nil {
			t.Fatal(err)
		}
		if operation.Output != nil {
			if p.out, err = model.Bind(service, operation.Output.Name, types.out); err != nil {
				t.Fatal(err)
			}
		}
		bound[operation.Name] = p
	}
	return bound
}
