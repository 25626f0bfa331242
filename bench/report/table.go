package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/millrace-io/millrace/bench/change"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/internal/units"
)

// outcome of a row.
type outcome string

// The outcomes, as they stand in tables. A median on one side of 1 with a
// spread over both sides is no win, whoever has it.
const (
	noRatio   outcome = none
	weWin     outcome = "Millrace"
	even      outcome = "even"
	peerAhead outcome = "even, peer ahead"
	peerWins  outcome = "PEER WINS"
	ownRatio  outcome = "both ours"
	oursAlone outcome = "ours alone"
)

// judge says who wins a row.
func judge(r *result.Row) outcome {
	switch {
	case r.Own && r.Peer == "":
		return oursAlone
	case len(r.Ratios) == 0 || r.Median <= 0:
		return noRatio
	case r.Own:
		return ownRatio
	case r.Low > 1:
		return weWin
	case r.High < 1:
		return peerWins
	case r.Median < 1:
		return peerAhead
	default:
		return even
	}
}

// spreadText is the range of the ratios; of one pair there is none.
func spreadText(r *result.Row) string {
	if len(r.Ratios) == 1 {
		return "one pair"
	}
	return spread(r.Low, r.High)
}

// block is the rows of one measure in one class of durability.
type block struct {
	measure, durability, better, unit string
	rows                              []*result.Row
}

// peerText names who stands beside us in a row.
func peerText(r *result.Row) string {
	switch {
	case !r.Own:
		return oneLine(r.Peer)
	case r.Peer == "":
		return none
	}
	return "ours: " + oneLine(r.Peer)
}

