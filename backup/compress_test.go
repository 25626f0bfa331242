package backup_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace-io/millrace/backup"
	"github.com/millrace-io/millrace/backup/store/directory"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
	"github.com/millrace-io/millrace/wal"
)

func openLog1(t *testing.T, dir string, o wal.Options) (*wal.Dir, *wal.Log) {
	t.Helper()
	d, err := wal.OpenDir(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.OpenLog(1, wal.LogOptions{})
	if err != nil {
		t.Fatal(errors.Join(err, d.Close()))
	}
	return d, l
}

// compress compresses what is closed of log 1.
func compress(t *testing.T, dir string, o wal.Options) {
	t.Helper()
	d, l := openLog1(t, dir, o)
	if err := l.Compress(t.Context(), segment.CodecZstd, math.MaxInt64); err != nil || l.Stats().Compressed == 0 {
		t.Fatalf("%+v, %v", l.Stats(), err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCompressedSegmentsAreBackedUp as they are, and not again if the store has them as
// they were.
func TestCompressedSegmentsAreBackedUp(t *testing.T) {
	dir, o := filled(t)
	to, fresh := directory.Open(t.TempDir()), directory.Open(t.TempDir())
	before := create(t, dir, to)
	compress(t, dir, o)
	again := create(t, dir, to)
	if again.SentBytes > 64<<10 || again.Records != before.Records {
		t.Errorf("%d bytes sent again", again.SentBytes)
	}
	small := create(t, dir, fresh)
	if small.Bytes > before.Bytes/2 || small.Records != before.Records || len(small.Damaged()) > 0 {
		t.Errorf("%d bytes of %d, damaged: %v", small.Bytes, before.Bytes, small.Damaged())
	}
	if more := create(t, dir, fresh); more.Sent != 0 {
		t.Errorf("%d objects sent again", more.Sent)
	}
	for _, from := range []*directory.Store{to, fresh} {
		restored := filepath.Join(t.TempDir(), "data")
		if _, err := backup.Restore(t.Context(), from, "latest", restored, backup.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := next(t, restored, o); !slices.Equal(got, []uint64{101, 1}) {
			t.Errorf("next %v", got)
		}
		readBack(t, restored, o, 100)
	}
}

func readBack(t *testing.T, dir string, o wal.Options, least uint64) {
	t.Helper()
	d, l := openLog1(t, dir, o)
	defer d.Close()
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	due := uint64(1)
	for ; c.TryNext(); due++ {
		if want := fmt.Sprint(due, " "); c.View().Sequence != due || !strings.HasPrefix(string(c.View().Data), want) {
			t.Fatalf("record %d with %.20q where %d was due", c.View().Sequence, c.View().Data, due)
		}
	}
	if c.Err() != nil || due <= least {
		t.Fatalf("read up to %d of %d: %v", due-1, least, c.Err())
	}
}

// TestBackupsBesideCompression has files replaced while they are copied.
func TestBackupsBesideCompression(t *testing.T) {
	dir, o := filled(t)
	d, l := openLog1(t, dir, o)
	defer d.Close()
	ctx, stop := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	busy.Go(func() {
		for ctx.Err() == nil {
			for range 200 {
				r := record.Record{PartitionKey: "k", Data: fmt.Appendf(nil, "%d %s", l.Next(), strings.Repeat("x", 900))}
				if _, err := l.Append(context.Background(), []record.Record{r}, protocol.Producer{}); err != nil {
					t.Error(err)
					return
				}
			}
			if err := l.Compress(ctx, segment.CodecS2, math.MaxInt64); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
				return
			}
		}
	})
	for range 5 {
		to, acked := directory.Open(t.TempDir()), l.Next()-1
		made := create(t, dir, to)
		if damaged := made.Damaged(); len(damaged) > 0 {
			t.Errorf("%+v", damaged)
		}
		restored := filepath.Join(t.TempDir(), "data")
		if _, err := backup.Restore(t.Context(), to, "latest", restored, backup.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		readBack(t, restored, o, acked)
	}
	stop()
	busy.Wait()
}
