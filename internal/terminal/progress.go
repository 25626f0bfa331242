package terminal

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/millrace-io/millrace/internal/units"
)

const (
	// redrawMin keeps a fast command from drawing more often than eyes see.
	redrawMin = 100 * time.Millisecond
	// lineEvery is how often a line is written where there is no terminal.
	lineEvery = 10 * time.Second
)

// Progress shows on Err how far a command is: a bar on a terminal, otherwise a
// line every ten seconds, so that a log of a short run stays empty. It is safe
// for concurrent use.
type Progress struct {
	mutex   sync.Mutex
	streams *Streams
	label   string
	total   int64
	bar     *progressbar.ProgressBar
	started time.Time
	shown   time.Time
	records int64
	bytes   int64
}

// NewProgress starts a progress display of total bytes; a negative total is
// unknown.
func NewProgress(streams *Streams, label string, total int64) *Progress {
	now := time.Now()
	p := &Progress{streams: streams, label: label, total: total, started: now, shown: now}
	if streams.ErrTTY {
		p.bar = progressbar.NewOptions64(max(total, -1),
			progressbar.OptionSetWriter(streams.Err),
			progressbar.OptionSetDescription(label),
			progressbar.OptionShowBytes(true),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionSetWidth(max(10, min(40, streams.Width-50))),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(redrawMin),
			// Drawn by Add alone: the bar's own ticker could not be joined.
			progressbar.OptionSetSpinnerChangeInterval(0),
		)
	}
	return p
}

// Add counts records and bytes that are done.
func (p *Progress) Add(records, bytes int64) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.records += records
	p.bytes += bytes
	now := time.Now()
	every := lineEvery
	if p.bar != nil {
		every = redrawMin
	}
	if now.Sub(p.shown) < every {
		return
	}
	p.shown = now
	if p.bar != nil {
		// The bar can only fail by failing to write to Err, which is no reason
		// to fail the command.
		_ = p.bar.Set64(p.bytes)
		return
	}
	fmt.Fprintln(p.streams.Err, p.line(now))
}

// line describes the state in one line. The mutex is held.
func (p *Progress) line(now time.Time) string {
	text := p.label + ": "
	if p.records > 0 {
		text += units.Plural(p.records, "record") + ", "
	}
	text += units.Bytes(p.bytes).Human()
	if p.total > 0 {
		text += fmt.Sprintf(" of %s (%d %%)", units.Bytes(p.total).Human(), p.bytes*100/p.total)
	}
	return text + ", " + units.MegabytesPerSecond(p.bytes, now.Sub(p.started))
}

// Done removes the bar.
func (p *Progress) Done() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
