package streams

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/kinesis/model"
)

var updateCoverage = flag.Bool("update-coverage", false, "write docs/reference/api-coverage.md again")

const coveragePage = "../../docs/reference/api-coverage.md"

// How much of an operation there is.
const (
	works = "works"
	// kept operations store a setting and report it; nothing else follows from it yet.
	kept = "kept"
	// partly says which part only is kept.
	partly = "partly"
)

// statement says what an operation does here.
type statement struct{ group, state, text string }

const (
	groupStreams   = "Streams"
	groupShards    = "Shards"
	groupRecords   = "Records"
	groupConsumers = "Consumers with enhanced fan-out"
	groupSettings  = "Settings of a stream"
	groupTags      = "Tags and policies"
	groupAccount   = "Account"
	groupChannels  = "Channels"
)

var groups = []string{groupStreams, groupShards, groupRecords, groupConsumers, groupSettings, groupTags, groupAccount, groupChannels}

// statements has one for each operation of the table.
var statements = map[string]statement{
	"CreateStream":          {groupStreams, works, "Makes a stream of 1 or `ShardCount` shards, or of 4 that follow the load if its mode is ON_DEMAND. It can be used at once, and shows CREATING for `--status-delay`."},
	"DeleteStream":          {groupStreams, works, "Shows DELETING for `--status-delay`, then removes the stream with its records, settings and consumers. A server that stopped meanwhile goes on when it starts."},
	"DescribeStream":        {groupStreams, works, "Shows the settings, and shards that are open or still have records, 100 at a time."},
	"DescribeStreamSummary": {groupStreams, works, "Shows the settings and how many open shards, consumers and channels there are."},
	"ListStreams":           {groupStreams, works, "Streams by name, 100 at a time, also those that the native protocol made."},

	"ListShards":       {groupShards, works, "Shards with all six filters. Those whose records retention has taken are left out once they are closed."},
	"SplitShard":       {groupShards, works, "Closes the parent and opens two children; readers of the parent are told of them at its end."},
	"MergeShards":      {groupShards, works, "Closes two neighbours and opens one child."},
	"UpdateShardCount": {groupShards, works, "Splits and merges until the stream has that many equal shards. It is done when it answers. With `--aws-limits` at most twice as many, at least half as many, 10 times a day."},

	"PutRecord":        {groupRecords, works, "One record, durable as its stream says: by default after fdatasync. `SequenceNumberForOrdering` is checked; order within a shard is that of the answers anyway."},
	"PutRecords":       {groupRecords, works, "Up to 500 records and 10 MiB. Each has its own result: some may be refused with ProvisionedThroughputExceededException or InternalFailure."},
	"GetShardIterator": {groupRecords, works, "All five types. The iterator is good for 5 minutes, also after a restart; LATEST and times are settled when it is made."},
	"GetRecords":       {groupRecords, works, "Up to 10,000 records or 10 MiB, the time behind the tip, and the children at the end of a closed shard. With `--aws-limits` 5 calls and 2 MiB a second for each shard."},
	"SubscribeToShard": {groupRecords, works, "An event stream over HTTP/2 or HTTP/1.1 for 5 minutes. Records are pushed as soon as they are durable; events without records come every 5 seconds. One subscription for each consumer and shard: a second one takes over after 5 seconds."},

	"RegisterStreamConsumer":   {groupConsumers, works, "Makes a consumer, which can subscribe once it has shown CREATING for `--status-delay`. With `--aws-limits` 20 for each stream, 50 with a billing commitment."},
	"DeregisterStreamConsumer": {groupConsumers, works, "Removes the consumer at once and ends its subscriptions."},
	"DescribeStreamConsumer":   {groupConsumers, works, "By ARN, or by stream and name."},
	"ListStreamConsumers":      {groupConsumers, works, "By name, 100 at a time."},

	"IncreaseStreamRetentionPeriod":          {groupSettings, works, "Up to 8,760 hours. What it is already is no error."},
	"DecreaseStreamRetentionPeriod":          {groupSettings, works, "Down to 24 hours. Older records are removed by the segment, in the next round of retention."},
	"UpdateStreamMode":                       {groupSettings, works, "ON_DEMAND splits a shard that takes more than half of what a shard may, and merges neighbours that were quiet for 15 minutes; down to 4 shards, up to 200. PROVISIONED leaves the shards as they are."},
	"UpdateMaxRecordSize":                    {groupSettings, works, "1,024 to 10,240 KiB for data and key; it holds for the next record."},
	"UpdateStreamRecordDistributionStrategy": {groupSettings, works, "AUTO spreads records evenly over the shards of a stream ON_DEMAND, whatever their keys, which may then be left out."},
	"UpdateStreamWarmThroughput":             {groupSettings, kept, "A machine has no capacity to set aside. Shown as both the target and what there is."},
	"EnableEnhancedMonitoring":               {groupSettings, kept, "There is no CloudWatch. `serve --shard-metrics` gives the [metrics](metrics.md) of all streams a label for the shard."},
	"DisableEnhancedMonitoring":              {groupSettings, kept, "Like EnableEnhancedMonitoring."},
	"StartStreamEncryption":                  {groupSettings, kept, "Records are **not** encrypted until encryption at rest exists. The key is not asked for, and any is taken. `EncryptionType` KMS is shown everywhere as with AWS."},
	"StopStreamEncryption":                   {groupSettings, kept, "Like StartStreamEncryption."},

	"AddTagsToStream":      {groupTags, works, "Up to 50 tags. They do nothing until policies are evaluated."},
	"RemoveTagsFromStream": {groupTags, works, "Tags that are not there are no error."},
	"ListTagsForStream":    {groupTags, works, "By key, 50 at a time."},
	"TagResource":          {groupTags, works, "For the ARN of a stream, a consumer or a channel."},
	"UntagResource":        {groupTags, works, "The same."},
	"ListTagsForResource":  {groupTags, works, "The same, all at once."},
	"PutResourcePolicy":    {groupTags, kept, "Checked to be a document with statements, and not looked at until authorisation exists: **whoever has a key may do everything**. For streams and consumers."},
	"GetResourcePolicy":    {groupTags, kept, "The policy as it was put; `{}` where there is none."},
	"DeleteResourcePolicy": {groupTags, kept, "Like PutResourcePolicy."},

	"DescribeLimits":          {groupAccount, works, "500 shards, 50 streams ON_DEMAND and 50 channels, and what is used of them. The shards are enforced with `--aws-limits`."},
	"DescribeAccountSettings": {groupAccount, kept, "The billing commitment, DISABLED at first."},
	"UpdateAccountSettings":   {groupAccount, partly, "Nothing is billed. A commitment raises the consumers that a stream may have with `--aws-limits`; the rest is kept and shown."},

	"CreateChannel":   {groupChannels, kept, "The definition is checked and kept. **Nothing is delivered** to S3 or to tables until delivery exists."},
	"UpdateChannel":   {groupChannels, kept, "Changes freshness and logging in the definition."},
	"DeleteChannel":   {groupChannels, kept, "Removes the definition at once."},
	"DescribeChannel": {groupChannels, kept, "Shows the definition."},
	"ListChannels":    {groupChannels, kept, "By name, 100 at a time, for all streams or some."},
}

