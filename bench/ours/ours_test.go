package ours_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/bench/ours"
	"github.com/millrace-io/millrace/bench/target"
)

// binary builds the command once for all tests; TestMain removes it.
var (
	binaryDir string
	binary    = sync.OnceValues(func() (string, error) {
		path := filepath.Join(binaryDir, "millrace")
		out, err := exec.Command("go", "build", "-o", path, "github.com/millrace-io/millrace/cmd/millrace").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("build: %w\n%s", err, out)
		}
		return path, nil
	})
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ours-")
	if err != nil {
		panic(err)
	}
	binaryDir = dir
	// The servers' starter lives as long as the process.
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}), goleak.IgnoreAnyFunction("github.com/millrace-io/millrace/bench/target/process.init.func1.1"))
}

// everyTarget returns all targets that work, by name and options.
func everyTarget(t *testing.T) map[string]ready {
	t.Helper()
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]ready{
		"wal":        {ours.Wal{}, nil},
		"wal pread":  {ours.Wal{}, map[string]string{"backend": "pread", "store": "staged"}},
		"wal mapped": {ours.Wal{}, map[string]string{"backend": "mmap", "store": "mapped"}},
		"wal spin":   {ours.Wal{}, map[string]string{"reader": "spin"}},
		"engine":     {ours.Engine{}, nil},
		"native":     {ours.Native{Program: program}, nil},
		"kinesis":    {ours.Kinesis{Program: program}, nil},
		"cbor":       {ours.Kinesis{Program: program}, map[string]string{"client": "thin", "encoding": "cbor"}},
		"tls":        {ours.Kinesis{Program: program}, map[string]string{"tls": "true"}},
	}
}

// ready is a target to be tested, and its settings.
type ready struct {
	on      target.Target
	options map[string]string
}

const (
	shards  = 3
	writers = 4
	appends = 60
)

