package model_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/kinesis/wire"
)

// violations returns what a validation found, and nil if nothing.
func violations(t testing.TB, err error) []string {
	t.Helper()
	var invalid *model.ValidationError
	if err != nil && !errors.As(err, &invalid) {
		t.Fatalf("%v is no validation error", err)
	}
	if invalid == nil {
		return nil
	}
	return invalid.Violations
}

// TestMessages pins AWS's texts, as spec and reports of users have them.
func TestMessages(t *testing.T) {
	s := kinesis(t)
	long := strings.Repeat("k", 257)
	for _, c := range []struct {
		plan *model.Plan
		in   any
		want string
	}{
		{
			bind[streams.PutRecordInput](t, s, "PutRecordInput"),
			&streams.PutRecordInput{PartitionKey: "k"},
			"1 validation error detected: Value null at 'data' failed to satisfy constraint: Member must not be null",
		},
		{
			bind[streams.PutRecordInput](t, s, "PutRecordInput"),
			&streams.PutRecordInput{Data: make([]byte, 10485761), PartitionKey: "k"},
			"1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=10485761 cap=10485761]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 10485760",
		},
		{
			bind[streams.PutRecordsInput](t, s, "PutRecordsInput"),
			&streams.PutRecordsInput{StreamName: "a b", Records: []streams.PutRecordsRequestEntry{{Data: []byte{}, PartitionKey: "k"}, {PartitionKey: long, ExplicitHashKey: "01"}}},
			"4 validation errors detected: Value null at 'records.2.member.data' failed to satisfy constraint: Member must not be null; " +
				"Value '01' at 'records.2.member.explicitHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(0|([1-9]\\d{0,38}))$; " +
				"Value '" + long + "' at 'records.2.member.partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256; " +
				"Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
		},
		{
			bind[streams.PutRecordsInput](t, s, "PutRecordsInput"),
			&streams.PutRecordsInput{Records: []streams.PutRecordsRequestEntry{}},
			"1 validation error detected: Value '[]' at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		{
			bind[streams.GetRecordsInput](t, s, "GetRecordsInput"),
			&streams.GetRecordsInput{ShardIterator: "AAAA", Limit: new(int64)},
			"1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
		},
		{
			bind[streams.GetRecordsInput](t, s, "GetRecordsInput"),
			&streams.GetRecordsInput{ShardIterator: "AAAA", Limit: new(int64(10001))},
			"1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000",
		},
		{
			bind[streams.CreateStreamInput](t, s, "CreateStreamInput"),
			&streams.CreateStreamInput{StreamName: "s", StreamModeDetails: &streams.StreamModeDetails{StreamMode: "BOTH"}},
			"1 validation error detected: Value 'BOTH' at 'streamModeDetails.streamMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]",
		},
		{
			bind[streams.AddTagsToStreamInput](t, s, "AddTagsToStreamInput"),
			&streams.AddTagsToStreamInput{StreamName: "s", Tags: map[string]string{"": "v", "a": strings.Repeat("x", 257)}},
			"2 validation errors detected: Value '{=v, a=" + strings.Repeat("x", 257) + "}' at 'tags' failed to satisfy constraint: " +
				"Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]; " +
				"Value '{=v, a=" + strings.Repeat("x", 257) + "}' at 'tags' failed to satisfy constraint: " +
				"Map value must satisfy constraint: [Member must have length less than or equal to 256, Member must have length greater than or equal to 0]",
		},
		{
			bind[streams.RemoveTagsFromStreamInput](t, s, "RemoveTagsFromStreamInput"),
			&streams.RemoveTagsFromStreamInput{StreamName: "s", TagKeys: []string{"a", ""}},
			"1 validation error detected: Value '[a, ]' at 'tagKeys' failed to satisfy constraint: " +
				"Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]",
		},
		{
			bind[streams.EnableEnhancedMonitoringInput](t, s, "EnableEnhancedMonitoringInput"),
			&streams.EnableEnhancedMonitoringInput{StreamName: "s", ShardLevelMetrics: []string{"ALL", "NONE"}},
			"1 validation error detected: Value '[ALL, NONE]' at 'shardLevelMetrics' failed to satisfy constraint: Member must satisfy constraint: " +
				"[Member must satisfy enum value set: [IncomingBytes, IncomingRecords, OutgoingBytes, OutgoingRecords, " +
				"WriteProvisionedThroughputExceeded, ReadProvisionedThroughputExceeded, IteratorAgeMilliseconds, ALL]]",
		},
	} {
		if err := c.plan.Validate(c.in); err == nil || err.Error() != c.want {
			t.Errorf(" got %v\nwant %s", err, c.want)
		}
	}
}

// TestUnheld: an empty string and a number that is missing are refused as AWS does,
// together with all the rest, although the struct cannot hold either.
func TestUnheld(t *testing.T) {
	s := kinesis(t)
	for _, c := range []struct {
		plan           *model.Plan
		document, want string
	}{
		{
			bind[streams.PutRecordInput](t, s, "PutRecordInput"), `{"PartitionKey":"","Data":"","StreamName":""}`,
			"3 validation errors detected: Value '' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; " +
				"Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
				"Value '' at 'partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		{
			bind[streams.IncreaseStreamRetentionPeriodInput](t, s, "IncreaseStreamRetentionPeriodInput"), `{"StreamName":"a/b","RetentionPeriodHours":null}`,
			"2 validation errors detected: Value 'a/b' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; " +
				"Value null at 'retentionPeriodHours' failed to satisfy constraint: Member must not be null",
		},
		{
			bind[streams.PutRecordsInput](t, s, "PutRecordsInput"), `{"Records":[{"Data":"","PartitionKey":"a"},{"Data":"","PartitionKey":""}]}`,
			"1 validation error detected: Value '' at 'records.2.member.partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		{
			bind[streams.GetShardIteratorInput](t, s, "GetShardIteratorInput"), `{"ShardId":"s","ShardIteratorType":""}`,
			"1 validation error detected: Value '' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set: " +
				"[AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER, TRIM_HORIZON, LATEST, AT_TIMESTAMP]",
		},
	} {
		err := c.plan.Decode(wire.NewJSONReader([]byte(c.document)), c.plan.New())
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.document, err, c.want)
		}
	}
}