// blocksOf sorts rows into blocks, in the order of their first rows; within a
// block the strongest peer comes first, and those without a figure last.
func blocksOf(rows []result.Row) []*block {
	var blocks []*block
	for i := range rows {
		r := &rows[i]
		at := slices.IndexFunc(blocks, func(b *block) bool { return b.measure == r.Measure && b.durability == r.Durability })
		if at < 0 {
			blocks = append(blocks, &block{measure: r.Measure, durability: r.Durability, better: r.Better, unit: r.Unit})
			at = len(blocks) - 1
		}
		blocks[at].rows = append(blocks[at].rows, r)
	}
	for _, b := range blocks {
		slices.SortStableFunc(b.rows, func(x, y *result.Row) int {
			switch {
			case judge(x) == noRatio || judge(y) == noRatio:
				return boolean(judge(x) == noRatio) - boolean(judge(y) == noRatio)
			case x.Median < y.Median:
				return -1
			case x.Median > y.Median:
				return 1
			}
			return strings.Compare(x.Peer, y.Peer)
		})
	}
	return blocks
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// title says what the block is about.
func (b *block) title() string {
	return fmt.Sprintf("%s (%s is better, durability %s)", b.measure, b.better, b.durability)
}

// limit is the physical limit of the block, 0 when it has none.
func (b *block) limit() (value float64, name string) {
	for _, r := range b.rows {
		if r.Limit > 0 {
			return r.Limit, r.LimitName
		}
	}
	return 0, ""
}

// ours is the median of our medians: each peer has runs of ours of its own.
func (b *block) ours() float64 {
	var values []float64
	for _, r := range b.rows {
		if r.Ours > 0 {
			values = append(values, r.Ours)
		}
	}
	return change.Median(values)
}

// limitLine says what the machine can do and how far we are from it; empty
// when there is no limit.
func (b *block) limitLine() string {
	limit, name := b.limit()
	if limit <= 0 {
		return ""
	}
	text := fmt.Sprintf("physical limit: %s, %s", name, quantity(limit, b.unit))
	switch ours := b.ours(); {
	case ours <= 0:
		return text
	case b.better == "lower":
		return fmt.Sprintf("%s; Millrace takes %s as long", text, ratio(ours/limit))
	default:
		return fmt.Sprintf("%s; Millrace reaches %s of it", text, share(ours/limit))
	}
}

// share renders a part of one.
func share(value float64) string {
	if value < 0.0995 {
		return fmt.Sprintf("%.1f %%", 100*value)
	}
	return fmt.Sprintf("%.0f %%", 100*value)
}

// side renders the figure of one side, which is 0 when it has none.
func side(value float64, unit string) string {
	if value <= 0 {
		return none
	}
	return quantity(value, unit)
}

// Table writes the rows of d, measure by measure: us, each peer, the median of
// the ratios with their spread, who wins, and the physical limit. The rows that
// a peer wins stand at the end once more. The error is that of w.
func Table(w io.Writer, d *result.Document) error {
	var b strings.Builder
	heading(&b, d)
	for _, block := range blocksOf(d.Rows) {
		fmt.Fprintf(&b, "\n%s\n", oneLine(block.title()))
		if line := block.limitLine(); line != "" {
			b.WriteString(oneLine(line) + "\n")
		}
		t := render.Table{Columns: []string{"  PEER", ">MILLRACE", ">PEER", ">RATIO", ">SPREAD", "WINNER", ""}}
		for _, r := range block.rows {
			t.Rows = append(t.Rows, []string{
				"  " + peerText(r), side(r.Ours, r.Unit), side(r.Theirs, r.Unit), ratio(r.Median), spreadText(r), string(judge(r)), oneLine(r.Notes),
			})
		}
		b.WriteString(t.String())
	}
	b.WriteString(closing(d.Rows))
	b.WriteString(limitsAndSkips(d))
	return write(w, b.String())
}

// won returns the rows with that outcome.
func won(rows []result.Row, by outcome) []*result.Row {
	var found []*result.Row
	for i := range rows {
		if judge(&rows[i]) == by {
			found = append(found, &rows[i])
		}
	}
	return found
}

// tally counts the outcomes in words.
func tally(rows []result.Row) string {
	count := func(by outcome) int { return len(won(rows, by)) }
	text := fmt.Sprintf("%s: Millrace wins %d, a peer wins %d, even %d (the peer ahead in %d), without a ratio %d",
		units.Plural(len(rows), "row"), count(weWin), count(peerWins), count(even)+count(peerAhead), count(peerAhead), count(noRatio))
	if own := count(ownRatio) + count(oursAlone); own > 0 {
		text += fmt.Sprintf(", without a peer %d", own)
	}
	return text
}

// howToRead explains the columns of the table.
const howToRead = "A ratio is that of a pair of runs side by side, above 1 where Millrace is better: the median of the pairs, and the least and the greatest of them. A row is even when some pairs went one way and some the other."

// ownNote explains the rows that no peer is in.
const ownNote = "Where no peer does the same, another variant of Millrace stands beside it (both ours), or nothing (ours alone): such a row has no winner."

// hasOwn says that there are rows that no peer is in.
func hasOwn(rows []result.Row) bool {
	return slices.ContainsFunc(rows, func(r result.Row) bool { return r.Own })
}

// against renders a row of a closing list.
func against(r *result.Row) string {
	return fmt.Sprintf("%s, %s: %s, %s against our %s (%s)", r.Measure, r.Durability, r.Peer, side(r.Theirs, r.Unit), side(r.Ours, r.Unit), ratio(r.Median))
}

// closing is the sum of the table and the rows that a peer wins.
func closing(rows []result.Row) string {
	if len(rows) == 0 {
		return "\nno row: no peer ran\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", howToRead)
	if hasOwn(rows) {
		b.WriteString(ownNote + "\n")
	}
	fmt.Fprintf(&b, "\n%s\n", tally(rows))
	list := func(title string, rows []*result.Row) {
		if len(rows) == 0 {
			fmt.Fprintf(&b, "%s: none\n", title)
			return
		}
		fmt.Fprintf(&b, "%s:\n", title)
		for _, r := range rows {
			fmt.Fprintf(&b, "  %s\n", oneLine(against(r)))
		}
	}
	list("rows a peer wins", won(rows, peerWins))
	list("even rows with a peer ahead", won(rows, peerAhead))
	return b.String()
}
