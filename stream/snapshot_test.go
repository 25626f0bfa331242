package stream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/wal"
)

// openSnapshot opens the copy of a catalogue and returns its streams.
func openSnapshot(t *testing.T, b []byte) []*row {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, catalogueFile), b, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := openCatalogue(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	rows, err := c.load()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// A transaction that commits while the logs are read makes the snapshot begin
// again, so that both are of one moment.
func TestSnapshotIsOfOneMoment(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{RetentionInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Create(context.Background(), Config{Name: "before"}); err != nil {
		t.Fatal(err)
	}
	calls := 0
	b, err := SnapshotCatalogue(dir, t.TempDir(), func() error {
		if calls++; calls > 2 {
			return nil
		}
		_, err := s.Create(context.Background(), Config{Name: fmt.Sprintf("meanwhile-%d", calls)})
		return err
	})
	if err != nil || calls != 3 {
		t.Fatalf("%d calls, %v", calls, err)
	}
	if rows := openSnapshot(t, b); len(rows) != 3 {
		t.Errorf("%d streams", len(rows))
	}
	if _, err := SnapshotCatalogue(dir, t.TempDir(), func() error {
		calls++
		_, err := s.Create(context.Background(), Config{Name: fmt.Sprintf("always-%d", calls)})
		return err
	}); !errors.Is(err, failure.Conflict) {
		t.Errorf("a catalogue that never rests: %v", err)
	}
}

// Copies taken while streams come and go open, and every active stream in them
// has its logs.
func TestSnapshotBesideALiveStore(t *testing.T) {
	dir, scratch := t.TempDir(), t.TempDir()
	s, err := Open(dir, Options{RetentionInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			if ctx.Err() != nil {
				ended <- nil
				return
			}
			name := fmt.Sprintf("stream-%d", n)
			_, err := s.Create(context.Background(), Config{Name: name, Shards: 1 + n%3})
			if err == nil && n > 20 {
				err = s.Delete(context.Background(), fmt.Sprintf("stream-%d", n-20))
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	good := 0
	for range 60 {
		logs := make(map[uint64]bool)
		b, err := SnapshotCatalogue(dir, scratch, func() error {
			snapshot, err := wal.ReadSnapshot(vfs.OS(), dir)
			clear(logs)
			for _, l := range snapshot.Logs {
				logs[l.Log] = true
			}
			return err
		})
		if errors.Is(err, failure.Conflict) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		good++
		for _, r := range openSnapshot(t, b) {
			for _, log := range r.logs() {
				if r.State == stateActive && !logs[log] {
					t.Errorf("%s is active, and its log %d is not in the MANIFEST", r.Name, log)
				}
			}
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if good < 10 {
		t.Errorf("%d of 60 snapshots", good)
	}
}

func TestSnapshotRefusesADamagedCatalogue(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{RetentionInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if _, err := s.Create(context.Background(), Config{Name: fmt.Sprintf("stream-%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	places, err := ReadPlaces(dir)
	if err != nil || len(places) != 30 {
		t.Errorf("%d places, %v", len(places), err)
	}
	path := filepath.Join(dir, catalogueFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for page := 2; page < len(b)/os.Getpagesize(); page++ {
		clear(b[page*os.Getpagesize() : page*os.Getpagesize()+16]) // their headers
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := SnapshotCatalogue(dir, t.TempDir(), func() error { return nil }); !errors.Is(err, failure.Corrupt) {
		t.Errorf("snapshot: %v", err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, failure.Corrupt) {
		t.Errorf("open: %v", err)
	}
}
