package runner_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-io/millrace/bench/target/targettest"
)

// TestCancelledInVirtualTime waits for something that takes an hour, and is told
// to stop after a second.
func TestCancelledInVirtualTime(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		on   targettest.Log
	}{
		"fill":         {"catchUpReaders: 1, backlog: 1KiB", targettest.Log{Service: time.Hour}},
		"append":       {"producersPerTopic: 3, subscriptionsPerTopic: 1, testDuration: 2h", targettest.Log{Service: time.Hour}},
		"asynchronous": {"producersPerTopic: 1, asynchronous: true, subscriptionsPerTopic: 1, testDuration: 2h", targettest.Log{Service: time.Hour}},
		"restart":      {"kind: restart, backlog: 1KiB", targettest.Log{Service: time.Hour}},
		"ready":        {"producersPerTopic: 1, subscriptionsPerTopic: 1", targettest.Log{Service: time.Second, Faults: targettest.Faults{NeverReady: true}}},
		"delivery":     {"producersPerTopic: 1, subscriptionsPerTopic: 1, testDuration: 10ms", targettest.Log{Service: service, Faults: targettest.Faults{HideEvery: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				on := &c.on
				on.Name = "fake"
				if _, err := run(ctx, t, c.text, on); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); took != time.Second {
					t.Errorf("stopped after %s", took)
				}
			})
		})
	}
}

// TestCancelledWhileBusy stops loops that never wait, at their hundredth append.
func TestCancelledWhileBusy(t *testing.T) {
	for _, text := range []string{
		"producersPerTopic: 3, subscriptionsPerTopic: 2, testDuration: 1h",
		"producersPerTopic: 3, subscriptionsPerTopic: 2, producerRate: 10000, testDuration: 1h",
		"producersPerTopic: 1, subscriptionsPerTopic: 2, asynchronous: true, testDuration: 1h",
		"producersPerTopic: 1, subscriptionsPerTopic: 2, asynchronous: true, producerRate: 10000, testDuration: 1h",
		"producersPerTopic: 1, catchUpReaders: 2, backlog: 10KiB, testDuration: 1h",
		"catchUpReaders: 2, backlog: 1GiB",
		"kind: restart, backlog: 1GiB",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		on := &targettest.Log{Name: "fake", Appended: func(number int64) {
			if number == 100 {
				cancel()
			}
		}}
		if _, err := run(ctx, t, text, on); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", text, err)
		}
		cancel()
	}
}
