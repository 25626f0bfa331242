package killtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/record"
)

// told is one record as a consumer is shown it.
type told struct {
	shard, sequence, key string
	data                 []byte
}

// history is what an honest server shows of two shards, the first of which is split.
// Key low lives in 0 and then in 2, key high in 0 and then in 3, key other in 1.
type history struct {
	order    *Order
	listings [][]ListedShard
	told     bool // to one consumer
	// before and behind the end of shard 0, which shows children
	before, behind []told
	children       []string
}

func newHistory() *history {
	halves, quarters := record.SplitEvenly(2), record.SplitEvenly(4)
	h := &history{order: NewOrder(), children: []string{"shard-2", "shard-3"}}
	h.listings = [][]ListedShard{
		{{ID: "shard-0", Range: halves[0], First: "100"}, {ID: "shard-1", Range: halves[1], First: "110"}},
		{
			{ID: "shard-0", Range: halves[0], First: "100", Last: "109"},
			{ID: "shard-1", Range: halves[1], First: "110"},
			{ID: "shard-2", Range: quarters[0], First: "200", Parents: []string{"shard-0"}},
			{ID: "shard-3", Range: quarters[1], First: "210", Parents: []string{"shard-0"}},
		},
	}
	put := func(shard, sequence, key string, hash record.HashKey, answered bool) told {
		number, data := h.order.Send(key, hash, 20)
		if answered {
			h.order.Acknowledge(key, number, shard, sequence)
		}
		return told{shard, sequence, key, data}
	}
	low, high, other := quarters[0].Start, quarters[1].Start, halves[1].Start
	h.before = []told{
		put("shard-0", "101", "low", low, true), put("shard-0", "102", "high", high, true), put("shard-0", "103", "low", low, true),
		put("shard-0", "104", "low", low, false), put("shard-1", "111", "other", other, true),
	}
	put("", "", "other", other, false) // not there
	h.behind = []told{
		put("shard-2", "201", "low", low, true), put("shard-3", "211", "high", high, true), put("shard-2", "202", "low", low, true),
		put("shard-1", "112", "other", other, true),
	}
	return h
}

// tell shows a history to one consumer.
func (h *history) tell(r *Reader) {
	if !h.told { // the next one comes when all has happened
		h.order.Listing()(h.listings[0])
		h.told = true
	}
	for _, t := range h.before {
		r.Read(t.shard, t.sequence, t.key, t.data)
	}
	r.End("shard-0", h.children)
	h.order.Listing()(h.listings[1])
	for _, t := range h.behind {
		r.Read(t.shard, t.sequence, t.key, t.data)
	}
}

func TestHonestHistoryPasses(t *testing.T) {
	h := newHistory()
	a, b := h.order.Reader("a"), h.order.Reader("b")
	if n := a.Unread(); n != 8 {
		t.Errorf("%d unread", n)
	}
	h.tell(a)
	h.tell(b)
	if err := h.order.Conclude(); err != nil {
		t.Error(err)
	}
	if h.order.Acknowledged() != 8 || h.order.Sent() != 10 || a.Unread() != 0 || b.Unread() != 0 {
		t.Errorf("%d acknowledged of %d, unread %d and %d", h.order.Acknowledged(), h.order.Sent(), a.Unread(), b.Unread())
	}
}

