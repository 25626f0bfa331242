// Package record holds the values that flow through Millrace: records, the hash
// keys that route them to shards, shard ids, sequence numbers, and the starting
// points of readers. It parses and formats them and does nothing else.
//
// # Numbers of a record
//
// Inside a shard every record has an index: 1 for the first, one more for each
// that follows, 0 for "none". The engine, the native protocol and the client
// speak of it simply as the sequence. A [SequenceNumber] is the index made unique
// across all shards of a stream and rendered as the 56-digit decimal that
// Kinesis clients expect.
//
// # Routing
//
// A record goes to the shard whose [HashRange] contains its hash key, which is
// the explicit one if it has one and the MD5 of the partition key otherwise.
package record