const coverageHead = `# API coverage

What each operation of Amazon Kinesis Data Streams does here. This page is made by
` + "`go test ./kinesis/streams -run Coverage -update-coverage`" + ` from the service's table and a statement for each operation.

| state | means |
|---|---|
| works | it does what AWS documents |
| kept | what it sets is stored, durable and reported, and nothing else follows from it yet |
| partly | the text says which part is kept only |

Every operation takes and answers AWS JSON 1.1 and AWS CBOR 1.1 over HTTP/1.1 and HTTP/2, with TLS and without, on one port.
Input is checked by AWS's model, and errors have AWS's names, texts and status codes. Where they apply:

- **State**: a change is done when its operation returns. The stream then shows CREATING or UPDATING for ` + "`--status-delay`" + `
  and refuses further changes, because clients wait for that change of state.
- **Limits**: the quotas of AWS are enforced with ` + "`--aws-limits`" + ` only. Sizes of requests and records always are.
- **DryRun**: PutRecord, PutRecords, GetShardIterator, GetRecords and SubscribeToShard check everything and then answer with DryRunOperationException.
- **StreamId** is shown, and accepted in requests without being looked at: AWS reserves it for the future.
- **Account and region**: there is one account, ` + "`--account`" + `. The region is the one that the signature names: the same streams are there in each.
- **EncryptionType** is left out of the answers of PutRecord, PutRecords and GetRecords where a stream has none.

`

