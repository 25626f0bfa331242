package crashfs

import (
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

// node is what a directory entry names: a file or a directory, or neither when
// there is no entry.
type node struct {
	file      *inode
	directory *directory
}

func (n node) exists() bool { return n.file != nil || n.directory != nil }

// directory holds its entries as the program sees them and as the disk is known
// to hold them. What lies between is in FS.changes.
type directory struct {
	entries map[string]node
	durable map[string]node
}

func newDirectory() *directory {
	return &directory{entries: make(map[string]node), durable: make(map[string]node)}
}

// place is one name in one directory.
type place struct {
	directory *directory
	name      string
}

// change is a directory operation that no SyncDir has covered yet: after it,
// each place holds the node beside it (none: the name is gone). It reaches the
// disk entirely or not at all.
type change struct {
	stamp  uint64
	places []place
	after  []node
}

func (c *change) touches(places map[place]bool) bool {
	for _, p := range c.places {
		if places[p] {
			return true
		}
	}
	return false
}

func (c *change) mark(places map[place]bool) {
	for _, p := range c.places {
		places[p] = true
	}
}

// apply stores the change into entries chosen by of.
func (c *change) apply(of func(*directory) map[string]node) {
	for i, p := range c.places {
		if c.after[i].exists() {
			of(p.directory)[p.name] = c.after[i]
		} else {
			delete(of(p.directory), p.name)
		}
	}
}

// record makes a change visible and remembers it as not durable.
func (f *FS) record(c change) {
	f.stamp.Add(1)
	c.stamp = f.stamp.Load()
	c.apply(func(d *directory) map[string]node { return d.entries })
	f.changes = append(f.changes, c)
}

// syncDirectory makes the changes of d durable that were there when the counter
// stood at limit, and the earlier changes that they rest on.
func (f *FS) syncDirectory(d *directory, limit uint64) {
	durable := make([]bool, len(f.changes))
	needed := make(map[place]bool)
	for i := len(f.changes) - 1; i >= 0; i-- {
		c := &f.changes[i]
		own := false
		for _, p := range c.places {
			own = own || p.directory == d
		}
		if (own && c.stamp <= limit) || c.touches(needed) {
			durable[i] = true
			c.mark(needed)
		}
	}
	var rest []change
	for i := range f.changes {
		if durable[i] {
			f.changes[i].apply(func(d *directory) map[string]node { return d.durable })
		} else {
			rest = append(rest, f.changes[i])
		}
	}
	f.changes = rest
}

// elements splits a name. Absolute and relative names start at the same root.
func elements(name string) []string {
	clean := filepath.ToSlash(filepath.Clean(name))
	clean = strings.Trim(strings.TrimPrefix(clean, filepath.ToSlash(filepath.VolumeName(clean))), "/")
	if clean == "" || clean == "." {
		return nil
	}
	return strings.Split(clean, "/")
}

// lookup finds a directory.
func (f *FS) lookup(path []string) (*directory, error) {
	d := f.root
	for _, name := range path {
		next := d.entries[name]
		switch {
		case next.directory != nil:
			d = next.directory
		case next.file != nil:
			return nil, syscall.ENOTDIR
		default:
			return nil, fs.ErrNotExist
		}
	}
	return d, nil
}

// resolve finds the place that name stands for, and what is there.
func (f *FS) resolve(name string) (place, node, error) {
	path := elements(name)
	if len(path) == 0 {
		return place{}, node{directory: f.root}, nil
	}
	d, err := f.lookup(path[:len(path)-1])
	if err != nil {
		return place{}, node{}, err
	}
	base := path[len(path)-1]
	return place{directory: d, name: base}, d.entries[base], nil
}
