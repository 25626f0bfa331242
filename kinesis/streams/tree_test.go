package streams_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// tree is a document of any shape: what a table would have, and what it would not.
type tree struct {
	kind   wire.Kind
	truth  bool
	number float64
	text   string
	moment time.Time
	names  []string // of the members of an object, beside parts
	parts  []*tree  // members or elements
	whole  int64    // a number without a fraction, unless number is not 0
	nested bool     // not a value: puts what is there into lists
}

// readTree reads any document.
func readTree(r wire.Reader) (*tree, error) {
	kind, err := r.Peek()
	if err != nil {
		return nil, err
	}
	t := &tree{kind: kind}
	switch kind {
	case wire.Null:
		err = r.Null()
	case wire.Bool:
		t.truth, err = r.Bool()
	case wire.Number:
		if t.whole, err = r.Int(); err != nil {
			return nil, err
		}
	case wire.Text:
		var text []byte
		text, err = r.Text()
		t.text = string(text)
	case wire.Blob:
		var blob []byte
		blob, err = r.Blob(nil)
		t.text = string(blob)
	case wire.Time:
		t.moment, err = r.Time()
	case wire.List:
		err = t.readList(r)
	case wire.Object:
		err = t.readObject(r)
	}
	return t, err
}

func (t *tree) readList(r wire.Reader) error {
	if err := r.List(); err != nil {
		return err
	}
	for {
		more, err := r.More()
		if err != nil || !more {
			return err
		}
		part, err := readTree(r)
		if err != nil {
			return err
		}
		t.parts = append(t.parts, part)
	}
}

func (t *tree) readObject(r wire.Reader) error {
	if err := r.Object(); err != nil {
		return err
	}
	for {
		name, more, err := r.Key()
		if err != nil || !more {
			return err
		}
		t.names = append(t.names, string(name))
		part, err := readTree(r)
		if err != nil {
			return err
		}
		t.parts = append(t.parts, part)
	}
}

// write writes the document.
func (t *tree) write(w wire.Writer) {
	switch t.kind {
	case wire.Null:
		w.Null()
	case wire.Bool:
		w.Bool(t.truth)
	case wire.Number:
		if t.number != 0 {
			w.Float(t.number)
		} else {
			w.Int(t.whole)
		}
	case wire.Text:
		w.Text(t.text)
	case wire.Blob:
		w.Blob([]byte(t.text))
	case wire.Time:
		w.Time(t.moment)
	case wire.List:
		w.List()
		for _, part := range t.parts {
			part.write(w)
		}
		w.EndList()
	case wire.Object:
		w.Object()
		for i, part := range t.parts {
			w.Key(t.names[i])
			part.write(w)
		}
		w.EndObject()
	}
}

func (t *tree) clone() *tree {
	c := *t
	c.names, c.parts = slices.Clone(t.names), slices.Clone(t.parts)
	for i, part := range c.parts {
		c.parts[i] = part.clone()
	}
	return &c
}

// all returns the nodes of the tree.
func (t *tree) all() []*tree {
	nodes := []*tree{t}
	for _, part := range t.parts {
		nodes = append(nodes, part.all()...)
	}
	return nodes
}

// mutate changes one node: its kind, its value, or what it has.
func (t *tree) mutate(random *rand.Rand) {
	nodes := t.all()
	n := nodes[random.IntN(len(nodes))]
	if n.kind == wire.Object && random.IntN(2) == 0 {
		n.mutateMembers(random)
		return
	}
	odd := oddTrees[random.IntN(len(oddTrees))]
	if odd.nested {
		n.nest(1 + random.IntN(200))
		return
	}
	*n = *odd.clone()
}

func (t *tree) mutateMembers(random *rand.Rand) {
	if len(t.parts) == 0 {
		t.names, t.parts = []string{"Unknown"}, []*tree{{kind: wire.Bool}}
		return
	}
	i := random.IntN(len(t.parts))
	switch random.IntN(4) {
	case 0: // one less
		t.names, t.parts = slices.Delete(slices.Clone(t.names), i, i+1), slices.Delete(slices.Clone(t.parts), i, i+1)
	case 1: // one twice, perhaps changed
		again := t.parts[i].clone()
		if random.IntN(2) == 0 {
			again.mutate(random)
		}
		t.names, t.parts = append(t.names, t.names[i]), append(t.parts, again)
	case 2: // in another order
		j := random.IntN(len(t.parts))
		t.names[i], t.names[j] = t.names[j], t.names[i]
		t.parts[i], t.parts[j] = t.parts[j], t.parts[i]
	default: // one of another name
		t.names[i] = oddNames[random.IntN(len(oddNames))]
	}
}

// nest puts a node into lists.
func (t *tree) nest(depth int) {
	inner := *t
	for range depth {
		below := inner
		inner = tree{kind: wire.List, parts: []*tree{&below}}
	}
	*t = inner
}

var oddNames = []string{
	"", "StreamName", "StreamARN", "StreamId", "Records", "Data", "PartitionKey", "ExplicitHashKey", "SequenceNumberForOrdering",
	"DryRun", "streamname", "Limit", "NextToken", "\x00", strings.Repeat("n", 300),
}

var oddTrees = []tree{
	{kind: wire.Null},
	{kind: wire.Bool, truth: true},
	{kind: wire.Number},
	{kind: wire.Number, whole: -1},
	{kind: wire.Number, whole: 1 << 31},
	{kind: wire.Number, whole: -1 << 63},
	{kind: wire.Number, number: 1e300},
	{kind: wire.Number, number: 0.5},
	{kind: wire.Text},
	{kind: wire.Text, text: "orders"},
	{kind: wire.Text, text: "no good"},
	{kind: wire.Text, text: "0"},
	{kind: wire.Text, text: "007"},
	{kind: wire.Text, text: "340282366920938463463374607431768211455"},
	{kind: wire.Text, text: "340282366920938463463374607431768211456"},
	{kind: wire.Text, text: "AAAA"},
	{kind: wire.Text, text: strings.Repeat("é", 256)},
	{kind: wire.Text, text: strings.Repeat("é", 257)},
	{kind: wire.Text, text: arnOf("orders")},
	{kind: wire.Text, text: arnOf("orders") + "/consumer/a:1"},
	{kind: wire.Text, text: "arn:aws:kinesis:" + strings.Repeat("a", 3000) + ":" + account + ":stream/orders"},
	{kind: wire.Text, text: "\x00\x7f"},
	{kind: wire.Blob, text: "blob"},
	{kind: wire.Blob},
	{kind: wire.Time, moment: time.Unix(1_700_000_000, 0)},
	{kind: wire.List},
	{kind: wire.List, parts: []*tree{{kind: wire.Null}}},
	{kind: wire.Object},
	{nested: true},
}
