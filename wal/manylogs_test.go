package wal

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// BenchmarkManyLogs appends 1 KiB records with 64 goroutines that wait for the
// device, to one log or spread over many, with the journal and without.
func BenchmarkManyLogs(b *testing.B) {
	for _, logs := range []int{1, 16, 256, 4096} {
		for _, journal := range []int64{-1, 128 << 20} {
			b.Run(fmt.Sprintf("logs=%d/journal=%d", logs, journal), func(b *testing.B) { benchmarkManyLogs(b, logs, journal) })
		}
	}
}

func benchmarkManyLogs(b *testing.B, count int, journal int64) {
	d, err := OpenDir(b.TempDir(), Options{JournalBytes: journal})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	logs := make([]*Log, count)
	for i := range logs {
		if err := d.CreateLogs(uint64(i + 1)); err != nil {
			b.Fatal(err)
		}
		if logs[i], err = d.OpenLog(uint64(i+1), LogOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	data := []record.Record{{Data: make([]byte, 1024)}}
	for _, l := range logs {
		if _, err := l.Append(context.Background(), data, protocol.Producer{}); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(1024)
	b.ResetTimer()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				if _, err := logs[int(n)*7919%count].Append(context.Background(), data, protocol.Producer{}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
	b.StopTimer()
	var journaled uint64
	for _, l := range logs {
		journaled += l.Stats().JournaledCommits
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric(float64(journaled), "journaled")
}
