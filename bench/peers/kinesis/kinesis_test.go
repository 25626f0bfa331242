package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/installed"
)

// open opens a session in a new directory; a target that is not installed is
// skipped.
func open(t *testing.T, on target.Target, c target.Config) target.Session {
	t.Helper()
	s, err := on.Open(t.Context(), c)
	if reason, unavailable := target.Unavailable(err); unavailable {
		t.Skipf("%s: %s", on.About().Name, reason)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	shards  = 3
	writers = 4
	batches = 6
	batch   = 7
)

// record is the text of one record: all are different.
func record(writer, number int) string {
	return fmt.Sprintf("writer %d record %03d of %d", writer, number, batches*batch)
}

// write appends from several goroutines, each to a shard of its own choice.
func write(t *testing.T, s target.Session) {
	t.Helper()
	var group sync.WaitGroup
	failures := make(chan error, writers)
	for writer := range writers {
		group.Go(func() {
			for i := range batches {
				var records [][]byte
				for j := range batch {
					records = append(records, []byte(record(writer, i*batch+j)))
				}
				if err := s.Append(t.Context(), writer%shards, records); err != nil {
					failures <- err
					return
				}
			}
			failures <- s.Append(t.Context(), writer%shards, [][]byte{[]byte(record(writer, batches*batch))})
		})
	}
	group.Wait()
	for range writers {
		if err := <-failures; err != nil {
			t.Fatal(err)
		}
	}
}

// wanted is what write has written, by writer.
func wanted() map[string][]string {
	all := map[string][]string{}
	for writer := range writers {
		name := fmt.Sprintf("shard %d writer %d", writer%shards, writer)
		for number := range batches*batch + 1 {
			all[name] = append(all[name], record(writer, number))
		}
	}
	return all
}

// scanned is what is in the shards, by writer.
func scanned(t *testing.T, s target.Session) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for shard := range shards {
		err := s.(target.Scanner).Scan(t.Context(), shard, func(data []byte) {
			writer, _, _ := strings.Cut(string(data), " record")
			name := fmt.Sprintf("shard %d %s", shard, writer)
			all[name] = append(all[name], string(data))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestWhatIsAppendedIsScannedInOrder(t *testing.T) {
	for _, on := range targets() {
		t.Run(on.About().Name, func(t *testing.T) {
			c := target.Config{Dir: t.TempDir(), Durability: target.None, Shards: shards, Writers: writers, RecordBytes: 64}
			s := open(t, on, c)
			write(t, s)
			if difference := cmp.Diff(wanted(), scanned(t, s)); difference != "" {
				t.Errorf("scan, wanted (-), found (+):\n%s", difference)
			}
			if memory, err := s.(target.Server).ServerMemory(); err != nil || memory == 0 {
				t.Errorf("memory %d, %v", memory, err)
			}
			if used, err := s.(target.Server).ServerCPU(); err != nil {
				t.Errorf("processor time %s, %v", used, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			c.Reopen = true
			again, err := on.Open(t.Context(), c)
			if _, unavailable := target.Unavailable(err); unavailable {
				return // records in memory
			}
			if err != nil {
				t.Fatal(err)
			}
			if difference := cmp.Diff(wanted(), scanned(t, again)); difference != "" {
				t.Errorf("scan after opening again, wanted (-), found (+):\n%s", difference)
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestScanOfMoreThanOneAnswer(t *testing.T) {
	const size = 1024
	for _, on := range targets() {
		t.Run(on.About().Name, func(t *testing.T) {
			records := 12_000
			if on.About().Name == "kinesis-mock" {
				records = 700 // it takes milliseconds for each
			}
			s := open(t, on, target.Config{Dir: t.TempDir(), Durability: target.None, Shards: 1, Writers: 1, RecordBytes: size})
			defer s.Close()
			sender := s.(target.Sender)
			data, failures := make([]byte, size), make(chan error, records)
			for number := range records {
				copy(data, fmt.Sprintf("%08d", number))
				if err := sender.Send(t.Context(), 0, data, func(err error) { failures <- err }); err != nil {
					t.Fatal(err)
				}
			}
			if err := sender.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range records {
				if err := <-failures; err != nil {
					t.Fatal(err)
				}
			}
			next := 0
			err := s.(target.Scanner).Scan(t.Context(), 0, func(found []byte) {
				if text := fmt.Sprintf("%08d", next); len(found) != size || string(found[:8]) != text {
					t.Errorf("found %q, wanted %s", found[:8], text)
				}
				next++
			})
			if err != nil || next != records {
				t.Errorf("found %d records, %v", next, err)
			}
		})
	}
}

func TestFollowersSeeWhatIsAppendedAfterReady(t *testing.T) {
	const records = 300
	for _, on := range targets() {
		for _, name := range []string{"an empty stream", "a stream with records"} {
			t.Run(on.About().Name+" on "+name, func(t *testing.T) {
				s := open(t, on, target.Config{Dir: t.TempDir(), Durability: target.None, Shards: 2, Writers: 1, RecordBytes: 16})
				defer s.Close()
				if name != "an empty stream" {
					if err := s.Append(t.Context(), 1, [][]byte{[]byte("old"), []byte("older")}); err != nil {
						t.Fatal(err)
					}
				}
				follow(t, s, records)
			})
		}
	}
}

// follow sends records to shard 1 and checks that its follower gets them.
func follow(t *testing.T, s target.Session, records int) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ready, ended := make(chan struct{}), make(chan error, 1)
	delivered := make(chan string, records)
	go func() {
		ended <- s.(target.Follower).Follow(ctx, 1, func() { close(ready) }, func(data []byte) { delivered <- string(data) })
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	for number := range records {
		if err := s.(target.Sender).Send(t.Context(), 1, fmt.Appendf(nil, "record %d", number), func(err error) {
			if err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	for number := range records {
		select {
		case data := <-delivered:
			if want := fmt.Sprintf("record %d", number); data != want {
				t.Fatalf("delivered %q, wanted %q", data, want)
			}
		case err := <-ended:
			t.Fatalf("the follower ended after %d records: %v", number, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestUnavailable(t *testing.T) {
	c := target.Config{Dir: t.TempDir(), Durability: target.None}
	t.Setenv(installed.Variable, t.TempDir())
	for _, on := range targets() {
		name := on.About().Name
		reason, unavailable := target.Unavailable(openError(t, on, c))
		if !unavailable || !strings.Contains(reason, "bench/peers/install.sh "+name) {
			t.Errorf("%s: the reason %q does not have the remedy", name, reason)
		}
		folder := filepath.Join(os.Getenv(installed.Variable), name)
		if err := errors.Join(os.Mkdir(folder, 0o755), os.WriteFile(filepath.Join(folder, "reason.txt"), []byte("no compiler\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		reason, unavailable = target.Unavailable(openError(t, on, c))
		if !unavailable || !strings.Contains(reason, "no compiler") {
			t.Errorf("%s: the reason %q is not that of install.sh", name, reason)
		}
		durable := c
		durable.Durability = target.Group
		if _, unavailable := target.Unavailable(openError(t, on, durable)); !unavailable {
			t.Errorf("%s: promises what it does not have", name)
		}
	}
}

// openError is the error of a session that must not open.
func openError(t *testing.T, on target.Target, c target.Config) error {
	t.Helper()
	s, err := on.Open(t.Context(), c)
	if err == nil {
		t.Fatal("it was opened", s.Close())
	}
	return err
}