const coverageTail = `
## Other services

Answered at the same address, because clients of Kinesis ask for them:

| operation | here |
|---|---|
| STS GetCallerIdentity | The account and the ARN of the key's user. |
| CloudWatch PutMetricData | Taken and forgotten: the producer and client libraries send their metrics all the time. |
`

// leftOut is how the table names what the model has and the table has not.
const leftOut = "# Left out, as queues come later: "

// missing returns the operations that are left out of the table.
func missing(t *testing.T) []string {
	t.Helper()
	for line := range strings.Lines(table) {
		if names, found := strings.CutPrefix(line, leftOut); found {
			return strings.Split(strings.TrimSuffix(strings.TrimSpace(names), "."), ", ")
		}
	}
	t.Fatalf("kinesis.model has no line %q", leftOut)
	return nil
}

// coverage renders the page, and fails for operations and statements that have no counterpart.
func coverage(t *testing.T) string {
	t.Helper()
	service, err := model.Parse(table)
	if err != nil {
		t.Fatal(err)
	}
	left := maps.Clone(statements)
	var page strings.Builder
	page.WriteString(coverageHead)
	absent := missing(t)
	fmt.Fprintf(&page, "%d of the %d operations of the model of %s are there.\n", len(service.Operations), len(service.Operations)+len(absent), service.Version)
	for _, group := range groups {
		fmt.Fprintf(&page, "\n## %s\n\n| operation | state | here |\n|---|---|---|\n", group)
		for _, o := range service.Operations {
			if s := statements[o.Name]; s.group == group {
				fmt.Fprintf(&page, "| %s | %s | %s |\n", o.Name, s.state, s.text)
				delete(left, o.Name)
			}
		}
	}
	for _, o := range service.Operations {
		if statements[o.Name].text == "" {
			t.Errorf("%s has no statement: say in coverage_test.go what it does here", o.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		t.Errorf("there is a statement of %s, which is not in the table or in no group", name)
	}
	page.WriteString("\n## Not there yet\n\nQueues come later. Asked for these, the server answers UnknownOperationException:\n\n")
	for _, name := range absent {
		fmt.Fprintf(&page, "- %s\n", name)
	}
	page.WriteString(coverageTail)
	return page.String()
}

// The page says of every operation what it does, and is the one that the table and the statements make.
func TestCoverage(t *testing.T) {
	page := coverage(t)
	if *updateCoverage {
		if err := os.WriteFile(coveragePage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	committed, err := os.ReadFile(coveragePage)
	if err != nil {
		t.Fatal(err)
	}
	if string(committed) != page {
		t.Errorf("%s is out of date: go test ./kinesis/streams -run Coverage -update-coverage", coveragePage)
	}
}

func TestCoverageOfTheModel(t *testing.T) {
	if names := missing(t); len(names) != 12 || len(statements) != 45 {
		t.Errorf("%d operations are left out and %d have statements, of 57", len(names), len(statements))
	}
	for name, s := range statements {
		if !slices.Contains([]string{works, kept, partly}, s.state) || !strings.HasSuffix(s.text, ".") || strings.Contains(s.text, "|") {
			t.Errorf("%s: %+v is no statement for a table", name, s)
		}
	}
}
