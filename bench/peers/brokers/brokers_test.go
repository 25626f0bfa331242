package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/bench/target"
)

func TestMain(m *testing.M) {
	serveNATSIfAsked()
	os.Exit(m.Run())
}

const (
	shards           = 2
	writers          = 4
	batchesEach      = 5
	recordsPerBatch  = 20
	recordSize       = 300
	recordsPerShard  = writers / shards * batchesEach * recordsPerBatch
	recordsSentAsync = 3000
	// arriveMax is when what was sent is given up. It never passes in a test
	// that succeeds.
	arriveMax = 20 * time.Second
)

// numbered returns a record that says who wrote it.
func numbered(writer, number int) []byte {
	record := make([]byte, recordSize)
	binary.LittleEndian.PutUint32(record, uint32(writer))
	binary.LittleEndian.PutUint32(record[4:], uint32(number))
	for i := 8; i < recordSize; i++ {
		record[i] = byte(writer*7 + number + i)
	}
	return record
}

// log is what a reader got, for each writer the numbers in order.
type log struct {
	numbers map[int][]int
	damaged int
	count   int
}

func (l *log) add(record []byte) {
	if len(record) != recordSize {
		l.damaged++
		return
	}
	writer, number := int(binary.LittleEndian.Uint32(record)), int(binary.LittleEndian.Uint32(record[4:]))
	if !cmp.Equal(record, numbered(writer, number)) {
		l.damaged++
		return
	}
	if l.numbers == nil {
		l.numbers = map[int][]int{}
	}
	l.numbers[writer] = append(l.numbers[writer], number)
	l.count++
}

