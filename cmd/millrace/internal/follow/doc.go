// Package follow reads what the shards of a stream hold as one sequence, merged
// by the time of arrival.
package follow
