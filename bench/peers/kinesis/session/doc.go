// Package session measures any server that speaks the API of Kinesis Data
// Streams, whoever wrote it: a target.Session over the AWS SDK for Go. The
// server is somebody else's to start and stop; Open gets its address.
//
// A session makes one stream, waits until it is active, and gives every shard
// records by an explicit hash key, the lower end of the shard's range. Append is
// PutRecord for one record and PutRecords for more; Send queues records, and
// what has queued while a request was under way goes with the next one. Readers
// poll GetRecords.
//
// Order: the API promises none for requests under way at once, nor for the rest
// of a request of which a part was refused. So Send has one request of a shard
// at the server at a time, while the next one is encoded and signed, and several
// for different shards; unless the option ordered is false. Records that were
// refused, which servers do when they throttle, are sent again on their own and
// come after those that were not.
//
// Options of target.Config that it knows:
//
//	in_flight  requests of Send at the server at once, 1 to 64; default 2
//	ordered    whether Send keeps the order of every shard; default true
//	poll       time between two looks for new records; default 2ms
//
// Files:
//
//	session.go  opening and closing
//	options.go  what can be chosen
//	client.go   the SDK's client and its connections
//	stream.go   the stream and its shards
//	put.go      requests that write
//	send.go     sending without waiting
//	lane.go     what is sent goes into which request
//	turn.go     requests wait for one another
//	read.go     requests that read
package session
