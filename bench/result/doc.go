// Package result is the one JSON document that every run of the harness
// writes, and all reports are made from.
//
// docs/format/bench-result.md describes it, and a golden test keeps it. Times
// are integer nanoseconds with _ns in their names, sizes are bytes, rates are
// per second.
package result
