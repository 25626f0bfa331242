// Package native serves the native protocol: it moves batches from connections
// into logs and frames from logs into connections.
//
// # A connection
//
// One goroutine reads. It checks each batch in the buffer that it arrived in,
// stages it, which copies it into the log's buffer and starts the commit in the
// background, and notes it in a queue. Batches for several shards are thereby
// under way at once, and the reader never waits for a disk unless the queue or a
// log's buffers are full; then it stops reading, which the client feels.
//
// A second goroutine takes the queue in order, waits for each batch and writes
// the acknowledgements, as many as are due in one call. Errors of appends take
// the same way, so that the answers to appends keep the order of the appends.
//
// Every subscription has a goroutine that hands ranges of frames from its cursor
// to writev, without copying them, as long as the client's credits last. All
// other requests run in a goroutine each, bounded in number, because they may
// wait.
//
// All goroutines of a connection are joined before it is forgotten, and all
// connections before [Server.Shutdown] returns.
//
// # What ends a connection
//
// The client's end of file; an I/O error; bytes that break the protocol, which
// are answered by an Error under request 0 first; silence for longer than
// Options.IdleTimeout unless something is under way; a message or a write that
// takes longer than its timeout; and Shutdown. Batches that were read and staged
// by then are committed; their acknowledgements are written as far as the client
// still listens.
package native