// upTo returns the numbers from 0.
func upTo(count int) []int {
	numbers := make([]int, count)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

func open(t *testing.T, on target.Target, c target.Config) target.Session {
	t.Helper()
	session, err := on.Open(t.Context(), c)
	var cannot *target.UnavailableError
	switch {
	case errors.As(err, &cannot):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return session
}

// TestBrokers does with every broker, in every durability it has, what the
// harness does: append from several goroutines, scan, follow, send.
func TestBrokers(t *testing.T) {
	for _, on := range targets() {
		for _, durability := range on.About().Durabilities {
			t.Run(fmt.Sprintf("%s/%s", on.About().Name, durability), func(t *testing.T) {
				c := target.Config{Dir: t.TempDir(), Durability: durability, Shards: shards, RecordBytes: recordSize, Writers: writers}
				session := open(t, on, c)
				closed := false
				defer func() {
					if !closed {
						_ = session.Close()
					}
				}()
				appendFromAll(t, session)
				wanted := make([]map[int][]int, shards)
				for shard := range wanted {
					wanted[shard] = map[int][]int{}
					for writer := shard; writer < writers; writer += shards {
						wanted[shard][writer] = upTo(batchesEach * recordsPerBatch)
					}
				}
				scanAll(t, session, wanted)
				followAndSend(t, session)
				used(t, session)
				if err := session.Close(); err != nil {
					t.Fatalf("close: %v", err)
				}
				closed = true
			})
		}
	}
}

func TestPortTakenByAnother(t *testing.T) {
	attempts := 0
	session, err := onFreePorts(t.Context(), 2, func(ports []int) (target.Session, error) {
		if attempts++; attempts == 1 {
			return nil, errors.New("address in use")
		}
		if len(ports) != 2 || ports[0] == ports[1] {
			return nil, fmt.Errorf("ports %v", ports)
		}
		return new(redisSession), nil
	})
	if err != nil || session == nil {
		t.Errorf("got %v, %v", session, err)
	}
	attempts = 0
	if _, err := onFreePorts(t.Context(), 1, func([]int) (target.Session, error) {
		attempts++
		return nil, errors.New("no licence")
	}); err == nil || attempts != startTries {
		t.Errorf("%d attempts, %v", attempts, err)
	}
}

// TestReopen finds what an earlier session wrote, with the brokers that can.
func TestReopen(t *testing.T) {
	for _, on := range targets() {
		t.Run(on.About().Name, func(t *testing.T) {
			c := target.Config{Dir: t.TempDir(), Durability: target.None, Shards: 1, RecordBytes: recordSize, Writers: 1}
			if on.About().Name == (rabbitTarget{}).About().Name {
				t.Skip("its streams do not say where their end is")
			}
			for session := range 2 {
				c.Reopen = session > 0
				s := open(t, on, c)
				err := s.Append(t.Context(), 0, [][]byte{numbered(0, session)})
				var got log
				if err == nil {
					err = s.(target.Scanner).Scan(t.Context(), 0, got.add)
				}
				if err := errors.Join(err, s.Close()); err != nil {
					t.Fatalf("session %d: %v", session, err)
				}
				if diff := cmp.Diff(map[int][]int{0: upTo(session + 1)}, got.numbers); diff != "" {
					t.Fatalf("session %d (-wanted +found):\n%s", session, diff)
				}
			}
		})
	}
}

func appendFromAll(t *testing.T, session target.Session) {
	t.Helper()
	var group sync.WaitGroup
	failures := make(chan error, writers)
	for writer := range writers {
		group.Go(func() {
			records := make([][]byte, recordsPerBatch)
			for batch := range batchesEach {
				for i := range records {
					records[i] = numbered(writer, batch*recordsPerBatch+i)
				}
				if err := session.Append(t.Context(), writer%shards, records); err != nil {
					failures <- err
					return
				}
				for i := range records {
					clear(records[i]) // they must not be kept
				}
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Fatalf("append: %v", err)
	}
}

func scanAll(t *testing.T, session target.Session, wanted []map[int][]int) {
	t.Helper()
	for shard := range wanted {
		var got log
		if err := session.(target.Scanner).Scan(t.Context(), shard, got.add); err != nil {
			t.Fatalf("scan of shard %d: %v", shard, err)
		}
		if diff := cmp.Diff(wanted[shard], got.numbers); diff != "" || got.damaged > 0 {
			t.Errorf("scan of shard %d found %d damaged records, and (-wanted +found):\n%s", shard, got.damaged, diff)
		}
	}
}

// followAndSend sends without waiting while a consumer is there, which must get
// exactly what is sent after it was ready, and Flush must settle everything.
func followAndSend(t *testing.T, session target.Session) {
	t.Helper()
	const shard, asyncWriter = 1, 100
	ctx, cancel := context.WithTimeout(t.Context(), arriveMax)
	defer cancel()
	ready, complete, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var got log
	go func() {
		ended <- session.(target.Follower).Follow(ctx, shard, func() { close(ready) }, func(record []byte) {
			if got.add(record); got.count+got.damaged == recordsSentAsync {
				close(complete)
			}
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("follow ended before it began: %v", err)
	}
	sender := session.(target.Sender)
	var mutex sync.Mutex
	settled := make([]int, recordsSentAsync)
	record := make([]byte, recordSize)
	for number := range recordsSentAsync {
		copy(record, numbered(asyncWriter, number))
		err := sender.Send(ctx, shard, record, func(err error) {
			mutex.Lock()
			defer mutex.Unlock()
			if settled[number]++; err != nil {
				t.Errorf("record %d: %v", number, err)
			}
		})
		if err != nil {
			t.Fatalf("send: %v", err)
		}
		clear(record)
	}
	if err := sender.Flush(ctx); err != nil {
		t.Fatalf("flush: %v", err)
	}
	mutex.Lock()
	for number, times := range settled {
		if times != 1 {
			t.Errorf("record %d was settled %d times when Flush returned", number, times)
			break
		}
	}
	mutex.Unlock()
	select {
	case <-complete:
	case err := <-ended:
		t.Fatalf("follow ended with %d of %d records, %d of them damaged: %v", got.count+got.damaged, recordsSentAsync, got.damaged, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("follow: %v", err)
	}
	checkSent(t, got, asyncWriter)
}

// checkSent compares what a consumer got with what was sent, as sets: two
// pipelines may overtake each other.
func checkSent(t *testing.T, got log, writer int) {
	t.Helper()
	found := map[int]int{}
	for _, number := range got.numbers[writer] {
		found[number]++
	}
	wanted := map[int]int{}
	for _, number := range upTo(recordsSentAsync) {
		wanted[number] = 1
	}
	if diff := cmp.Diff(wanted, found); diff != "" || got.damaged > 0 || len(got.numbers) != 1 {
		t.Errorf("the consumer got %d damaged records from %d writers, and (-wanted +found):\n%s", got.damaged, len(got.numbers), diff)
	}
}

func used(t *testing.T, session target.Session) {
	t.Helper()
	server := session.(target.Server)
	_, err := server.ServerCPU()
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	memory, err2 := server.ServerMemory()
	if err := errors.Join(err, err2); err != nil || memory < 1<<20 {
		t.Errorf("the server has %d bytes, %v", memory, err)
	}
}
