package main

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/internal/units"
)

func newStream(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stream",
		Short: "Create, list, describe and delete streams",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newStreamCreate(a), newStreamList(a), newStreamDescribe(a), newStreamDelete(a))
	return cmd
}

// streamView is the JSON form of a stream.
type streamView struct {
	Name           string      `json:"name"`
	ID             uint64      `json:"id"`
	Created        time.Time   `json:"created"`
	Durability     string      `json:"durability"`
	SyncInterval   string      `json:"sync_interval,omitempty"`
	Retention      string      `json:"retention"`
	RetentionBytes int64       `json:"retention_bytes_per_shard,omitempty"`
	Records        uint64      `json:"records"`
	Bytes          int64       `json:"bytes"`
	Shards         []shardView `json:"shards"`
}

// shardView is the JSON form of a shard.
type shardView struct {
	ID            string    `json:"id"`
	Created       time.Time `json:"created"`
	StartHash     string    `json:"start_hash"`
	EndHash       string    `json:"end_hash"`
	FirstSequence uint64    `json:"first_sequence"`
	NextSequence  uint64    `json:"next_sequence"`
	Records       uint64    `json:"records"`
	Bytes         int64     `json:"bytes"`
}

// number renders a count for the chosen width.
func number(n uint64, wide bool) string {
	if wide {
		return strconv.FormatUint(n, 10)
	}
	return units.Count(n)
}

// size renders bytes for the chosen width.
func size(n int64, wide bool) string {
	if wide {
		return strconv.FormatInt(n, 10)
	}
	return units.Bytes(n).Human()
}

// streamsTable is one line for each stream.
func streamsTable(streams []streamView, wide bool) render.Table {
	table := render.Table{Columns: []string{"NAME", ">SHARDS", ">RECORDS", ">BYTES", "DURABILITY", "RETENTION"}}
	if wide {
		table.Columns = append(table.Columns, "CREATED", ">ID")
	}
	for _, s := range streams {
		row := []string{s.Name, strconv.Itoa(len(s.Shards)), number(s.Records, wide), size(s.Bytes, wide), s.Durability, s.Retention}
		if wide {
			row = append(row, s.Created.Format(time.RFC3339Nano), strconv.FormatUint(s.ID, 10))
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// shardsTable is one line for each shard.
func shardsTable(s streamView, wide bool) render.Table {
	table := render.Table{Columns: []string{"SHARD", ">FIRST", ">NEXT", ">RECORDS", ">BYTES"}}
	if wide {
		table.Columns = append(table.Columns, ">START HASH", ">END HASH")
	}
	for _, shard := range s.Shards {
		row := []string{
			shard.ID, number(shard.FirstSequence, wide), number(shard.NextSequence, wide),
			number(shard.Records, wide), size(shard.Bytes, wide),
		}
		if wide {
			row = append(row, shard.StartHash, shard.EndHash)
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}
