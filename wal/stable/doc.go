// Package stable keeps the newest value of a few keys durable, in a log of its
// own: the term and vote of a Raft group, the place where something was left off.
//
//	store, err := stable.Open(l) // l has nothing else in it
//	err = store.Put(ctx, record.Group, map[string][]byte{"term": term})
//	term := store.Get("term")
//
// A Put is one batch, so that it is there whole or not at all after a crash. All
// values are in memory; when the log has grown to a multiple of them they are
// written again as one batch, and what is older is trimmed.
//
// # File map
//
//	stable.go  the store, and the bytes of its records
package stable
