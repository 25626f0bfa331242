package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/targettest"
	"github.com/millrace-io/millrace/bench/worker"
)

// fakes are the targets of the workers of these tests.
func fakes() []target.Target {
	return []target.Target{
		&targettest.Log{Name: "plain"},
		&targettest.Log{Name: "missing", Kind: "broker", Missing: "no licence"},
		&targettest.Log{Name: "failing", Faults: targettest.Faults{FailEvery: 1}},
	}
}

// short is a job for one of the fakes.
func short(t *testing.T, name string) runner.Job {
	t.Helper()
	return runner.Job{
		Target: name, Dir: t.TempDir(), Round: 2,
		Scenario: scenario.Scenario{
			Name: "short", Kind: scenario.Traffic, Topics: 1, PartitionsPerTopic: 2, MessageSize: 100, BatchSize: 1, InFlight: 10,
			ProducersPerTopic: 1, ProducerRate: 1000, SubscriptionsPerTopic: 1, Durability: target.Group,
			TestDuration: scenario.Duration(100 * time.Millisecond), Options: map[string]string{"some": "option"},
		},
	}
}

// endless is a job that goes on until it is told to stop.
func endless(t *testing.T, name string) runner.Job {
	t.Helper()
	job := short(t, name)
	job.Scenario.TestDuration = scenario.Duration(time.Hour)
	return job
}

// emptied checks that a job left nothing behind.
func emptied(t *testing.T, job runner.Job) {
	t.Helper()
	if left, err := os.ReadDir(job.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// answer is what a worker prints, as its protocol says.
type answer struct {
	Run         *result.Run `json:"run"`
	Error       string      `json:"error"`
	Unavailable bool        `json:"unavailable"`
	Target      string      `json:"target"`
	Reason      string      `json:"reason"`
}

// serve runs a worker in this process. Its standard input stays open until it
// has answered, or until end is closed.
func serve(t *testing.T, job any, targets []target.Target, end <-chan struct{}) (answer, error) {
	t.Helper()
	encoded, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	answered, fed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(fed)
		_, _ = writer.Write(encoded)
		select {
		case <-answered:
		case <-end:
		}
		writer.Close()
	}()
	var out bytes.Buffer
	err = worker.Program{}.Serve(t.Context(), []string{"run"}, reader, &out, targets)
	reader.Close()
	close(answered)
	<-fed
	var got answer
	if err == nil {
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
	}
	return got, err
}

func TestServeAbout(t *testing.T) {
	var out bytes.Buffer
	if err := (worker.Program{}).Serve(t.Context(), []string{"about"}, nil, &out, fakes()); err != nil {
		t.Fatal(err)
	}
	var got, want []target.About
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, fake := range fakes() {
		want = append(want, fake.About())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out.Reset()
	if err := (worker.Program{}).Serve(t.Context(), []string{"about"}, nil, &out, nil); err != nil || strings.TrimSpace(out.String()) != "[]" {
		t.Errorf("no targets: %q, %v", out.String(), err)
	}
}

func TestServeRun(t *testing.T) {
	job := short(t, "plain")
	got, err := serve(t, job, fakes(), nil)
	if err != nil || got.Error != "" {
		t.Fatalf("%v, %s", err, got.Error)
	}
	if r := got.Run; r.Target != "plain" || r.Scenario != "short" || r.Round != 2 || r.Latency.Count != 100 || r.EndToEnd.Count != r.Records || r.Shards != 2 {
		t.Errorf("got %+v", r)
	}
	emptied(t, job)
}

func TestServeAnswersWhatWentWrong(t *testing.T) {
	if got, err := serve(t, short(t, "missing"), fakes(), nil); err != nil || !got.Unavailable || got.Target != "missing" || got.Reason != "no licence" || got.Run != nil {
		t.Errorf("missing: %+v, %v", got, err)
	}
	failing := endless(t, "failing")
	failing.Scenario.ProducerRate = 0
	if got, err := serve(t, failing, fakes(), nil); err != nil || got.Unavailable || !strings.Contains(got.Error, "planted") || got.Run != nil {
		t.Errorf("failing: %+v, %v", got, err)
	}
	if got, err := serve(t, short(t, "nobody"), fakes(), nil); err != nil || !strings.Contains(got.Error, "failing, missing, plain") {
		t.Errorf("nobody: %+v, %v", got, err)
	}
	if _, err := serve(t, []string{"dance"}, fakes(), nil); err == nil || !strings.Contains(err.Error(), "read the job") {
		t.Errorf("no job: %v", err)
	}
	for _, args := range [][]string{nil, {"dance"}, {"run", "twice"}} {
		if err := (worker.Program{}).Serve(t.Context(), args, strings.NewReader(""), io.Discard, nil); err == nil || !strings.Contains(err.Error(), "usage") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestServeEndsWithItsInput(t *testing.T) {
	began := make(chan struct{})
	on := &targettest.Log{Name: "plain", Appended: func(number int64) {
		if number == 10 {
			close(began)
		}
	}}
	job := endless(t, "plain")
	got, err := serve(t, job, []target.Target{on}, began)
	if err != nil || !strings.Contains(got.Error, context.Canceled.Error()) {
		t.Errorf("%+v, %v", got, err)
	}
	emptied(t, job)
}
