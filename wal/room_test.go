package wal

import (
	"context"
	"runtime"
	"testing"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// TestAppendWhileAFullLogIsSealed: all staging buffers are in a commit that seals
// the segment. Everything in them is written already when an append looks for
// room: what it waits for is a buffer, not a record that nobody has appended.
func TestAppendWhileAFullLogIsSealed(t *testing.T) {
	disk, _, l := heap(t, Options{SegmentBytesMin: 256 << 10, StagingBytes: 4 << 10, Store: StoreStaged}, LogOptions{Durability: record.None})
	ctx := context.Background()
	mustAppend(t, l, 1, 1, 100) // the segment is there
	waitIdle(l)
	sealed, goOn := make(chan struct{}), make(chan struct{})
	disk.SetHook(func(c vfs.Call) {
		if c.Operation == vfs.OperationPunchHole {
			close(sealed) // written and sealed, and not published yet
			<-goOn
			disk.SetHook(nil)
		}
	})
	l.mu.Lock()
	l.committing = true // as if a commit was at work
	l.mu.Unlock()
	for i := range stagesMax {
		records := makeRecords(2+i, 1, 3500)
		if _, err := l.Stage(ctx, protocol.AppendBatch(nil, records, none), 1, none, record.None); err != nil {
			t.Fatal(err)
		}
	}
	l.mu.Lock()
	l.sealAsked = l.leaveTailLocked(0)
	l.mu.Unlock()
	done := make(chan error, 2)
	go func() {
		l.commitLoop()
		done <- nil
	}()
	<-sealed
	go func() {
		_, err := l.Append(ctx, makeRecords(2+stagesMax, 1, 100), none)
		done <- err
	}()
	for waiting := false; !waiting; runtime.Gosched() {
		l.mu.Lock()
		waiting = len(l.waiters) > 0
		l.mu.Unlock()
		if len(done) > 0 {
			break
		}
	}
	close(goOn)
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, 2+stagesMax)
}
