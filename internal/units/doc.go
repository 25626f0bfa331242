// Package units reads and writes sizes and durations the way people do: 16MiB,
// 5m, 7d, 1.2 ms, 250,000.
//
// [Bytes] and [Duration] are values of command line flags.
package units
