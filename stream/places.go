package stream

import (
	"path/filepath"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/millrace-io/millrace/failure"
)

// ReadPlaces reads from the catalogue of a directory, which nobody else may have
// open, which shards its logs belong to. It changes nothing. For tools that speak
// of logs and are used by people who think of streams.
func ReadPlaces(dir string) (map[uint64]Place, error) {
	path := filepath.Join(dir, catalogueFile)
	var database *bbolt.DB
	err := guarded(func() (err error) {
		database, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockPatience, ReadOnly: true})
		return err
	})
	if err != nil {
		return nil, failure.Wrap(openKind(err), "stream: open "+path, err)
	}
	defer func() { _ = database.Close() }() // it was only read
	rows, err := (&catalogue{database}).load()
	if err != nil {
		return nil, err
	}
	places := make(map[uint64]Place)
	for _, r := range rows {
		for _, s := range slices.Concat(r.Shards, r.Intent) {
			places[s.Log] = Place{r.Name, s.ID}
		}
	}
	return places, nil
}
