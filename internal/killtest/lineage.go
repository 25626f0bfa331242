package killtest

import (
	"maps"
	"slices"

	"github.com/millrace-io/millrace/record"
)

// Listing is called before the shards of the stream are listed, and the function that
// it returns with the complete list. No listing contradicts what was known when it
// began, except that open shards are closed. In each of them the open shards cover the
// hash space, and so do those without parents; children have the hash keys of their
// parents, and sequence numbers above theirs.
func (o *Order) Listing() func(shards []ListedShard) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	known := maps.Clone(o.shards)
	return func(shards []ListedShard) {
		o.mutex.Lock()
		defer o.mutex.Unlock()
		o.list(shards, known)
	}
}

func (o *Order) list(shards []ListedShard, known map[string]*ListedShard) {
	var roots, open []record.HashRange
	listed := make(map[string]*ListedShard, len(shards))
	for i := range shards {
		s := &shards[i]
		listed[s.ID] = s
		if len(s.Parents) == 0 {
			roots = append(roots, s.Range)
		}
		if s.Last == "" {
			open = append(open, s.Range)
		}
		o.compare(s)
	}
	for id, before := range known {
		switch now := listed[id]; {
		case now == nil:
			o.report("%s is not listed any more", id)
		case now.Last == "" && before.Last != "":
			o.report("%s was closed and is open", id)
		}
	}
	o.covers("the open shards", open, record.HashRange{End: record.HashKeyMax})
	o.covers("the shards without parents", roots, record.HashRange{End: record.HashKeyMax})
	for i := range shards {
		o.checkFamily(&shards[i], listed)
	}
}

// compare compares a shard with what was listed before. The mutex is held.
func (o *Order) compare(s *ListedShard) {
	before := o.shards[s.ID]
	if before == nil {
		o.shards[s.ID] = s
		return
	}
	if before.Range != s.Range || !slices.Equal(before.Parents, s.Parents) || before.First != s.First {
		o.report("%s was %+v and is %+v", s.ID, *before, *s)
	}
	if before.Last != "" && s.Last != "" && before.Last != s.Last {
		o.report("%s ended at %s and ends at %s", s.ID, before.Last, s.Last)
	}
	if s.Last != "" {
		o.shards[s.ID] = s
	}
}

// checkFamily checks a shard against its children. The mutex is held.
func (o *Order) checkFamily(s *ListedShard, listed map[string]*ListedShard) {
	for _, name := range s.Parents {
		switch parent := listed[name]; {
		case parent == nil:
			o.report("%s has the parent %s, which is not listed", s.ID, name)
		case parent.Last == "":
			o.report("%s has the parent %s, which is open", s.ID, name)
		case compareDecimals(s.First, parent.Last) <= 0:
			o.report("%s begins at %s, not above the end %s of its parent %s", s.ID, s.First, parent.Last, name)
		case s.ID <= name:
			o.report("%s sorts before its parent %s", s.ID, name)
		}
	}
	if s.Last == "" {
		return
	}
	var parts []record.HashRange
	for _, child := range listed {
		if slices.Contains(child.Parents, s.ID) {
			part := child.Range // what it has of this parent
			if part.Start.Compare(s.Range.Start) < 0 {
				part.Start = s.Range.Start
			}
			if part.End.Compare(s.Range.End) > 0 {
				part.End = s.Range.End
			}
			parts = append(parts, part)
		}
	}
	o.covers("the children of "+s.ID, parts, s.Range)
}

// covers reports ranges that overlap or do not fill the whole. The mutex is held.
func (o *Order) covers(what string, parts []record.HashRange, whole record.HashRange) {
	slices.SortFunc(parts, func(a, b record.HashRange) int { return a.Start.Compare(b.Start) })
	next, full := whole.Start, false
	for _, part := range parts {
		if full || part.Start != next || part.End.Compare(part.Start) < 0 {
			o.report("%s overlap or leave a gap at %s", what, next)
			return
		}
		full, next = part.End == whole.End, part.End
		if next.Lo++; next.Lo == 0 {
			next.Hi++
		}
	}
	if !full {
		o.report("%s end before %s", what, whole.End)
	}
}

// childrenOf returns the shards that name another as a parent, sorted. The mutex is
// held.
func (o *Order) childrenOf(parent string) []string {
	var children []string
	for id, s := range o.shards {
		if slices.Contains(s.Parents, parent) {
			children = append(children, id)
		}
	}
	slices.Sort(children)
	return children
}
