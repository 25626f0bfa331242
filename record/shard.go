package record

import (
	"strconv"
	"strings"

	"github.com/millrace-io/millrace/failure"
)

// ShardID numbers the shards of one stream from 0. Numbers are never reused.
type ShardID uint32

const (
	shardPrefix = "shardId-"
	shardDigits = 12
)

// String renders the id as Kinesis does: shardId-000000000003.
func (id ShardID) String() string { return string(id.AppendText(nil)) }

// AppendText appends the rendering to destination.
func (id ShardID) AppendText(destination []byte) []byte {
	destination = append(destination, shardPrefix...)
	var digits [10]byte
	text := strconv.AppendUint(digits[:0], uint64(id), 10)
	for range shardDigits - len(text) {
		destination = append(destination, '0')
	}
	return append(destination, text...)
}

// ParseShardID reads a shard id. As with AWS, the padding may be left out:
// shardId-3 is shardId-000000000003.
func ParseShardID(text string) (ShardID, error) {
	digits, found := strings.CutPrefix(text, shardPrefix)
	if !found || digits == "" || len(digits) > shardDigits || !allDigits(digits) {
		return 0, failure.New(failure.InvalidArgument, "record: parse shard id",
			"%.64q is not shardId- and up to %d digits", text, shardDigits)
	}
	number, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0, failure.New(failure.InvalidArgument, "record: parse shard id",
			"%s is past the last possible shard", text)
	}
	return ShardID(number), nil
}

// allDigits reports whether text holds only ASCII digits. The strconv parsers
// also take signs, which no id has.
func allDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}
