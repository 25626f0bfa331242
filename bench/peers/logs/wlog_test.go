package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/bench/target"
)

// TestWlogSizeIsEnough checks that records never take more than wlogSize says:
// else the log would change segments by itself.
func TestWlogSizeIsEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "wlog")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		opened, err := openWlog(dir, target.Config{Durability: target.None})
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		log := opened.writer.(*wlogLog)
		sizes := rapid.SliceOfN(rapid.IntRange(0, 3*wlogPageBytes), 1, 50).Draw(t, "sizes")
		for i, size := range sizes {
			if err := log.write(uint64(i)+1, [][]byte{make([]byte, size)}); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(wlog.SegmentName(dir, 0))
			if err != nil {
				t.Fatal(err)
			}
			if info.Size() > log.filled {
				t.Fatalf("the segment has %d bytes, wlogSize says at most %d", info.Size(), log.filled)
			}
		}
	})
}

// TestWlogCursorCrossesSegments reads from places in two segments to the end.
func TestWlogCursorCrossesSegments(t *testing.T) {
	const size, count = 4 << 20, 45
	opened, err := openWlog(t.TempDir(), target.Config{Durability: target.None})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	log := opened.writer.(*wlogLog)
	for i := range count {
		if err := log.write(uint64(i)+1, [][]byte{bytes.Repeat([]byte{byte(i) + 1}, size)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(log.firsts) != 2 {
		t.Fatalf("%d segments, want 2", len(log.firsts))
	}
	second := log.firsts[1]
	for _, index := range []uint64{0, 1, second - 2, second - 1, second, count - 1} {
		at, err := log.after(index)
		if err != nil {
			t.Fatal(err)
		}
		for next := index + 1; next <= count; next++ {
			record, err := at.next()
			if err != nil {
				t.Fatalf("record %d, after %d: %v", next, index, err)
			}
			if len(record) != size || record[0] != byte(next) {
				t.Fatalf("after %d: record %d begins with %d", index, next, record[0])
			}
		}
		if _, err := at.next(); err == nil {
			t.Error("there is a record behind the last one")
		}
		if err := at.Close(); err != nil {
			t.Error(err)
		}
	}
}
