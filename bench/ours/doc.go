// Package ours makes Millrace a target of the harness, at three depths: the
// log by itself (Wal), the embedded engine with streams (Engine), and a server
// in a process of its own, over the native protocol (Native) and over the API of
// Kinesis Data Streams (Kinesis).
//
// All records go under one partition key for each shard, which the peers do not
// have to store; what that costs is in our figures. Over the Kinesis API they have
// the keys that the peers' have.
package ours
