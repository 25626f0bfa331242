// Package client talks to a Millrace server over the native protocol.
//
//	c, err := client.New(ctx, "localhost:4568")
//	...
//	defer c.Close()
//	position, err := c.Put(ctx, "orders", record.Record{PartitionKey: "customer-17", Data: data})
//
//	for r, err := range c.Records(ctx, "orders", client.FromLatest()) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(r.PartitionKey, r.Position.Sequence)
//	}
//
// # Writing
//
// [Client.Put] and [Client.PutBatch] wait for the acknowledgement. A [Producer]
// does not: it gathers records into one batch per shard, keeps several batches
// under way, and reports each record to a callback. All three go the same way,
// and concurrent calls share batches. With [WithAggregation] a Producer also makes
// aggregated records of small ones, for consumers of the Kinesis Producer Library.
//
// Writing is idempotent. Every producer has a random id and numbers its records
// shard by shard, so a batch whose acknowledgement was lost with the connection is
// sent again and the server writes it once. The exception is a server that, by
// its stream's durability, was allowed to forget acknowledged records in a crash:
// those stay lost.
//
// # Reading
//
// [Client.Records] yields records that belong to the caller; [Client.Batches]
// yields views that are valid until the next step of the loop and costs no memory
// per record. Both read over a connection of their own, in the goroutine of the
// loop, and after a lost connection go on behind the last record they delivered.
// The order of records is kept within a shard, not between shards; but a shard that
// was made by a split or a merge is read after those that it was made of, so that
// records of one key always come in their order.
//
// # Failures
//
// Throttling, unavailable servers and lost connections are retried with
// exponential backoff and full jitter, or when the server says, until a budget of
// time is used up. Errors are *[failure.Error] in the chain, so that
// errors.Is(err, failure.Trimmed) reads as it does in the embedded engine.
// A record that no server would take is refused before anything is sent.
//
// # File map
//
//	client.go      Client: connecting, calls, closing
//	connection.go  one connection: requests under way, writer, reader
//	control.go     streams: create, describe, list, delete
//	put.go         Put and PutBatch
//	producer.go    Producer: what callers touch
//	sender.go      Producer: the goroutine that sends, settles and retries
//	lane.go        the batches of one shard, in order
//	reroute.go     moving batches when the shards change
//	aggregate.go   many records of a batch as one
//	routing.go     hash key to shard
//	consumer.go    Records and Batches
//	session.go     one connection's worth of reading
//	retry.go       backoff
package client
