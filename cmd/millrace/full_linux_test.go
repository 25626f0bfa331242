package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/killtest"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/server"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

const (
	fullDeviceBytes  = "24m"
	fullBallastBytes = 8 << 20
	// fullRecordsMax is more than the device holds: a server that never says
	// that it is full is a bug.
	fullRecordsMax = 100_000
	fullRecordSize = 1000
)

// smallDevice mounts a file system of a few megabytes.
func smallDevice(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+fullDeviceBytes); err != nil {
		t.Skipf("no small device to fill: mounting a tmpfs needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// TestFullDisk fills the device of a server. It must say so by name, lose
// nothing that it had acknowledged, go on serving reads, and take records again
// once there is room, without a restart.
func TestFullDisk(t *testing.T) {
	dir := smallDevice(t)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, fullBallastBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{
		DataDirectory: filepath.Join(dir, "data"), NativeAddress: "127.0.0.1:0", AdminAddress: "127.0.0.1:0", HTTPAddress: "127.0.0.1:0",
		Store: stream.Options{Options: wal.Options{SegmentBytesMin: 256 << 10, SegmentBytesMax: 1 << 20}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil && !errors.Is(err, failure.NoSpace) {
			t.Errorf("shutdown: %v", err)
		}
	})
	createKilled(t, s.NativeAddress(), record.Group)
	cl, err := client.New(t.Context(), s.NativeAddress())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cl.Close() })
	ledger := killtest.NewLedger()
	put := func() error {
		id, rec := ledger.Send(fullRecordSize, 64)
		position, err := cl.Put(t.Context(), killStream, rec)
		if err == nil {
			ledger.Acknowledge(id, position.Shard, position.Sequence)
		}
		return err
	}
	for ledger.Sent() < fullRecordsMax && err == nil {
		err = put()
	}
	if !errors.Is(err, failure.NoSpace) {
		t.Fatalf("after %d records on a device of %s: %v, want no space", ledger.Sent(), fullDeviceBytes, err)
	}
	beforeFull := ledger.Acknowledged()
	if err := killtest.Verify(t.Context(), s.NativeAddress(), killStream, ledger, true); err != nil {
		t.Fatalf("while the device is full: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if err := put(); err != nil {
			t.Fatalf("after room was made: %v", err)
		}
	}
	if err := killtest.Verify(t.Context(), s.NativeAddress(), killStream, ledger, true); err != nil {
		t.Fatalf("after room was made: %v", err)
	}
	t.Logf("full after %d acknowledged records, %d more after room was made, 0 lost", beforeFull, ledger.Acknowledged()-beforeFull)
}
