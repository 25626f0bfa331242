package demo

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
)

// contents is a digest of records that does not depend on how the keys are
// spread over shards, but does depend on the order of the records of each key:
// the digest of every key's records in order, combined in the order of the
// keys.
type contents struct {
	keys    map[string]*keyContents
	records int
	bytes   int64 // of keys and data
}

// keyContents is what one partition key has.
type keyContents struct {
	records int
	digest  hash.Hash
}

func newContents() *contents { return &contents{keys: map[string]*keyContents{}} }

// add takes the next record of a key.
func (c *contents) add(key string, data []byte) {
	k := c.keys[key]
	if k == nil {
		k = &keyContents{digest: sha256.New()}
		c.keys[key] = k
	}
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(data)))
	k.digest.Write(length[:])
	k.digest.Write(data)
	k.records++
	c.records++
	c.bytes += int64(len(key) + len(data))
}

// merge takes over what another shard holds. A key in both is an error: one
// key's records all belong to one shard.
func (c *contents) merge(other *contents) error {
	for key, k := range other.keys {
		if c.keys[key] != nil {
			return fmt.Errorf("key %q is in two shards", key)
		}
		c.keys[key] = k
	}
	c.records += other.records
	c.bytes += other.bytes
	return nil
}

// sum returns the digest of everything.
func (c *contents) sum() string {
	total := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(c.keys)) {
		fmt.Fprintf(total, "%d:%s:%x\n", len(key), key, c.keys[key].digest.Sum(nil))
	}
	return hex.EncodeToString(total.Sum(nil))
}

// compare returns what differs from want: the first key, and how.
func (c *contents) compare(want *contents) error {
	keys := maps.Clone(want.keys)
	maps.Copy(keys, c.keys)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		got, expected := c.keys[key], want.keys[key]
		switch {
		case got == nil:
			return fmt.Errorf("key %q: all %d records are missing", key, expected.records)
		case expected == nil:
			return fmt.Errorf("key %q: %d records that were never put", key, got.records)
		case got.records != expected.records:
			return fmt.Errorf("key %q: read %d records, put %d", key, got.records, expected.records)
		case string(got.digest.Sum(nil)) != string(expected.digest.Sum(nil)):
			return fmt.Errorf("key %q: the same number of records, but other data or another order", key)
		}
	}
	return nil
}
