package backup

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The list as docs/format/backup.md has it.
const golden = `{"version":1,"created":"2026-01-02T03:04:05.006Z","bytes":5300,"records":7,` +
	`"logs":[{"log":3,"first_sequence":1,"next_sequence":8}],` +
	`"files":[{"path":"log-3/00000000000000000001-0000000000000001.seg","bytes":5000,` +
	`"sha256":"00000000000000000000000000000000000000000000000000000000000000aa",` +
	`"segment":"3-0000000000000001-0000002a-1-5000","next_sequence":8},` +
	`{"path":"MANIFEST-4","bytes":300,"sha256":"00000000000000000000000000000000000000000000000000000000000000bb"}]}`

const goldenName = "20260102T030405.006Z-"

func TestGoldenList(t *testing.T) {
	zeros := "00000000000000000000000000000000000000000000000000000000000000"
	b := &Backup{
		Version: 1, Created: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), Bytes: 5300, Records: 7,
		Logs: []Log{{Log: 3, First: 1, Next: 8}},
		Files: []File{
			{Path: "log-3/00000000000000000001-0000000000000001.seg", Bytes: 5000, Digest: zeros + "aa", Segment: "3-0000000000000001-0000002a-1-5000", Next: 8},
			{Path: "MANIFEST-4", Bytes: 300, Digest: zeros + "bb"},
		},
	}
	name, list, err := b.encode()
	if err != nil || string(list) != golden || name[:len(goldenName)] != goldenName {
		t.Fatalf("%s\n%s\n%v", name, list, err)
	}
	again, err := decode(name, list)
	if err != nil {
		t.Fatal(err)
	}
	b.Name = name
	if diff := cmp.Diff(b, again); diff != "" {
		t.Error(diff)
	}
}

// FuzzList: whatever a store returns is an error or a list whose paths stay in the
// directory.
func FuzzList(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(`{"version":1,"files":[{"path":"../x"}]}`))
	f.Add([]byte(`{"version":9}`))
	f.Fuzz(func(t *testing.T, list []byte) {
		b, err := decode(nameOf(time.Time{}, list), list)
		if err != nil {
			return
		}
		for _, file := range b.Files {
			if !paths.MatchString(file.Path) {
				t.Errorf("accepted %q", file.Path)
			}
		}
	})
}
