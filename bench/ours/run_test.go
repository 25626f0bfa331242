package ours_test

import (
	"strings"
	"testing"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/bench/scenario"
)

// measure runs a scenario on a target.
func measure(t *testing.T, text string, c ready) *result.Run {
	t.Helper()
	all, err := scenario.Parse([]byte("name: test\n" + strings.ReplaceAll(text, ", ", "\n") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	all[0].Options = c.options
	got, err := runner.Run(t.Context(), runner.Job{Scenario: all[0], Dir: t.TempDir()}, c.on)
	if err != nil {
		t.Fatal(err)
	}
	if got.Errors != 0 || got.Notes != c.on.About().Notes {
		t.Errorf("%d errors, first %s; %s", got.Errors, got.FirstError, got.Notes)
	}
	return got
}

// TestMeasured runs short measurements of every kind.
func TestMeasured(t *testing.T) {
	for name, c := range everyTarget(t) {
		t.Run(name, func(t *testing.T) {
			got := measure(t, "partitionsPerTopic: 2, producersPerTopic: 4, batchSize: 2, producerRate: 1000, subscriptionsPerTopic: 2, catchUpReaders: 1, backlog: 1MiB, durability: group, testDuration: 200ms", c)
			if got.Latency.Count != 100 || got.Records == 0 || got.EndToEnd.Count != 2*got.Records || got.EndToEnd.Min <= 0 || got.Latency.Min <= 0 {
				t.Errorf("%d acknowledged, %d delivered: %v", got.Records, got.EndToEnd.Count, got.Values)
			}
			if name == "kinesis" || name == "cbor" {
				checkPrepared(t, c)
			}
			if name == "native" {
				got = measure(t, "producersPerTopic: 1, asynchronous: true, subscriptionsPerTopic: 1, durability: interval, warmupDuration: 20ms, testDuration: 200ms", c)
				if got.Records == 0 || got.EndToEnd.Count != got.Records || got.Values["server_memory_bytes"] <= 0 {
					t.Errorf("%d acknowledged, %d delivered: %v", got.Records, got.EndToEnd.Count, got.Values)
				}
			}
			got = measure(t, "partitionsPerTopic: 2, catchUpReaders: 2, backlog: 1MiB, durability: interval", c)
			if got.Records != 2048 || got.Values["scan_records_per_second"] <= 0 {
				t.Errorf("%d records: %v", got.Records, got.Values)
			}
			got = measure(t, "kind: restart, backlog: 1MiB, crash: true, lookupReaders: 1, testDuration: 300ms, durability: none", c)
			// Unsynced records are with the kernel, so that a copy has them.
			if got.Values["open_crash_records"] != 1024 || got.Values["open_clean_ns"] <= 0 || got.Values["open_crash_first_append_ns"] <= 0 {
				t.Errorf("got %v", got.Values)
			}
			if strings.HasPrefix(name, "wal") {
				if got.Values["lookups_per_second"] <= 0 || got.Values["time_lookups_per_second"] <= 0 || got.Values["open_crash_checked_bytes"] <= 1<<20 || got.Values["open_clean_checked_bytes"] != 0 {
					t.Errorf("got %v", got.Values)
				}
				got = measure(t, "producersPerTopic: 1, asynchronous: true, inFlight: 64, durability: group, testDuration: 200ms", c)
				if got.Records == 0 || got.Latency.Count != got.Records {
					t.Errorf("%d acknowledged, %d latencies", got.Records, got.Latency.Count)
				}
			}
			got = measure(t, "kind: idle, partitionsPerTopic: 5, durability: group, testDuration: 10ms", c)
			if got.Values["open_clean_ns"] <= 0 {
				t.Errorf("got %v", got.Values)
			}
		})
	}
}

// checkPrepared measures with requests that are made beforehand.
func checkPrepared(t *testing.T, c ready) {
	t.Helper()
	got := measure(t, "partitionsPerTopic: 2, producersPerTopic: 3, batchSize: 20, prepared: true, durability: group, testDuration: 200ms", c)
	if got.Records == 0 || got.Records != 20*got.Latency.Count || got.Values["server_cpu_ns_per_record"] <= 0 {
		t.Errorf("%d records, %d operations: %v", got.Records, got.Latency.Count, got.Values)
	}
	got = measure(t, "partitionsPerTopic: 2, catchUpReaders: 3, backlog: 1MiB, prepared: true, durability: group, testDuration: 200ms", c)
	if got.Records == 0 || got.Bytes != 1024*got.Records || got.Values["server_cpu_ns_per_record"] <= 0 || got.Values["scan_records_per_second"] <= 0 {
		t.Errorf("%d records, %d bytes: %v", got.Records, got.Bytes, got.Values)
	}
}
