//go:build race

package server_test

// raceEnabled: the race detector does not see memory maps, so tests keep their
// files on the heap.
const raceEnabled = true
