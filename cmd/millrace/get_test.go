package main

import (
	"errors"
	"testing"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
)

// TestUnopenedShardIsNotEmpty reads a stream one shard of which the server
// could not open. It says so instead of showing the other shards as if they
// were all.
func TestUnopenedShardIsNotEmpty(t *testing.T) {
	d := client.Description{Shards: []client.ShardDescription{{ID: 0, First: 1, Next: 5}, {ID: 1}}}
	if _, _, err := (&readFlags{last: -1}).spans(d); !errors.Is(err, failure.Unavailable) {
		t.Errorf("got %v, want failure.Unavailable", err)
	}
	history, _, err := (&readFlags{last: -1, shards: []string{"0"}}).spans(d)
	if err != nil || len(history) != 1 {
		t.Errorf("the other shard: %v, %v", history, err)
	}
}
