// Package streams offers the streams of a data directory as Amazon Kinesis Data Streams does:
// all operations of the service, with AWS's rules, limits, errors and texts.
//
//	api, err := streams.New(store, streams.Options{})
//	front, err := kinesis.NewFront(kinesis.Options{}, api.Service())
//
// # Where things are kept
//
// Streams, shards, retention and records belong to package stream. What only AWS knows of a
// stream (tags, consumers, policies, encryption settings, the mode) is a document of
// the stream in the catalogue, written with the change that it belongs to and removed with
// the stream. What has no meaning on one machine is kept and reported all the same;
// docs/reference/api-coverage.md says what each operation does.
//
// # States
//
// A change is done when its operation returns; a stream then shows CREATING or UPDATING for
// Options.StatusDelay, because clients written for AWS wait for the change of state, and
// refuses other changes meanwhile as AWS does. Only deletion is really put off.
//
// # Tokens
//
// Shard iterators and next tokens hold a position, sealed with a key that the catalogue
// keeps: they survive a restart and nobody can make one. They live 5 minutes.
//
// # File map
//
//	streams.go     API: what operations share
//	settings.go    the document of a stream
//	target.go      names and ARNs
//	token.go       sealed positions
//	create.go describe.go listing.go reshard.go change.go account.go
//	               streams and shards
//	tags.go policy.go consumer.go channel.go
//	               what belongs to them
//	put.go put_read.go
//	               PutRecord, PutRecords
//	iterator.go get.go subscribe.go
//	               reading
//	limits.go      the quotas of AWS
//	scale.go       ON_DEMAND
package streams