// TestTargets appends from several goroutines while a shard is followed, reads
// everything back, and does so again after opening again.
func TestTargets(t *testing.T) {
	for name, c := range everyTarget(t) {
		t.Run(name, func(t *testing.T) {
			config := target.Config{Dir: t.TempDir(), Durability: target.Group, Shards: shards, RecordBytes: 20, Writers: writers, Options: c.options}
			session, err := c.on.Open(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			for shard := range shards {
				if err := session.Append(t.Context(), shard, [][]byte{[]byte("before")}); err != nil {
					t.Fatal(err)
				}
			}
			written := make(chan struct{})
			followed := follow(t, session, 1, written)
			write(t, session)
			close(written)
			before := checkContents(t, session)
			if diff := cmp.Diff(before[1][1:], <-followed); diff != "" {
				t.Errorf("followed (-scanned +followed):\n%s", diff)
			}
			if err := session.Close(); err != nil {
				t.Fatal(err)
			}
			config.Reopen = true
			if session, err = c.on.Open(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, checkContents(t, session)); diff != "" {
				t.Errorf("opened again (-before +after):\n%s", diff)
			}
			if err := session.Append(t.Context(), 2, [][]byte{[]byte("after")}); err != nil {
				t.Error(err)
			}
			checkGets(t, session, before)
			if got := scan(t, session, 2); got[len(got)-1] != "after" || len(got) != len(before[2])+1 {
				t.Errorf("%d records, the last is %s", len(got), got[len(got)-1])
			}
			if err := session.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// write appends from all writers, one to three records a call, and reuses the
// slices as soon as it may.
func write(t *testing.T, session target.Session) {
	t.Helper()
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			buffers := make([][]byte, 3)
			for i := range appends {
				records := buffers[:1+i%3]
				for j := range records {
					records[j] = fmt.Appendf(records[j][:0], "%d %03d %d", writer, i, j)
				}
				if err := session.Append(t.Context(), (writer+i)%shards, records); err != nil {
					t.Errorf("append: %v", err)
				}
				for _, record := range records {
					clear(record)
				}
			}
		})
	}
	group.Wait()
}

// checkContents checks that all shards have what write wrote, once and in each
// writer's order, and returns it.
func checkContents(t *testing.T, session target.Session) [][]string {
	t.Helper()
	contents := make([][]string, shards)
	for shard := range shards {
		contents[shard] = scan(t, session, shard)
		for writer := range writers {
			var want []string
			for i := range appends {
				if (writer+i)%shards != shard {
					continue
				}
				for j := range 1 + i%3 {
					want = append(want, fmt.Sprintf("%d %03d %d", writer, i, j))
				}
			}
			prefix := fmt.Sprintf("%d ", writer)
			got := slices.DeleteFunc(slices.Clone(contents[shard]), func(s string) bool { return !strings.HasPrefix(s, prefix) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("shard %d, writer %d (-want +got):\n%s", shard, writer, diff)
			}
		}
		if contents[shard][0] != "before" {
			t.Errorf("shard %d begins with %s", shard, contents[shard][0])
		}
	}
	return contents
}

// checkGets checks that single records are those of a scan, if the target can
// read them, and that others are refused.
func checkGets(t *testing.T, session target.Session, contents [][]string) {
	t.Helper()
	getter, ok := session.(target.Getter)
	if !ok {
		return
	}
	var got string
	keep := func(record []byte) { got = string(record) }
	for shard, records := range contents {
		for number, want := range records {
			if err := getter.Get(t.Context(), shard, uint64(number), keep); err != nil || got != want {
				t.Fatalf("record %d of shard %d is %q, want %q, %v", number, shard, got, want, err)
			}
		}
		if err := getter.Get(t.Context(), shard, uint64(len(records))+1000, keep); err == nil {
			t.Errorf("shard %d has a record that was not appended", shard)
		}
		err := session.(target.TimeGetter).GetAt(t.Context(), shard, time.Unix(0, 0), keep)
		if err != nil || got != records[0] {
			t.Errorf("the first record of shard %d is %q, want %q, %v", shard, got, records[0], err)
		}
		got = ""
		if err := session.(target.TimeGetter).GetAt(t.Context(), shard, time.Now().Add(time.Hour), keep); err != nil || got != "" {
			t.Errorf("shard %d has %q from the future, %v", shard, got, err)
		}
	}
}

// scan returns the records of a shard.
func scan(t *testing.T, session target.Session, shard int) []string {
	t.Helper()
	var records []string
	err := session.(target.Scanner).Scan(t.Context(), shard, func(record []byte) { records = append(records, string(record)) })
	if err != nil || len(records) == 0 {
		t.Fatalf("scan: %d records, %v", len(records), err)
	}
	return records
}

// follow follows a shard from now on until as many records are there as will
// have been written when written is closed, and delivers them.
func follow(t *testing.T, session target.Session, shard int, written <-chan struct{}) <-chan []string {
	t.Helper()
	wanted := 0
	for writer := range writers {
		for i := range appends {
			if (writer+i)%shards == shard {
				wanted += 1 + i%3
			}
		}
	}
	isReady, all := make(chan struct{}), make(chan []string, 1)
	go func() {
		// Joined through all.
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var records []string
		err := session.(target.Follower).Follow(ctx, shard, func() { close(isReady) }, func(record []byte) {
			records = append(records, string(record))
			if len(records) == wanted {
				<-written
				cancel()
			}
		})
		if err != nil {
			t.Errorf("follow: %v", err)
		}
		all <- records
	}()
	<-isReady
	return all
}

// TestSend sends without waiting, from a slice that is reused at once.
func TestSend(t *testing.T) {
	for name, c := range everyTarget(t) {
		session, err := c.on.Open(t.Context(), target.Config{Dir: t.TempDir(), Durability: target.None, Shards: shards, Options: c.options})
		if err != nil {
			t.Fatal(err)
		}
		if sender, ok := session.(target.Sender); ok {
			sendAll(t, session, sender)
		} else if name == "native" {
			t.Errorf("%s cannot send", name)
		}
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}
}

func sendAll(t *testing.T, session target.Session, sender target.Sender) {
	t.Helper()
	const records = 3000
	var (
		mutex sync.Mutex
		done  = make([]int, records)
		slice []byte
	)
	for i := range records {
		slice = fmt.Appendf(slice[:0], "%05d", i)
		err := sender.Send(t.Context(), i%shards, slice, func(err error) {
			mutex.Lock()
			defer mutex.Unlock()
			if done[i]++; err != nil {
				t.Errorf("record %d: %v", i, err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := sender.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	mutex.Lock()
	defer mutex.Unlock()
	for i, times := range done {
		if times != 1 {
			t.Errorf("record %d was acknowledged %d times", i, times)
		}
	}
	for shard := range shards {
		got := scan(t, session, shard)
		if len(got) != records/shards || !slices.IsSorted(got) || got[0] != fmt.Sprintf("%05d", shard) {
			t.Errorf("shard %d has %d records from %s on", shard, len(got), got[0])
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	for name, c := range everyTarget(t) {
		for _, config := range []target.Config{
			{Durability: "maybe"},
			{Durability: target.None, Options: map[string]string{"colour": "red"}},
			{Durability: target.None, Options: map[string]string{"backend": "punch cards"}},
			{Durability: target.None, Options: map[string]string{"reader": "sleepy"}},
			{Durability: target.None, Reopen: true},
		} {
			config.Dir = t.TempDir()
			if session, err := c.on.Open(t.Context(), config); err == nil {
				t.Errorf("%s: %+v is accepted, %v", name, config, session.Close())
			}
		}
	}
	_, err := ours.Native{Program: "/does/not/exist"}.Open(t.Context(), target.Config{Dir: t.TempDir(), Durability: target.None})
	if err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("got %v", err)
	}
	// A server that ends says why.
	program, _ := binary()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "data"), []byte("no directory"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = ours.Native{Program: program}.Open(t.Context(), target.Config{Dir: dir, Durability: target.None})
	if err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("got %v", err)
	}
}

func TestAbout(t *testing.T) {
	var names []string
	for _, on := range ours.Targets("millrace") {
		about := on.About()
		if about.Version == "" || about.Notes == "" || len(about.Durabilities) != 3 || !about.Checks {
			t.Errorf("got %+v", about)
		}
		names = append(names, about.Name)
	}
	if diff := cmp.Diff([]string{"wal", "engine", "native", "kinesis"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
