package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const (
	// lineMax bounds a line, with its end.
	lineMax = 1 << 20
	// entriesMax bounds the lines of a file. A series is not longer, and change
	// points are sought in all of it.
	entriesMax = 10_000
)

// Read reads all entries of a file. A line that is not an entry, or has no end, is
// ErrLine with its number; so are a second one of the same commit and machine,
// which is ErrDuplicate as well, and one of more than a MiB or after 10,000
// others, which is ErrTooLong as well. A file that is not there is
// fs.ErrNotExist.
func Read(path string) ([]Entry, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("history: read: %w", err)
	}
	defer file.Close()
	entries, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return entries, nil
}

// Append appends the entry to a file, which it makes if it is not there. Errors
// are ErrEntry, ErrTooLong, ErrDuplicate if the commit is there with the same
// machine, and those of Read; the file is as before then. It is not made
// durable: the next thing to happen to it is a commit.
func Append(path string, e Entry) error {
	if err := e.check(); err != nil {
		return err
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("history: append: %w", err)
	}
	line = append(line, '\n')
	if len(line) > lineMax {
		return fmt.Errorf("%w: the line would have %d bytes, %d are allowed", ErrTooLong, len(line), lineMax)
	}
	entries, err := Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case len(entries) >= entriesMax:
		return fmt.Errorf("%w: %s has %d entries: remove the oldest", ErrTooLong, path, len(entries))
	}
	for _, old := range entries {
		if old.Commit == e.Commit && old.Machine == e.Machine {
			return fmt.Errorf("%w: %s on %s in %s", ErrDuplicate, e.Commit, e.Machine, path)
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("history: append: %w", err)
	}
	_, err = file.Write(line)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("history: append: %w", err)
	}
	return nil
}

// read reads entries until the end.
func read(r io.Reader) ([]Entry, error) {
	lines := bufio.NewReaderSize(r, lineMax)
	seen := map[[2]string]bool{}
	var entries []Entry
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return entries, nil
		}
		var e Entry
		switch {
		case errors.Is(err, io.EOF):
			err = errors.New("it has no end: a write was cut short, remove it or end the line")
		case errors.Is(err, bufio.ErrBufferFull):
			err = fmt.Errorf("%w: it has more than %d bytes", ErrTooLong, lineMax)
		case err == nil && number > entriesMax:
			err = fmt.Errorf("%w: there are more than %d lines", ErrTooLong, entriesMax)
		case err == nil:
			e, err = parse(line)
		}
		key := [2]string{e.Commit, e.Machine}
		if err == nil && seen[key] {
			err = fmt.Errorf("%w: %s on %s", ErrDuplicate, e.Commit, e.Machine)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrLine, number, err)
		}
		seen[key] = true
		entries = append(entries, e)
	}
}

// parse reads one line. Members it does not know are an error: they would be
// ignored in all that follows.
func parse(line []byte) (Entry, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	var e Entry
	if err := decoder.Decode(&e); err != nil {
		return Entry{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, errors.New("there is more than one value in it")
	}
	return e, e.check()
}
