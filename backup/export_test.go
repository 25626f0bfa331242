package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/millrace-io/millrace/backup/store"
)

// PutList stores any bytes as the list of a backup, under a name that matches.
func PutList(t *testing.T, to store.Store, list []byte) string {
	t.Helper()
	sum := sha256.Sum256(list)
	name := "20260102T030405.000Z-" + hex.EncodeToString(sum[:])[:nameDigest]
	if err := to.Put(t.Context(), backupFolder+name+backupSuffix, bytes.NewReader(list), int64(len(list)), sum); err != nil {
		t.Fatal(err)
	}
	return name
}
