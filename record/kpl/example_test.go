package kpl_test

import (
	"fmt"

	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/record/kpl"
)

func ExampleAggregator() {
	aggregator := kpl.NewAggregator(kpl.Options{})
	for _, order := range []string{"3 apples", "a pear", "2 plums"} {
		r := record.Record{PartitionKey: "customer-17", Data: []byte(order)}
		if !aggregator.Add(r) {
			fmt.Println("full: Finish, put it, and add the record again")
		}
	}
	whole := aggregator.Finish()
	fmt.Println(whole.PartitionKey, len(whole.Data), "bytes", kpl.Is(whole.Data))
	// Output: customer-17 72 bytes true
}

func ExampleRecords() {
	aggregator := kpl.NewAggregator(kpl.Options{})
	aggregator.Add(record.Record{PartitionKey: "customer-17", Data: []byte("3 apples")})
	aggregator.Add(record.Record{PartitionKey: "customer-18", Data: []byte("a pear")})
	records, err := kpl.Records(aggregator.Finish())
	if err != nil {
		fmt.Println(err)
		return
	}
	for v := range records {
		fmt.Printf("%d %s: %s\n", v.Index, v.Key, v.Data)
	}
	// Output:
	// 0 customer-17: 3 apples
	// 1 customer-18: a pear
}
