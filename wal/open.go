package wal

import (
	"errors"
	"slices"
)

// onlyLog is the id of the log that Open uses.
const onlyLog = 1

// Open opens the one log of a directory, creating both if they are missing: the
// form for programs that keep a single log. Closing the log closes the
// directory. Options and errors are those of [OpenDir] and [Dir.OpenLog].
func Open(path string, o Options, lo LogOptions) (*Log, error) {
	d, err := OpenDir(path, o)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(d.Logs(), onlyLog) {
		if err := d.CreateLogs(onlyLog); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return openOnly(d, lo)
}

// OpenReadOnly opens the one log of a directory as it is, beside a live writer
// or not, as [OpenDirReadOnly] does.
func OpenReadOnly(path string, o Options) (*Log, error) {
	d, err := OpenDirReadOnly(path, o)
	if err != nil {
		return nil, err
	}
	return openOnly(d, LogOptions{})
}

func openOnly(d *Dir, lo LogOptions) (*Log, error) {
	l, err := d.OpenLog(onlyLog, lo)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	l.ownsDir = true
	return l, nil
}
