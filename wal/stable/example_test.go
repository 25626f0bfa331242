package stable_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
	"github.com/millrace-io/millrace/wal/stable"
)

// Two values that belong together, and survive together.
func ExampleStore() {
	dir, err := os.MkdirTemp("", "millrace-stable-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for range 2 { // the second round opens what the first has left
		l, err := wal.Open(dir, wal.Options{}, wal.LogOptions{})
		if err != nil {
			log.Fatal(err)
		}
		store, err := stable.Open(l)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("term %q, vote %q\n", store.Get("term"), store.Get("vote"))
		err = store.Put(context.Background(), record.Group, map[string][]byte{"term": []byte("7"), "vote": []byte("b")})
		if err != nil {
			log.Fatal(err)
		}
		if err := l.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// term "", vote ""
	// term "7", vote "b"
}
