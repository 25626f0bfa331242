// Package capacity finds the highest planned rate at which a target keeps a
// promise about its tail: "the most records a second with p99 of at most 1 ms".
//
// That one number is harder to flatter than either of a throughput at any
// latency and a latency at any load.
package capacity
