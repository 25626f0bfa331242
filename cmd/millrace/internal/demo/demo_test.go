package demo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/examples/data"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDemoLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	report, err := Run(t.Context(), Options{Durability: record.None})
	if err != nil {
		t.Fatal(err)
	}
	if report.Records != data.FlightCount || report.Keys != 223 || report.Acknowledged.Count != data.FlightCount || len(report.Digest) != 64 {
		t.Errorf("got %+v", report)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDemoKeepsAGivenDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	if _, err := Run(t.Context(), Options{Data: dir, Durability: record.Group}); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Options{Data: dir}); !errors.Is(err, failure.AlreadyExists) {
		t.Errorf("a second run in the same directory: %v", err)
	}
}

func TestDemoEndsWithItsContext(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	_, err := Run(ctx, Options{Step: func(string) {
		if steps++; steps == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
