// Package follow reads the shards of a stream as one sequence: what is there,
// merged by arrival, and then what comes.
package follow
