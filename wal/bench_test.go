package wal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

func BenchmarkAppend(b *testing.B) {
	for _, durability := range []record.Durability{record.None, record.Group} {
		for _, size := range []int{100, 1024} {
			for _, count := range []int{1, 64} {
				b.Run(fmt.Sprintf("%v/%dB/batch %d", durability, size, count), func(b *testing.B) {
					d := openDir(b, b.TempDir(), Options{})
					l := openLog(b, d, 1, LogOptions{Durability: durability})
					records := makeRecords(0, count, size)
					ctx := context.Background()
					b.SetBytes(int64(count * size))
					b.ReportAllocs()
					for b.Loop() {
						if _, err := l.Append(ctx, records, none); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

func BenchmarkAppendWaiting64(b *testing.B) {
	for _, size := range []int{100, 1024, 64 << 10} {
		b.Run(fmt.Sprintf("group/%dB", size), func(b *testing.B) {
			d := openDir(b, b.TempDir(), Options{})
			l := openLog(b, d, 1, LogOptions{})
			records := makeRecords(0, 1, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := l.Append(context.Background(), records, none); err != nil {
						b.Error(err)
						return
					}
				}
			})
			s := l.Stats()
			b.ReportMetric(float64(s.Records)/float64(s.Syncs+1), "records/sync")
		})
	}
}

// BenchmarkScan reads what was read and checked before. MB/s are those of the
// records' data.
func BenchmarkScan(b *testing.B) {
	for name, o := range backends() {
		for _, size := range []int{100, 1024} {
			b.Run(fmt.Sprintf("%s/%d B", name, size), func(b *testing.B) { benchmarkScan(b, o, size) })
		}
	}
}

func benchmarkScan(b *testing.B, o Options, size int) {
	d := openDir(b, b.TempDir(), o)
	l := openLog(b, d, 1, LogOptions{Durability: record.None})
	records := makeRecords(0, 64, size)
	const n = 2000
	for range n {
		if _, err := l.Append(context.Background(), records, protocol.Producer{}); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(64 * size * n))
	b.ReportAllocs()
	for b.Loop() {
		c, err := l.Cursor(record.TrimHorizon())
		if err != nil {
			b.Fatal(err)
		}
		sum, count := 0, 0
		for c.TryNext() {
			sum += int(c.View().Data[0])
			count++
		}
		if c.Err() != nil || count != 64*n {
			b.Fatal(count, sum, c.Err())
		}
		c.Close()
	}
}

// BenchmarkSeek reads one record of 1 KiB of a log of 1 GiB, anywhere, in batches that
// were read and checked before.
func BenchmarkSeek(b *testing.B) {
	for _, count := range []int{1, 64} {
		b.Run(fmt.Sprintf("batch %d", count), func(b *testing.B) { benchmarkSeek(b, count) })
	}
}

func benchmarkSeek(b *testing.B, count int) {
	d := openDir(b, b.TempDir(), Options{})
	l := openLog(b, d, 1, LogOptions{Durability: record.None})
	records := makeRecords(0, count, 1024)
	for range (1 << 20) / count {
		if _, err := l.Append(context.Background(), records, protocol.Producer{}); err != nil {
			b.Fatal(err)
		}
	}
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for c.TryNext() { // checks them
	}
	rng := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Seek(record.AtSequence(1 + rng.Uint64N(1<<20))); err != nil {
			b.Fatal(err)
		}
		if !c.TryNext() {
			b.Fatal(c.Err())
		}
	}
}
