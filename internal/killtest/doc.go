// Package killtest kills a server in the middle of its work, again and again,
// and checks that it kept what it had acknowledged.
//
// A [Ledger] knows every record that was ever sent, and what became of it. After
// each restart the records of every shard are shown to it in the order in which
// they are read, and it reports whatever contradicts the promises:
//
//   - an acknowledged record is there, at the sequence number and in the shard
//     that the acknowledgement named, with the content that was sent;
//   - a record that was sent and not acknowledged may be there or not, but once
//     a restart has shown that it is not, it never comes back;
//   - nothing else is there, and nothing is there twice;
//   - the sequence numbers of a shard are 1, 2, 3 and so on, and a record that
//     was once read is read again.
//
// An [Order] does the same for streams that are split and merged meanwhile, and for
// consumers that follow the shards from parents to children: each of them reads every
// acknowledged record exactly once and the records of a key in the order in which they
// were put, with growing sequence numbers, in shards to which their hashes belong.
//
// What it cannot show: a killed process loses no write that the kernel has
// taken, so this says nothing about fdatasync. Package crashfs simulates that.
package killtest
