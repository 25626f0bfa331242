// Program logs measures embedded logs beside Millrace's: it is a worker (see
// package bench/worker) whose targets are Go libraries, in a module of its own
// so that none of them is a dependency of Millrace.
//
// All libraries get the same treatment. A log of one writer has a directory for
// each shard. A database (pebble, badger, bbolt) has a directory and a database
// for each shard when there are at most 16, and one database for all of them
// otherwise, where the shard is the beginning of the key (bbolt: a bucket).
// Libraries that do not combine the syncs of several goroutines by themselves
// share one committer; pebble and bbolt do. What waits for new records is told after the append and
// reads them through the library.
//
//	main.go       the list of libraries, and how one becomes a target
//	session.go    shards, databases, and the bell that followers wait for
//	committer.go  one sync for all that wait
//	committed.go  a log of one writer, with the committer, as a shard
//	tidwall.go    github.com/tidwall/wal
//	raftwal.go    github.com/hashicorp/raft-wal
//	etcd.go       go.etcd.io/etcd/server/v3/storage/wal
//	wlog.go       github.com/prometheus/prometheus/tsdb/wlog
//	pebble.go     github.com/cockroachdb/pebble/v2
//	badger.go     github.com/dgraph-io/badger/v4
//	bbolt.go      go.etcd.io/bbolt
package main
