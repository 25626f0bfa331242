package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-io/millrace/backup/store"
	"github.com/millrace-io/millrace/failure"
)

const (
	listVersion   = 1
	objectFolder  = "objects/"
	backupFolder  = "backups/"
	backupSuffix  = ".json"
	nameTime      = "20060102T150405.000Z"
	nameDigest    = 16 // hexadecimal digits of the list's digest in the name
	listBytesMax  = 256 << 20
	catalogueFile = "catalogue.db"
)

// Backup is what is in one backup.
type Backup struct {
	// Name is the time and the beginning of the digest of the list: what
	// Restore takes.
	Name string `json:"-"`
	// Version is that of the list's format.
	Version int `json:"version"`
	// Created is when the backup began.
	Created time.Time `json:"created"`
	// Bytes is the total of all files, Records that of all logs.
	Bytes   int64  `json:"bytes"`
	Records uint64 `json:"records"`
	// Logs says what each log holds.
	Logs []Log `json:"logs"`
	// Files are the files of the data directory.
	Files []File `json:"files"`
}

// Log is one log in a backup.
type Log struct {
	Log uint64 `json:"log"`
	// First and Next are the sequence number of the oldest record, and the one
	// behind the newest.
	First uint64 `json:"first_sequence"`
	Next  uint64 `json:"next_sequence"`
}

// File is one file in a backup.
type File struct {
	// Path is relative to the data directory, with slashes.
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	Digest string `json:"sha256"`
	// Segment identifies a closed segment, whichever directory it is in.
	Segment string `json:"segment,omitempty"`
	// Next is the sequence number behind the last record of a segment.
	Next uint64 `json:"next_sequence,omitempty"`
	// Damage says what was wrong with a segment when it was copied.
	Damage string `json:"damage,omitempty"`
}

// Damaged returns the files that were damaged when they were copied.
func (b *Backup) Damaged() []File {
	var damaged []File
	for _, f := range b.Files {
		if f.Damage != "" {
			damaged = append(damaged, f)
		}
	}
	return damaged
}

// logFolder names the folder of a log.
func logFolder(log uint64) string { return "log-" + strconv.FormatUint(log, 10) }

// object returns the name of the object that holds the file.
func (f File) object() string { return objectFolder + f.Digest }

// digest decodes the digest.
func (f File) digest() (digest store.Digest, err error) {
	b, err := hex.DecodeString(f.Digest)
	if err != nil || len(b) != len(digest) {
		return digest, failure.New(failure.Corrupt, "backup", "%s has no digest", f.Path)
	}
	return store.Digest(b), nil
}

// paths are those that a data directory may have: a list is input from outside.
var paths = regexp.MustCompile(`^(MANIFEST-[0-9]+|catalogue\.db|log-[0-9]+/[0-9]{20}-[0-9a-f]{16}\.seg)$`)

// encode returns the list of a backup and its name.
func (b *Backup) encode() (name string, list []byte, err error) {
	list, err = json.Marshal(b)
	if err != nil {
		return "", nil, fmt.Errorf("backup: encode the list: %w", err)
	}
	return nameOf(b.Created, list), list, nil
}

// nameOf returns the name of the backup with that list.
func nameOf(created time.Time, list []byte) string {
	sum := sha256.Sum256(list)
	return created.UTC().Format(nameTime) + "-" + hex.EncodeToString(sum[:])[:nameDigest]
}

// decode reads the list of the backup of that name.
func decode(name string, list []byte) (*Backup, error) {
	damaged := func(format string, arguments ...any) (*Backup, error) {
		return nil, failure.New(failure.Corrupt, "backup "+name, format, arguments...)
	}
	if _, digest, _ := strings.Cut(nameOf(time.Time{}, list), "-"); !strings.HasSuffix(name, "-"+digest) {
		return damaged("its list does not match the digest in its name")
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(list, &head); err != nil {
		return damaged("%v", err)
	}
	if head.Version > listVersion {
		return nil, failure.New(failure.NewerVersion, "backup "+name, "version %d is newer than %d; upgrade to read it", head.Version, listVersion)
	}
	b := &Backup{Name: name}
	if err := json.Unmarshal(list, b); err != nil {
		return damaged("%v", err)
	}
	for _, f := range b.Files {
		if !paths.MatchString(f.Path) || !filepath.IsLocal(filepath.FromSlash(f.Path)) || path.Clean(f.Path) != f.Path {
			return damaged("%q is not a file of a data directory", f.Path)
		}
		if _, err := f.digest(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Open reads the list of a backup. The name "latest" is the newest one.
func Open(ctx context.Context, from store.Store, name string) (*Backup, error) {
	if name == "latest" {
		names, err := Names(ctx, from)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return nil, failure.New(failure.NotFound, "backup", "the store has no backups")
		}
		name = names[len(names)-1]
	}
	r, err := from.Get(ctx, backupFolder+name+backupSuffix)
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", name, err)
	}
	defer func() { _ = r.Close() }() // it was only read
	list, err := io.ReadAll(io.LimitReader(r, listBytesMax))
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", name, err)
	}
	return decode(name, list)
}

// Names returns the names of all backups in a store, oldest first.
func Names(ctx context.Context, from store.Store) ([]string, error) {
	var names []string
	for entry, err := range from.List(ctx, backupFolder) {
		if err != nil {
			return nil, err
		}
		if name, ok := strings.CutSuffix(strings.TrimPrefix(entry.Name, backupFolder), backupSuffix); ok {
			names = append(names, name)
		}
	}
	return names, nil
}
