package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace-io/millrace/backup"
	"github.com/millrace-io/millrace/backup/store"
	"github.com/millrace-io/millrace/backup/store/directory"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

// filled returns a closed directory of one log, without a catalogue, with
// records from 1 to 100, and one log without any.
func filled(t *testing.T) (dir string, o wal.Options) {
	t.Helper()
	dir, o = t.TempDir(), wal.Options{Backend: wal.BackendPread, SegmentBytesMin: 32 << 10, SegmentBytesMax: 32 << 10}
	appendTo(t, dir, o, 100)
	return dir, o
}

func appendTo(t *testing.T, dir string, o wal.Options, n int) {
	t.Helper()
	d, err := wal.OpenDir(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Logs()) == 0 {
		if err := d.CreateLogs(1, 2); err != nil {
			t.Fatal(err)
		}
	}
	l, err := d.OpenLog(1, wal.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		r := record.Record{PartitionKey: "k", Data: fmt.Appendf(nil, "%d %s", l.Next(), strings.Repeat("x", 900))}
		if _, err := l.Append(context.Background(), []record.Record{r}, protocol.Producer{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, dir string, to store.Store) backup.Result {
	t.Helper()
	made, err := backup.Create(t.Context(), dir, to, backup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// next opens a directory and returns the next sequence numbers of its logs.
func next(t *testing.T, dir string, o wal.Options) (numbers []uint64) {
	t.Helper()
	d, err := wal.OpenDir(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, id := range d.Logs() {
		l, err := d.OpenLog(id, wal.LogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, l.Next())
	}
	return numbers
}

func TestBackupsAreIncremental(t *testing.T) {
	dir, o := filled(t)
	to := directory.Open(t.TempDir())
	first := create(t, dir, to)
	if first.Records != 100 || len(first.Logs) != 2 || first.Logs[0] != (backup.Log{Log: 1, First: 1, Next: 101}) || first.Sent != len(first.Files) {
		t.Errorf("first: %+v", first)
	}
	if again := create(t, dir, to); again.Sent != 0 || again.Records != 100 {
		t.Errorf("nothing changed, and %d objects were sent", again.Sent)
	}
	appendTo(t, dir, o, 50)
	second := create(t, dir, to)
	if second.Records != 150 || second.Sent >= len(second.Files) || second.SentBytes > second.Bytes/2 {
		t.Errorf("second: %d of %d files, %d of %d bytes", second.Sent, len(second.Files), second.SentBytes, second.Bytes)
	}
	names, err := backup.Names(t.Context(), to)
	if err != nil || len(names) != 3 || names[0] != first.Name || names[2] != second.Name || !slices.IsSorted(names) {
		t.Errorf("%v, %v", names, err)
	}
	for name, want := range map[string]uint64{first.Name: 101, "latest": 151} {
		restored := filepath.Join(t.TempDir(), "data")
		if _, err := backup.Restore(t.Context(), to, name, restored, backup.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := next(t, restored, o); !slices.Equal(got, []uint64{want, 1}) {
			t.Errorf("%s: next %v, want %d", name, got, want)
		}
		appendTo(t, restored, o, 1)
	}
}

// An object that the store lost, or of which it lost a part, is sent again.
func TestLostObjectsAreSentAgain(t *testing.T) {
	dir, _ := filled(t)
	place := t.TempDir()
	to := directory.Open(place)
	first := create(t, dir, to)
	if err := os.Remove(filepath.Join(place, "objects", first.Files[0].Digest)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(place, "objects", first.Files[1].Digest), 5000); err != nil {
		t.Fatal(err)
	}
	if again := create(t, dir, to); again.Sent != 2 {
		t.Errorf("%d objects sent", again.Sent)
	}
	if _, err := backup.Verify(t.Context(), to, "latest", backup.RestoreOptions{}); err != nil {
		t.Error(err)
	}
}

func TestRestoreRefusesWhatDoesNotMatch(t *testing.T) {
	dir, _ := filled(t)
	for name, c := range map[string]struct {
		harm func(place string, made backup.Result) error
		want error
		text string
	}{
		"a flipped bit": {func(place string, made backup.Result) error {
			path := filepath.Join(place, "objects", made.Files[1].Digest)
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(path, b, 0o600)
		}, failure.Corrupt, "log-1/"},
		"a longer object": {func(place string, made backup.Result) error {
			file, err := os.OpenFile(filepath.Join(place, "objects", made.Files[1].Digest), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = file.WriteString("x")
			return errors.Join(err, file.Close())
		}, failure.Corrupt, "log-1/"},
		"a missing object": {func(place string, made backup.Result) error {
			return os.Remove(filepath.Join(place, "objects", made.Files[0].Digest))
		}, failure.NotFound, "log-1/"},
		"a changed list": {func(place string, made backup.Result) error {
			path := filepath.Join(place, "backups", made.Name+".json")
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, bytes.Replace(b, []byte(`"bytes":`), []byte(`"bytes": `), 1), 0o600)
		}, failure.Corrupt, "digest in its name"},
		"no list": {func(place string, made backup.Result) error {
			return os.Remove(filepath.Join(place, "backups", made.Name+".json"))
		}, failure.NotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			place := t.TempDir()
			to := directory.Open(place)
			made := create(t, dir, to)
			if err := c.harm(place, made); err != nil {
				t.Fatal(err)
			}
			restored := filepath.Join(t.TempDir(), "data")
			_, err := backup.Restore(t.Context(), to, made.Name, restored, backup.RestoreOptions{})
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("restore: %v", err)
			}
			if left, _ := filepath.Glob(restored + "*"); left != nil {
				t.Errorf("it left %v", left)
			}
			if _, err := backup.Verify(t.Context(), to, made.Name, backup.RestoreOptions{}); !errors.Is(err, c.want) {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

// A list is input from outside: its paths stay inside, and newer versions are
// refused by that name.
func TestForgedLists(t *testing.T) {
	to := directory.Open(t.TempDir())
	empty := strings.Repeat("0", 64)
	for list, want := range map[string]error{
		`{"version":1,"files":[{"path":"../x","sha256":"` + empty + `"}]}`:        failure.Corrupt,
		`{"version":1,"files":[{"path":"/MANIFEST-1","sha256":"` + empty + `"}]}`: failure.Corrupt,
		`{"version":1,"files":[{"path":"LOCK","sha256":"` + empty + `"}]}`:        failure.Corrupt,
		`{"version":1,"files":[{"path":"MANIFEST-1","sha256":"00"}]}`:             failure.Corrupt,
		`{"version":2,"files":[{"path":7}]}`:                                      failure.NewerVersion,
		`{"version":1`:                                                            failure.Corrupt,
	} {
		name := backup.PutList(t, to, []byte(list))
		if _, err := backup.Open(t.Context(), to, name); !errors.Is(err, want) {
			t.Errorf("%s: %v", list, err)
		}
	}
}

func TestRestoreWantsAnEmptyPlace(t *testing.T) {
	dir, o := filled(t)
	to := directory.Open(t.TempDir())
	create(t, dir, to)
	if _, err := backup.Restore(t.Context(), to, "latest", dir, backup.RestoreOptions{}); !errors.Is(err, failure.AlreadyExists) {
		t.Errorf("over data: %v", err)
	}
	empty := t.TempDir()
	if err := os.MkdirAll(empty+".partial/log-7", 0o750); err != nil { // an earlier restore was killed
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), to, "latest", empty, backup.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := next(t, empty, o); !slices.Equal(got, []uint64{101, 1}) {
		t.Errorf("next %v", got)
	}
}

// Damage does not keep a backup from saving the rest, and is not silent.
func TestDamagedSegmentIsStoredAndNamed(t *testing.T) {
	dir, o := filled(t)
	files, err := filepath.Glob(filepath.Join(dir, "log-1", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	b[9000] ^= 1
	if err := os.WriteFile(files[1], b, 0o600); err != nil {
		t.Fatal(err)
	}
	to := directory.Open(t.TempDir())
	for range 2 { // it is not known as good the second time
		made := create(t, dir, to)
		damaged := made.Damaged()
		if len(damaged) != 1 || !strings.Contains(damaged[0].Damage, "damaged at offset") || damaged[0].Bytes != int64(len(b)) {
			t.Errorf("%+v", damaged)
		}
	}
	restored := filepath.Join(t.TempDir(), "data")
	if _, err := backup.Restore(t.Context(), to, "latest", restored, backup.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := next(t, restored, o); !slices.Equal(got, []uint64{101, 1}) {
		t.Errorf("next %v", got)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Create(t.Context(), dir, to, backup.Options{}); !errors.Is(err, failure.Corrupt) {
		t.Errorf("a missing segment: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	to := directory.Open(t.TempDir())
	if _, err := backup.Create(t.Context(), t.TempDir(), to, backup.Options{}); !errors.Is(err, failure.NotFound) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := backup.Restore(t.Context(), to, "latest", t.TempDir(), backup.RestoreOptions{}); !errors.Is(err, failure.NotFound) {
		t.Errorf("an empty store: %v", err)
	}
	dir, _ := filled(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := backup.Create(ended, dir, to, backup.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

// failing fails every put from the n-th on.
type failing struct {
	store.Store
	left int
}

var errFull = errors.New("the store is full")

func (f *failing) Put(ctx context.Context, name string, content io.ReadSeeker, size int64, digest store.Digest) error {
	if f.left--; f.left < 0 {
		return errFull
	}
	return f.Store.Put(ctx, name, content, size, digest)
}

// frozen is a clock that stands.
type frozen struct{ clock.Clock }

func (frozen) Now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC) }

// A backup that fails at any object does not exist, and what it sent is not sent
// again.
func TestFailedBackupDoesNotExist(t *testing.T) {
	dir, _ := filled(t)
	to := &failing{Store: directory.Open(t.TempDir())}
	sent := 0
	for n := 0; ; n++ {
		to.left = 1
		made, err := backup.Create(t.Context(), dir, to, backup.Options{Clock: frozen{}})
		if err == nil {
			if !strings.HasPrefix(made.Name, "20260102T030405.006Z-") || made.Sent != 0 || n < 5 {
				t.Errorf("attempt %d: %+v", n, made)
			}
			break
		}
		if !errors.Is(err, errFull) || n > 100 {
			t.Fatal(err)
		}
		names, err := backup.Names(t.Context(), to)
		if err != nil || len(names) != 0 {
			t.Fatalf("attempt %d: %v, %v", n, names, err)
		}
		sent++
	}
	if _, err := backup.Verify(t.Context(), to, "latest", backup.RestoreOptions{}); err != nil {
		t.Error(err)
	}
}
