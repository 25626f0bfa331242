package web

import (
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// watched counts deadlines that are long over.
type watched struct {
	net.Conn
	cuts *atomic.Int64
}

func (w watched) SetDeadline(at time.Time) error {
	if !at.IsZero() && time.Since(at) > time.Hour {
		w.cuts.Add(1)
	}
	return w.Conn.SetDeadline(at)
}

type watchedListener struct {
	net.Listener
	cuts *atomic.Int64
}

func (l watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return watched{c, l.cuts}, err
}

// TestCloseLeavesWhatWasAccepted: Close cuts connections that say nothing, and none that is served.
func TestCloseLeavesWhatWasAccepted(t *testing.T) {
	const rounds = 300
	var cuts atomic.Int64
	for range rounds {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := newSplit(watchedListener{l, &cuts}, nil)
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write([]byte("P")); err != nil {
			t.Fatal(err)
		}
		served, err := s.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		served.Close()
		client.Close()
	}
	if n := cuts.Load(); n > 0 {
		t.Errorf("%d of %d were cut", n, rounds)
	}
}
