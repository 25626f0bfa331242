package powercut

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/killtest"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
)

// sickLog is the directory of the first stream's log, whose disk will fail.
const sickLog = "/log-1/"

// patients are two streams of one server: sick on log 1, well on log 2.
type patients struct {
	t      *testing.T
	server *killtest.Process
	client *client.Client
	acked  map[string]int
}

// admit creates the streams.
func admit(t *testing.T, server *killtest.Process) *patients {
	t.Helper()
	createStream(t, server.Address, "sick", 1)
	createStream(t, server.Address, "well", 1)
	return visit(t, server, map[string]int{})
}

func visit(t *testing.T, server *killtest.Process, acked map[string]int) *patients {
	t.Helper()
	cl, err := client.New(t.Context(), server.Address, client.WithRetryBudget(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cl.Close() })
	return &patients{t, server, cl, acked}
}

// put puts the next record of a stream.
func (p *patients) put(stream string) error {
	_, err := p.client.Put(p.t.Context(), stream, record.Record{PartitionKey: "k", Data: fmt.Append(nil, stream, " ", p.acked[stream]+1)})
	if err == nil {
		p.acked[stream]++
	}
	return err
}

func (p *patients) mustPut(stream string, n int) {
	p.t.Helper()
	for range n {
		if err := p.put(stream); err != nil {
			p.t.Fatalf("put to %s: %v", stream, err)
		}
	}
}

// mustRefuse puts to the sick stream, which must be refused by name.
func (p *patients) mustRefuse(when string) {
	p.t.Helper()
	if err := p.put("sick"); !errors.Is(err, failure.Poisoned) {
		p.t.Fatalf("put to sick %s: %v, want failure.Poisoned", when, err)
	}
}

// verify reads both streams: everything acknowledged is there, and of the sick
// one at most the refused record more, if unsure.
func (p *patients) verify(unsure int) {
	p.t.Helper()
	for stream, acked := range p.acked {
		n := 0
		for r, err := range p.client.Records(p.t.Context(), stream, client.UntilLatest()) {
			if err != nil {
				p.t.Fatalf("read %s: %v", stream, err)
			}
			if n++; string(r.Data) != fmt.Sprint(stream, " ", n) {
				p.t.Fatalf("%s: record %d is %q", stream, n, r.Data)
			}
		}
		if n < acked || n > acked && (stream != "sick" || n > acked+unsure) {
			p.t.Fatalf("%s: %d records, %d were acknowledged", stream, n, acked)
		}
	}
}

// metric returns the lines of a metric, as Prometheus would read them.
func metric(t *testing.T, server *killtest.Process, name string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.Admin+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true // the server may be another one the next time
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, name+"{") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

// wantPoisoned checks that the sick log is read-only for good, visibly, and the
// well one not.
func (p *patients) wantPoisoned(segment string) {
	p.t.Helper()
	p.mustRefuse("with the fault")
	p.mustPut("well", 20)
	// The kernel says that all is well when it is asked again. That proves
	// nothing about the pages it dropped.
	if out, err := exec.CommandContext(p.t.Context(), "sync", "-d", segment).CombinedOutput(); err != nil {
		p.t.Fatalf("sync of %s: %v\n%s", segment, err, out)
	}
	p.mustRefuse("after a sync that succeeded")
	p.mustPut("well", 20)
	p.verify(0)
	if n := strings.Count(p.server.Log(), "log takes no more records"); n != 1 || !strings.Contains(p.server.Log(), "stream=sick") {
		p.t.Errorf("%d events in the log of the server:\n%s", n, p.server.Log())
	}
	want := "millrace_wal_read_only_logs{stream=\"sick\"} 1\nmillrace_wal_read_only_logs{stream=\"well\"} 0"
	if got := metric(p.t, p.server, "millrace_wal_read_only_logs"); got != want {
		p.t.Errorf("metric:\n%s\nwant:\n%s", got, want)
	}
}

// firstSegment is the file that the first records of the sick stream are in.
func firstSegment(dir string) string {
	return filepath.Join(dir, "data", sickLog, "00000000000000000001-0000000000000001.seg")
}

