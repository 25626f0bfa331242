// Package requests measures any server that speaks the API of Kinesis Data
// Streams by as little of a client as there can be: HTTP/1.1 on connections that
// are kept, documents without an SDK. What an SDK costs would hide what servers
// differ by, on a machine that both share.
//
// A session makes one stream, waits until it is active, and gives every shard
// records by partition keys that hash into it. Append is PutRecord for one record
// and PutRecords for more; Prepare makes the bytes of such a request beforehand.
// Scan and Count are GetRecords, Follow is SubscribeToShard. Nothing is tried
// again: a record that is refused is a failure.
//
// Requests carry an Authorization header of the right form whose signature is
// none: servers for tests look no closer, and ours does not where it takes any
// key.
//
// Options of target.Config that it knows:
//
//	client    "thin": which client this is, for targets that have several
//	encoding  json or cbor, of records; default json
//	tls       true: TLS of any certificate; default false
//
// Files:
//
//	session.go     opening and closing
//	options.go     what can be chosen
//	stream.go      the stream, its shards and their partition keys
//	connection.go  HTTP/1.1
//	request.go     the bytes of requests
//	put.go         requests that write
//	get.go         requests that read
//	answer.go      what is in answers
//	follow.go      subscriptions
//	event.go       the frames of subscriptions
package requests
