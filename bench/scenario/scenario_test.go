package scenario

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/bench/target"
)

func TestBuiltinScenariosAreGood(t *testing.T) {
	all, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range all {
		if seen[s.Name] {
			t.Errorf("%s is there twice", s.Name)
		}
		seen[s.Name] = true
		if s.Description == "" {
			t.Errorf("%s has no description", s.Name)
		}
	}
	for _, name := range []string{"wal-append/64KiB/group", "engine-shards/4096", "native-endtoend/10000/none", "wal-restart/true", "wal-tail-fast/spin", "engine-idle/4096"} {
		if !seen[name] {
			t.Errorf("there is no %s among %v", name, Names(all))
		}
	}
}

func TestParseExpandsTheMatrix(t *testing.T) {
	got, err := Parse([]byte("name: a\nproducersPerTopic: 2\nproducerRate: 5\nmatrix:\n  messageSize: [100, 64KiB]\n  durability: [none]\n"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range got {
		names = append(names, s.Name)
		if s.ProducerRate != 5 || s.Durability != target.None || s.Producers() != 2 {
			t.Errorf("got %+v", s)
		}
	}
	if diff := cmp.Diff([]string{"a/100/none", "a/64KiB/none"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got[0].MessageSize != 100 || got[1].MessageSize != 64<<10 {
		t.Errorf("got sizes %d and %d", got[0].MessageSize, got[1].MessageSize)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"name: a\nproducers: 3\n", "producers"},
		{"name: a\n", "nobody writes"},
		{"name: a\nkind: dance\n", "kind"},
		{"name: a\nproducersPerTopic: 1\nmessageSize: 7\n", "messageSize"},
		{"name: a\nproducersPerTopic: 1\ndurability: maybe\n", "durability"},
		{"name: a\nproducersPerTopic: 1\ntopics: 70000\n", "topics"},
		{"name: a\nproducersPerTopic: 1\ntestDuration: 40h\n", "testDuration"},
		{"name: a\nproducersPerTopic: 1\nbatchSize: 100000\n", "batch"},
		{"name: a\ncatchUpReaders: 1\n", "backlog"},
		{"name: a\nproducersPerTopic: 1\nlookupReaders: 1\n", "restart"},
		{"name: a\nkind: restart\nbacklog: 1KiB\nlookupReaders: 2000\n", "lookupReaders"},
		{"name: a\nproducersPerTopic: 1\nmatrix:\n  colour: [red]\n", "colour"},
		{"name: a\nproducersPerTopic: 1\nmatrix:\n  topics: 3\n", "list"},
		{"name: a\nproducersPerTopic: 1\nmatrix:\n  name: [x]\n", "cannot be set"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
}

func TestWithLeavesTheOriginalAlone(t *testing.T) {
	base := Scenario{Name: "a", Options: map[string]string{"x": "1"}}
	changed, err := base.With("options.x", "2")
	if err != nil || base.Options["x"] != "1" || changed.Options["x"] != "2" {
		t.Errorf("got %v %v, %v", base.Options, changed.Options, err)
	}
}

func TestSelect(t *testing.T) {
	all := []Scenario{{Name: "a/1"}, {Name: "a/2"}, {Name: "ab"}}
	if got, err := Select(all, "a"); err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := Select(all, "a/2"); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := Select(all, "c"); err == nil || !strings.Contains(err.Error(), "a, ab") {
		t.Errorf("got %v", err)
	}
}