// serveOn mounts a disk and starts a server on it.
func serveOn(t *testing.T, binary, dir string, files *crashfs.FS) (*Disk, *killtest.Process) {
	t.Helper()
	disk, err := Mount(dir, files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	server, err := startServer(t, binary, dir)
	if err != nil {
		t.Fatal(err)
	}
	return disk, server
}

// TestFailedSync lets one fdatasync fail, once, on a disk that works afterwards.
func TestFailedSync(t *testing.T) {
	mountable(t)
	binary, dir, files := buildServer(t), t.TempDir(), crashfs.New(crashfs.Options{})
	disk, server := serveOn(t, binary, dir, files)
	p := admit(t, server)
	p.mustPut("sick", 5)
	p.mustPut("well", 5)
	failed := make(chan struct{}, 1)
	failed <- struct{}{}
	disk.SetFault(func(c vfs.Call) Fault {
		if c.Operation == vfs.OperationSync && strings.Contains(c.Name, sickLog) {
			select {
			case <-failed:
				return Fault{Err: syscall.EIO}
			default:
			}
		}
		return Fault{}
	})
	p.mustRefuse("at the fault")
	p.wantPoisoned(firstSegment(dir))
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := disk.Unmount(); err != nil {
		t.Fatal(err)
	}
	disk, server = serveOn(t, binary, dir, files)
	again := visit(t, server, p.acked)
	again.verify(1) // the refused record may have been written
	again.mustPut("well", 5)
	if err := errors.Join(server.Stop(), disk.Unmount()); err != nil {
		t.Fatal(err)
	}
}

// TestFailedSyncOnARealFileSystem does it with strace, which makes the call of
// a server on an ordinary file system fail.
func TestFailedSyncOnARealFileSystem(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skipf("SKIPPED: it needs strace: %v", err)
	}
	binary, dir := buildServer(t), t.TempDir()
	// -D: the server is our child, not strace.
	server, err := killtest.Start(t.Context(), strace, "-D", "-f", "-qq", "-o", "/dev/null", "-P", firstSegment(dir),
		"-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO",
		binary, "serve", "--data", filepath.Join(dir, "data"), "--native-address", "127.0.0.1:0", "--admin-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--output", "jsonl")
	if err != nil {
		t.Skipf("SKIPPED: strace cannot trace here: %v", err)
	}
	p := admit(t, server)
	p.mustRefuse("at the fault")
	p.mustPut("well", 5)
	p.acked["sick"] = 0
	p.wantPoisoned(firstSegment(dir))
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
}

// TestSlowSync holds one fdatasync back. The logs of the directory do not wait
// for each other, and the stall is reported.
func TestSlowSync(t *testing.T) {
	mountable(t)
	disk, server := serveOn(t, buildServer(t), t.TempDir(), crashfs.New(crashfs.Options{}))
	p := admit(t, server)
	p.mustPut("sick", 5)
	held, release := make(chan struct{}, 1), make(chan struct{})
	disk.SetFault(func(c vfs.Call) Fault {
		if c.Operation != vfs.OperationSync || !strings.Contains(c.Name, sickLog) {
			return Fault{}
		}
		select {
		case held <- struct{}{}:
		default:
		}
		return Fault{Wait: release}
	})
	slow := make(chan error, 1)
	go func() {
		_, err := p.client.Put(t.Context(), "sick", record.Record{PartitionKey: "k", Data: []byte("sick 6")})
		slow <- err
	}()
	<-held
	latency := time.AfterFunc(200*time.Millisecond, func() { close(release) }) // the disk's latency
	defer latency.Stop()
	p.mustPut("well", 20)
	if err := <-slow; err != nil {
		t.Fatalf("put to sick: %v", err)
	}
	p.acked["sick"]++
	p.verify(0)
	if log := server.Log(); !strings.Contains(log, "sync stalled") || !strings.Contains(log, "stream=sick") {
		t.Errorf("the log of the server does not tell of the stall:\n%s", log)
	}
	if got := metric(t, server, "millrace_wal_sync_stalls_total"); strings.Contains(got, "{stream=\"sick\"} 0") || got == "" {
		t.Errorf("metric:\n%s", got)
	}
	if err := errors.Join(server.Stop(), disk.Unmount()); err != nil {
		t.Fatal(err)
	}
}