// TestPlantedFaultsOfOrderAreFound is why the checks may be believed: each history
// breaks one promise.
func TestPlantedFaultsOfOrderAreFound(t *testing.T) {
	at := func(all []told, i int) *told { return &all[i] }
	cases := map[string]struct {
		plant func(h *history)
		want  string
	}{
		"dropped":            {func(h *history) { h.before = slices.Delete(h.before, 2, 3) }, "lost: low#2"},
		"dropped at the end": {func(h *history) { h.behind = h.behind[:3] }, "lost: other#3"},
		"duplicated":         {func(h *history) { d := h.before[0]; d.sequence = "105"; h.before = append(h.before, d) }, "duplicate of low#1"},
		"in parent and child": {func(h *history) {
			d := h.before[3]
			d.shard, d.sequence = "shard-2", "205"
			h.behind = append(h.behind, d)
		}, "duplicate of low#3"},
		"read twice": {func(h *history) { h.before = append(h.before, h.before[3]) }, "duplicate of low#3"},
		"reordered": {func(h *history) {
			h.before[0].data, h.before[2].data = h.before[2].data, h.before[0].data
		}, "reordered: low#1 is read after #2"},
		"reordered, unanswered": {func(h *history) {
			h.before[3].data, h.before[2].data = h.before[2].data, h.before[3].data
		}, "reordered: low#2 is read after #3"},
		"reordered in the child": {func(h *history) { h.behind[0].data, h.behind[2].data = h.behind[2].data, h.behind[0].data }, "reordered"},
		"other number":           {func(h *history) { at(h.before, 2).sequence = "105" }, "was acknowledged at shard-0/103"},
		"falling number":         {func(h *history) { at(h.behind, 2).sequence = "200" }, "not above 201"},
		"number of the parent":   {func(h *history) { at(h.behind, 0).sequence = "105" }, "outside of the shard's 200"},
		"wrong child":            {func(h *history) { at(h.behind, 0).shard = "shard-3" }, "the shard's are"},
		"wrong shard":            {func(h *history) { at(h.before, 4).shard = "shard-0" }, "other#1 has the hash"},
		"unlisted shard":         {func(h *history) { at(h.behind, 0).shard = "shard-9" }, "never listed"},
		"child before the end":   {func(h *history) { h.before = append(h.before, h.behind[0]) }, "the shard was never listed"},
		"behind the end":         {func(h *history) { h.behind = append(h.behind, h.before[3]) }, "behind the end"},
		"phantom":                {func(h *history) { at(h.before, 1).data[9] ^= 1 }, "phantom"},
		"other key":              {func(h *history) { at(h.before, 1).key = "unheard" }, "phantom"},
		"no child shown":         {func(h *history) { h.children = h.children[:1] }, "shows the children"},
		"gap of the open":        {func(h *history) { h.listings[1][3].Range.Start.Lo++ }, "the open shards overlap or leave a gap"},
		"end of the open":        {func(h *history) { h.listings[0] = h.listings[0][:1] }, "the open shards end before"},
		"child of another":       {func(h *history) { h.listings[1][3].Parents[0] = "shard-1" }, "which is open"},
		"unknown parent":         {func(h *history) { h.listings[1][3].Parents[0] = "shard-8" }, "which is not listed"},
		"child begins early":     {func(h *history) { h.listings[1][2].First = "109" }, "not above the end 109"},
		"shard changes":          {func(h *history) { h.listings[1][1].First = "109" }, "and is"},
		"shard vanishes":         {func(h *history) { h.listings = append(h.listings[:1], h.listings[1][1:]) }, "is not listed any more"},
		"child sorts first": {func(h *history) {
			h.listings[1][2].ID = "shard"
			h.children[0] = "shard"
		}, "sorts before its parent"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHistory()
			c.plant(h)
			h.tell(h.order.Reader("a"))
			if err := h.order.Conclude(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("found %v, want %q", err, c.want)
			}
		})
	}
}

func TestOrderOfSeveralListings(t *testing.T) {
	h := newHistory()
	h.tell(h.order.Reader("a"))
	began := h.order.Listing() // when the split was known
	began(h.listings[0])
	if err := h.order.Err(); err == nil || !strings.Contains(err.Error(), "shard-2 is not listed any more") ||
		!strings.Contains(err.Error(), "shard-0 was closed and is open") {
		t.Errorf("a split that is forgotten: %v", err)
	}
}

func TestReadersThatDisagreeAreFound(t *testing.T) {
	h := newHistory()
	h.tell(h.order.Reader("a"))
	h.before = slices.Delete(h.before, 3, 4) // not acknowledged
	h.tell(h.order.Reader("b"))
	if err := h.order.Conclude(); err == nil || !strings.Contains(err.Error(), "disagree: low#3") {
		t.Errorf("found %v", err)
	}
}

// An acknowledgement may come after its record was read, and must fit.
func TestLateAcknowledgements(t *testing.T) {
	for i, want := range []string{"", "is acknowledged at shard-0/103", "not above 101"} {
		o := NewOrder()
		r := o.Reader("a")
		o.Listing()([]ListedShard{{ID: "shard-0", Range: record.SplitEvenly(1)[0], First: "0"}})
		for number := range 2 {
			n, data := o.Send("k", record.HashKey{}, 8)
			r.Read("shard-0", fmt.Sprint(101+number), "k", data)
			if number == 0 {
				o.Acknowledge("k", n, "shard-0", "101")
			}
		}
		o.Acknowledge("k", 2, "shard-0", []string{"102", "103", "100"}[i])
		err := o.Conclude()
		if want == "" && (err != nil || r.Unread() != 0) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("found %v, want %q", err, want)
		}
	}
}

func TestDecimalsAreCompared(t *testing.T) {
	if compareDecimals("99", "100") >= 0 || compareDecimals("101", "100") <= 0 || compareDecimals("5", "5") != 0 {
		t.Error("not by value")
	}
}
