package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/terminal"
)

// The exit codes, as documented in millrace help exit-codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitConflict    = 4
	exitUnavailable = 5
	exitInterrupted = 130
)

// usageError is a command line that cannot be meant.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usageErrorf formats a usage error.
func usageErrorf(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// verdict is what becomes of a kind of failure: the exit code, and what to tell
// beyond the error itself. %s in the texts is the address of the server.
type verdict struct {
	code  int
	cause string
	next  string
}

// verdicts maps every kind that has more to say than "failed".
var verdicts = map[failure.Kind]verdict{
	failure.InvalidArgument: {exitUsage, "", ""},
	failure.TooLarge: {
		exitFailed, "a record holds at most 10 MiB of data and 256 characters of partition key", "",
	},
	failure.NotFound:          {exitNotFound, "it was never created there, or it was deleted", "millrace stream ls --addr %s"},
	failure.AlreadyExists:     {exitConflict, "it was created before", "millrace stream ls --addr %s"},
	failure.Conflict:          {exitConflict, "another process has it open", ""},
	failure.SequenceGap:       {exitConflict, "a producer with the same id skipped records", ""},
	failure.SequenceDuplicate: {exitConflict, "a producer with the same id sent something else before", ""},
	failure.Fenced:            {exitConflict, "a newer producer took over", ""},
	failure.Throttled:         {exitUnavailable, "the shard is at its limit: wait, or use more shards", ""},
	failure.Unavailable:       {exitUnavailable, "no server listens at %s, or it is starting or stopping", "millrace dev"},
	failure.Disconnected:      {exitUnavailable, "the server at %s stopped, or something between cut the connection", "millrace stream ls --addr %s"},
	failure.Timeout:           {exitUnavailable, "the server at %s is too slow or out of reach", "try again with --timeout 1m"},
	failure.NoSpace: {
		exitUnavailable, "the disk of the server is full: nothing that was acknowledged is lost, and writing works again once there is room",
		"df -h, then delete a stream: millrace stream delete STREAM --addr %s",
	},
	failure.Trimmed:      {exitNotFound, "retention removed the records that were asked for", "millrace get STREAM --addr %s"},
	failure.Poisoned:     {exitFailed, "an earlier I/O error made the log read-only", "look at the server's log and at the disk"},
	failure.Corrupt:      {exitFailed, "a file was changed or damaged outside of millrace", "restore a backup, or: millrace repair DIR --dry-run"},
	failure.NewerVersion: {exitFailed, "a newer millrace wrote it", "use that version"},
	failure.NotOurs:      {exitFailed, "this is not a file or a server of millrace", ""},
	failure.Malformed:    {exitFailed, "what answers at %s may not be a millrace server", ""},
}

// judge returns the verdict on an error.
func judge(err error) verdict {
	var usage usageError
	switch {
	case err == nil:
		return verdict{code: exitOK}
	case errors.Is(err, terminal.ErrInterrupted):
		return verdict{code: exitInterrupted}
	case errors.As(err, &usage):
		return verdict{code: exitUsage}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return verdict{exitConflict, "another server listens there", "choose another address, or port 0 for a free one"}
	}
	kind := failure.KindOf(err)
	if found, known := verdicts[kind]; known {
		return found
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return verdicts[failure.Timeout]
	case errors.Is(err, fs.ErrNotExist):
		return verdict{code: exitNotFound}
	default:
		return verdict{code: exitFailed}
	}
}

// exit reports how a command ended and returns its exit code.
func (a *app) exit(err error) int {
	if err != nil && (terminal.Interrupted(a.drain) && errors.Is(err, context.Canceled)) {
		err = terminal.ErrInterrupted
	}
	v := judge(err)
	if v.code == exitOK {
		return exitOK
	}
	fmt.Fprintf(a.Err, "millrace: %s\n", brief(err))
	if v.cause != "" {
		fmt.Fprintf(a.Err, "  likely cause: %s\n", a.fill(v.cause))
	}
	if v.next != "" && (a.addr != "" || !strings.Contains(v.next, "%s")) { // no server was talked to
		fmt.Fprintf(a.Err, "  next: %s\n", a.fill(v.next))
	}
	return v.code
}

// briefLines is how many of several joined errors are printed.
const briefLines = 3

// brief renders an error without the repetitions that retries bring.
func brief(err error) string {
	var lines []string
	left := 0
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimRight(line, "\n")
		switch {
		case slices.ContainsFunc(lines, func(printed string) bool { return printed == line || strings.HasSuffix(printed, ": "+line) }):
		case len(lines) < briefLines:
			lines = append(lines, line)
		default:
			left++
		}
	}
	if left > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", left))
	}
	return strings.Join(lines, "\n  ")
}

// fill names the server in a text.
func (a *app) fill(text string) string {
	addr := a.addr
	if addr == "" {
		addr = addrDefault
	}
	return replaceAddr(text, addr)
}
