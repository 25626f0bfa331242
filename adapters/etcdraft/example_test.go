package etcdraft_test

import (
	"fmt"
	"log"
	"os"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/millrace-io/millrace/adapters/etcdraft"
	"github.com/millrace-io/millrace/wal"
)

// A group of one node, which goes on where it was after a restart.
func ExampleStorage() {
	dir, err := os.MkdirTemp("", "millrace-raft-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for round := range 2 {
		storage, err := etcdraft.Open(dir, wal.Options{})
		if err != nil {
			log.Fatal(err)
		}
		node, err := raft.NewRawNode(&raft.Config{
			ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: storage,
			MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 16, Logger: &raft.DefaultLogger{Logger: log.New(os.Stderr, "", 0)},
		})
		if err != nil {
			log.Fatal(err)
		}
		if round == 0 {
			if err := node.Bootstrap([]raft.Peer{{ID: 1}}); err != nil {
				log.Fatal(err)
			}
		}
		run(node, storage, round)
		if err := storage.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// round 0: applied "x = 0"
	// round 1: applied "x = 0"
	// round 1: applied "x = 1"
}

// run is the loop of a node: save, send, apply, advance. It ends when its
// proposal has been applied.
func run(node *raft.RawNode, storage *etcdraft.Storage, round int) {
	proposal := fmt.Sprintf("x = %d", round)
	proposed, applied := false, false
	for !applied {
		if !node.HasReady() {
			var err error
			switch {
			case node.BasicStatus().RaftState != raft.StateLeader:
				err = node.Campaign() // others would let time pass: node.Tick()
			case !proposed:
				proposed, err = true, node.Propose([]byte(proposal))
			}
			if err != nil {
				log.Fatal(err)
			}
			continue
		}
		ready := node.Ready()
		if err := storage.Save(ready); err != nil {
			log.Fatal(err)
		}
		// Now ready.Messages may be sent.
		for _, entry := range ready.CommittedEntries {
			switch entry.GetType() {
			case pb.EntryConfChange:
				var change pb.ConfChange
				if err := proto.Unmarshal(entry.GetData(), &change); err != nil {
					log.Fatal(err)
				}
				node.ApplyConfChange(&change)
			case pb.EntryNormal:
				if len(entry.GetData()) > 0 {
					fmt.Printf("round %d: applied %q\n", round, entry.GetData())
					applied = applied || string(entry.GetData()) == proposal
				}
			}
		}
		node.Advance(ready)
	}
}
