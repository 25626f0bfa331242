package record_test

import (
	"fmt"

	"github.com/millrace-io/millrace/record"
)

func ExampleSequenceNumber() {
	n := record.SequenceNumber{ShardCreated: 1_700_000_000, Shard: 3, Index: 42, Arrival: 1_700_000_060}
	fmt.Println(n)
	again, err := record.ParseSequenceNumber(n.String())
	fmt.Println(again.Index, again.Shard, err)
	// Output:
	// 49646437577175378652512468275301311464827193309299474482
	// 42 shardId-000000000003 <nil>
}

func ExampleSplitEvenly() {
	for _, r := range record.SplitEvenly(2) {
		fmt.Println(r)
	}
	// Output:
	// 0-170141183460469231731687303715884105727
	// 170141183460469231731687303715884105728-340282366920938463463374607431768211455
}

func ExampleHashOf() {
	key := record.HashOf("customer-17")
	for shard, r := range record.SplitEvenly(4) {
		if r.Contains(key) {
			fmt.Println(record.ShardID(shard))
		}
	}
	// Output: shardId-000000000000
}