// TestRendering: how values of other shapes are repeated.
func TestRendering(t *testing.T) {
	s := parse(t, `service Renderings
structure Top
	Many Many
	Hidden Hidden
	Ratio Ratio
structure One
	Flag! Flag
	Number Number
	Data Data
	Pairs Pairs
	Codes Codes
	Hidden Hidden
	When When
list Many of=One max=1
map Pairs key=Shown value=Shown
map Codes key=Shown value=Hidden
string Shown
string Hidden max=1 sensitive
float Ratio min=0 max=1
boolean Flag
integer Number
blob Data
timestamp When
`)
	type one struct {
		Flag   bool
		Number *int64
		Data   []byte
		Pairs  map[string]string
		Codes  map[string]string
		Hidden string
		When   *time.Time
	}
	type top struct {
		Many   []one
		Hidden string
		Ratio  *float64
	}
	plan := bind[top](t, s, "Top")
	when := time.UnixMilli(0).UTC()
	in := &top{
		Many:   []one{{Flag: true, Number: new(int64(3)), Data: []byte("abc"), Pairs: map[string]string{"b": "2", "a": "1"}, Codes: map[string]string{"c": "3"}, Hidden: "h", When: &when}, {}},
		Hidden: "no",
		Ratio:  new(1.5),
	}
	want := []string{
		"Value '[One(flag=true, number=3, data=java.nio.HeapByteBuffer[pos=0 lim=3 cap=3], pairs={a=1, b=2}, codes=***, hidden=***, when=1970-01-01 00:00:00 +0000 UTC), " +
			"One(flag=false, number=null, data=null, pairs=null, codes=null, hidden=null, when=null)]' at 'many' failed to satisfy constraint: Member must have length less than or equal to 1",
		"Value at 'hidden' failed to satisfy constraint: Member must have length less than or equal to 1",
		"Value '1.5' at 'ratio' failed to satisfy constraint: Member must have value less than or equal to 1",
	}
	if got := violations(t, plan.Validate(in)); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestBounds: a bound itself is inside.
func TestBounds(t *testing.T) {
	plan := bind[all](t, parse(t, planTable), "All")
	for number, fine := range map[int64]bool{0: false, 1: true, 10: true, 11: false} {
		in := full()
		in.Number = &number
		if err := plan.Validate(in); (err == nil) != fine {
			t.Errorf("%d: %v", number, err)
		}
	}
	for ratio, fine := range map[float64]bool{-0.25: false, 0: true, 1: true, 1.25: false} {
		in := full()
		in.Ratio = &ratio
		if err := plan.Validate(in); (err == nil) != fine {
			t.Errorf("%g: %v", ratio, err)
		}
	}
	for text, fine := range map[string]bool{"a": false, "ab": true, "abcde": true, "abcdef": false} {
		in := full()
		in.Name, in.Data = text, []byte(text[1:])
		if err := plan.Validate(in); (err == nil) != fine {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestMessagesAreBounded: a large request does not make a large answer.
func TestMessagesAreBounded(t *testing.T) {
	plan := bind[streams.PutRecordsInput](t, kinesis(t), "PutRecordsInput")
	in := &streams.PutRecordsInput{StreamName: strings.Repeat("é", 1<<20), Records: make([]streams.PutRecordsRequestEntry, 501)}
	err := plan.Validate(in)
	got := violations(t, err)
	if len(got) != 10 || !strings.HasPrefix(err.Error(), "10 validation errors detected: Value '[PutRecordsRequestEntry(data=null, ") {
		t.Errorf("%d violations: %.100s", len(got), err)
	}
	in.Records = nil
	got = violations(t, plan.Validate(in))
	if len(got) != 2 {
		t.Errorf("%d violations of no records and a name that is far too long", len(got))
	}
	for _, violation := range got {
		if len(violation) > 5000 || strings.ToValidUTF8(violation, "?") != violation {
			t.Errorf("a violation of %d bytes, or no text: %.100q", len(violation), violation)
		}
	}
}

// TestLengthsAreOfCharacters: 256 characters may be more bytes.
func TestLengthsAreOfCharacters(t *testing.T) {
	plan := bind[streams.PutRecordInput](t, kinesis(t), "PutRecordInput")
	for n, fine := range map[int]bool{256: true, 257: false} {
		err := plan.Validate(&streams.PutRecordInput{Data: []byte{}, PartitionKey: strings.Repeat("é", n)})
		if (err == nil) != fine {
			t.Errorf("%d characters: %v", n, err)
		}
	}
}

func ExampleValidationError() {
	err := &model.ValidationError{Violations: []string{"Value null at 'data' failed to satisfy constraint: Member must not be null"}}
	fmt.Println(err)
	// Output: 1 validation error detected: Value null at 'data' failed to satisfy constraint: Member must not be null
}
