// Package demo runs the whole pipeline once, on the bundled flights: it starts
// a server in the process, creates a stream, loads every flight through the
// native client, reads every shard back, and compares what came out with what
// went in.
package demo
