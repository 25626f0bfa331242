//go:build race

package auth_test

// raceEnabled: allocations are not counted.
const raceEnabled = true
