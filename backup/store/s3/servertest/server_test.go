package servertest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"

	"github.com/millrace-io/millrace/backup"
	"github.com/millrace-io/millrace/backup/store/s3"
	"github.com/millrace-io/millrace/backup/store/storetest"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

const (
	accessKey = "access"
	secretKey = "secret-of-the-test"
	health    = "/healthy"
)

var endpoint string

// One gateway serves all tests: it allows one in a process.
func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	root, err := os.MkdirTemp("", "s3-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	side := filepath.Join(root, "meta")
	buckets := filepath.Join(root, "buckets")
	for _, dir := range []string{side, buckets} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			panic(err)
		}
	}
	attributes, err := meta.NewSideCar(side) // not every file system of a test has extended attributes
	if err != nil {
		panic(err)
	}
	backend, err := posix.New(buckets, attributes, posix.PosixOpts{SideCarDir: side})
	if err != nil {
		panic(err)
	}
	address := freeAddress()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
			RootUserAccess: accessKey, RootUserSecret: secretKey, Ports: []string{address}, HealthPath: health, Quiet: true,
			MaxConnections: 100, MaxRequests: 100, MultipartMaxParts: 100,
		})
	}()
	endpoint = "http://" + address
	for {
		if response, err := http.Get(endpoint + health); err == nil {
			response.Body.Close()
			break
		}
		select {
		case err := <-ended:
			panic(err)
		default:
		}
	}
	defer func() {
		stop()
		<-ended
	}()
	for _, bucket := range []string{"one", "two", "three"} {
		if err := os.Mkdir(filepath.Join(buckets, bucket), 0o755); err != nil {
			panic(err)
		}
	}
	return m.Run()
}

// freeAddress returns one that nobody listened at a moment ago.
func freeAddress() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func open(t *testing.T, o s3.Options) *s3.Store {
	t.Helper()
	o.Endpoint = endpoint
	if o.AccessKey == "" {
		o.AccessKey, o.SecretKey = accessKey, secretKey
	}
	s, err := s3.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, open(t, s3.Options{Bucket: "one"}), 1100) }

func TestStoreUnderAPrefix(t *testing.T) {
	storetest.Run(t, open(t, s3.Options{Bucket: "two", Prefix: "/here/and/there/"}), 3)
}

// A whole backup goes to the bucket and comes back, and the second one sends
// little.
func TestBackupAndRestore(t *testing.T) {
	dir, o := t.TempDir(), wal.Options{SegmentBytesMin: 64 << 10, SegmentBytesMax: 64 << 10}
	d, err := wal.OpenDir(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.CreateLogs(1); err != nil {
		t.Fatal(err)
	}
	l, err := d.OpenLog(1, wal.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	to := open(t, s3.Options{Bucket: "three", Prefix: "millrace"})
	for round := range 2 {
		for range 200 {
			r := record.Record{PartitionKey: "k", Data: make([]byte, 1000)}
			if _, err := l.Append(t.Context(), []record.Record{r}, protocol.Producer{}); err != nil {
				t.Fatal(err)
			}
		}
		made, err := backup.Create(t.Context(), dir, to, backup.Options{}) // the log is open
		if err != nil {
			t.Fatal(err)
		}
		if want := uint64(200 * (round + 1)); made.Records != want || round > 0 && made.Sent >= len(made.Files) {
			t.Errorf("%d records, %d of %d files sent", made.Records, made.Sent, len(made.Files))
		}
	}
	restored := filepath.Join(t.TempDir(), "data")
	if _, err := backup.Restore(t.Context(), to, "latest", restored, backup.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	again, err := wal.OpenDir(restored, o)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if l, err = again.OpenLog(1, wal.LogOptions{}); err != nil || l.Next() != 401 {
		t.Errorf("next %d, %v", l.Next(), err)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		options s3.Options
		want    error
	}{
		"a wrong secret": {s3.Options{Bucket: "one", AccessKey: accessKey, SecretKey: "wrong"}, failure.InvalidArgument},
		// AWS answers 403, this server 404.
		"a wrong key":    {s3.Options{Bucket: "one", AccessKey: "nobody", SecretKey: secretKey}, failure.NotFound},
		"a wrong bucket": {s3.Options{Bucket: "nowhere"}, failure.NotFound},
	} {
		if _, err := open(t, c.options).Get(t.Context(), "objects/a"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
