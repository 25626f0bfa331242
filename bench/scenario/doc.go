// Package scenario says what the harness does, in YAML: the vocabulary of the
// OpenMessaging Benchmark where it has a word for it, and more where a log has
// more to say.
//
//	name: wal-append
//	description: One record an append, as fast as acknowledgements come.
//	target: wal
//	topics: 1
//	partitionsPerTopic: 1
//	messageSize: 1KiB
//	batchSize: 1
//	producersPerTopic: 64
//	producerRate: 0
//	durability: group
//	testDuration: 10s
//	matrix:
//	  messageSize: [100, 1KiB, 64KiB, 1MiB]
//
// A matrix makes variants, named NAME/SIZE and so on. The scenarios that come
// with the harness are in the folder scenarios; Load reads others from a file.
package scenario
