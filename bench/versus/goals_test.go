package versus

import (
	"strings"
	"testing"

	"github.com/millrace-io/millrace/bench/result"
)

func TestKinesisGoals(t *testing.T) {
	d := &result.Document{
		Machine: result.Machine{SyncP50: 500_000, SyncP99: 2_000_000},
		Rows: []result.Row{
			{Measure: putRecordsFigure, Peer: "kinesalite", Median: 12, Low: 9, High: 14, Ratios: []float64{9, 12, 14}},
			{Measure: putRecordsFigure, Peer: "kinesis-mock", Median: 9.9},
			{Measure: getRecordsFigure, Peer: "ferrokinesis", Median: 1.5},
			{Measure: putRecordFigure + ", p99", Peer: "kinesalite", Ours: 1_400_000, Theirs: 3_000_000},
			{Measure: putRecordFigure + ", p99", Peer: "kinesis-mock", Ours: 1_400_000},
			{Measure: putRecordFigure + ", p99", Peer: "ferrokinesis", Ours: 1_500_000, Theirs: 1_000_000},
			{Measure: subscribeFigure + ", p50", Ours: 3_000_000},
		},
	}
	want := []string{
		"met     PutRecords of 500 x 1 KiB: at least 10 times kinesalite: 12.0 times, 9.0 to 14.0 in 3 pairs",
		"MISSED  PutRecords of 500 x 1 KiB: at least 10 times kinesis-mock: ",
		"met     GetRecords of 500 x 1 KiB: at least 1.5 times ferrokinesis: ",
		"met     PutRecord at 1,000/s, p99: at most the best of theirs and one sync, 1ms + 500µs: 1.5ms; the p99 of a sync is 2ms",
		"MISSED  SubscribeToShard at 10 k/s, p50: at most 2ms: 3ms",
	}
	lines := strings.Split(strings.TrimSpace(GoalsText(KinesisGoals(d))), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %q", lines)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("got %s, want %s", line, want[i])
		}
	}
	// Of whom nothing kept up, there is no best; we may be the one who did not.
	d.Rows[5].Theirs, d.Rows[3].Ours = 0, TooSlow
	if goal, ok := latencyGoal(d); !ok || goal.Met || !strings.HasPrefix(goal.Found, "too slow") {
		t.Errorf("got %+v", goal)
	}
	if goals := KinesisGoals(&result.Document{}); len(goals) > 0 {
		t.Errorf("got %+v", goals)
	}
}

// TestKinesisRows checks that rows say what each side promises.
func TestKinesisRows(t *testing.T) {
	m := KinesisMeasures(quickKinesis())[0]
	run := &result.Run{Records: 1, Duration: 1e9}
	table := table{others: []other{{Contender: Contender{}, label: "x"}}, pairs: [][]pair{{{run, run}}}}
	rows := table.rows(m, class{durability: "none"}, result.Machine{}, nil)
	if len(rows) != 1 || rows[0].Durability != "group" || rows[0].Notes != "they promise none" {
		t.Errorf("got %+v", rows)
	}
	c := Contest{Kinesis: Contender{}, Peers: []Contender{{}, {}}}
	c.Kinesis.Name = "kinesis"
	c.Peers[0].Name, c.Peers[0].Kind, c.Peers[0].Durabilities = "kinesalite", "broker", unsynced
	c.Peers[1].Name, c.Peers[1].Kind, c.Peers[1].Durabilities = "kafka", "broker", unsynced
	classes := c.classes(m)
	if c.us(m).Name != "kinesis" || len(classes) != 1 || len(classes[0].others) != 1 || classes[0].others[0].Name != "kinesalite" {
		t.Errorf("got %+v", classes)
	}
}
