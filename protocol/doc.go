// Package protocol is the bytes: the frames that logs are made of, the batches
// inside frames, and the messages of the native protocol that carry both between
// client and server. It turns bytes into views and values into bytes; it opens
// no sockets and no files.
//
// # One frame from producer to disk to consumer
//
// A producer encodes its records once, as a canonical batch ([AppendBatch]). The
// same bytes travel in an [Append] message, are verified once ([VerifyBatch]),
// copied into a segment behind a frame header, and leave again inside a [Frames]
// message exactly as they lie on disk.
//
// # Trust
//
// Bytes from a peer are untrusted until VerifyBatch, or the Parse method of a
// message, has accepted them. Neither panics, and neither allocates more than a
// small multiple of what it was given. [OpenBatch] trusts its argument: handing
// it bytes that were not verified may panic.
//
// # Lifetime
//
// Views ([Batch], [RecordView], the Head and Body of a [Message]) alias the
// bytes they were made from and are valid only as long as those.
//
// # File map
//
//	frame.go          frame header, checksum
//	batch.go          batch encoder and its layout
//	batch_verify.go   batch verifier
//	batch_view.go     access to the records of a verified batch
//	limits.go         limits of one record
//	message.go        prelude, message types, message reader
//	message_*.go      the messages, by purpose
//	head.go           encoder of message heads
//	head_verify.go    verifier of message heads
//	fb                generated FlatBuffers accessors: test oracle and head reader
//
// The formats are described for other languages in docs/format.
package protocol

//go:generate flatc --go --gen-onefile --go-namespace fb -o fb batch.fbs message.fbs
//go:generate gofmt -w fb
