package terminal

import (
	"bytes"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// widthDefault is used where the output is not a terminal.
const widthDefault = 80

// Streams are the standard streams of a command.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// InTTY, OutTTY and ErrTTY say which of them are terminals.
	InTTY, OutTTY, ErrTTY bool
	// Width is how many columns Err has, or 80.
	Width int
}

// System returns the streams of the process.
func System() *Streams {
	streams := &Streams{
		In:     os.Stdin,
		Out:    os.Stdout,
		Err:    os.Stderr,
		InTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTTY: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		Width:  widthDefault,
	}
	if width, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && width > 0 {
		streams.Width = width
	}
	return streams
}

// Test returns streams that read input and keep what is written.
func Test(input string) (streams *Streams, out, errOut *Buffer) {
	out, errOut = &Buffer{}, &Buffer{}
	return &Streams{In: bytes.NewBufferString(input), Out: out, Err: errOut, Width: widthDefault}, out, errOut
}

// Buffer keeps what is written to it; unlike bytes.Buffer it may be read while
// a command still writes.
type Buffer struct {
	mutex sync.Mutex
	bytes bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.Write(p)
}

// String returns everything written so far.
func (b *Buffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.String()
}
