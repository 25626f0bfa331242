package hashicorpraft_test

import (
	"fmt"
	"log"
	"os"

	"github.com/hashicorp/raft"

	"github.com/millrace-io/millrace/adapters/hashicorpraft"
	"github.com/millrace-io/millrace/wal"
)

// A store is both the log and the stable store of a server.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "millrace-raft-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := hashicorpraft.Open(dir, wal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	// raft.NewRaft(config, machine, store, store, snapshots, transport) does
	// this:
	err = store.StoreLogs([]*raft.Log{
		{Index: 1, Term: 1, Type: raft.LogNoop},
		{Index: 2, Term: 1, Data: []byte("set x")},
		{Index: 3, Term: 1, Data: []byte("set y")},
	})
	if err != nil {
		log.Fatal(err)
	}
	// A new leader says that entry 3 is another one.
	if err := store.DeleteRange(3, 3); err != nil {
		log.Fatal(err)
	}
	if err := store.StoreLog(&raft.Log{Index: 3, Term: 2, Data: []byte("set z")}); err != nil {
		log.Fatal(err)
	}
	var entry raft.Log
	if err := store.GetLog(3, &entry); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("entry %d of term %d: %s\n", entry.Index, entry.Term, entry.Data)
	// Output:
	// entry 3 of term 2: set z
}
