// Package kpl reads and writes the aggregated records of the Kinesis Producer
// Library: many small records in the data of one, so that they cost the limits
// and the overhead of one.
//
//	for v := range kpl.Within(records, shard.Range) {
//		fmt.Println(string(v.Key), v.Index, string(v.Data))
//	}
//
// where records come from [Records], which yields an ordinary record as itself.
// To read many, keep a [Reader]; to write, an [Aggregator].
//
// # What is an aggregated record
//
// Nothing beside the data tells. It is one if it begins with a magic number and
// ends with the right MD5; anything else, however close, is ordinary data, as it
// is to AWS's consumers. A server stores both alike and never looks inside.
//
// The records inside have no sequence numbers of their own. They share that of
// the whole and are numbered from 0 in it, the sub-sequence number of AWS's
// consumers. Records inside are not looked into again.
//
// # After a reshard
//
// The whole is routed by its first record. A producer that does not know yet
// that a shard was split puts together what now belongs to different shards; the
// library then writes those again whose hash keys are not of the shard that took
// them, and consumers leave them out where they do not belong: [Within].
//
// # File map
//
//	format.go      the bytes, and how fields are told apart
//	reader.go      Is, Records, Reader, View, Within
//	aggregator.go  Aggregator
package kpl
