// Package load puts records into a stream as fast as it takes them, and says
// how that went.
//
// A [Source] gives the records: lines of text, or a [Synthetic] load. They go
// through the asynchronous producer, or one by one with every acknowledgement
// awaited, so that the two can be compared.
package load
