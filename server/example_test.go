package server_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/millrace-io/millrace/server"
	"github.com/millrace-io/millrace/stream"
)

// Run a server on free ports, use its streams from within, and stop it.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "millrace")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	s, err := server.New(server.Config{DataDirectory: dir, NativeAddress: "127.0.0.1:0", AdminAddress: "127.0.0.1:0", HTTPAddress: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Start(ctx); err != nil {
		log.Fatal(err)
	}
	created, err := s.Store().Create(ctx, stream.Config{Name: "orders", Shards: 2})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(created.Name(), len(created.Describe().Shards), s.NativeAddress() != "")
	if err := s.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: orders 2 true
}
