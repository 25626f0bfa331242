package repair

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/wal"
)

// Options say how to repair.
type Options struct {
	// WAL are the options of the directory; the file system is all that matters.
	WAL wal.Options
	// DryRun only looks.
	DryRun bool
	// Aside is the folder for copies. Default: a new one in the data directory.
	Aside string
	// Now names the default folder.
	Now time.Time
	// Places names the stream and the shard of a log. Default: nothing.
	Places func(log uint64) string
	// Confirm is asked before anything is written, once all damage was handed
	// out. Default: yes.
	Confirm func(Outcome) error
}

// Run checks all logs of the data directory, hands every [Damage] to emit, and
// unless told otherwise repairs them, handing out a [Copy] for each file that was
// copied, and at the end the [Outcome] that it also returns. A directory without
// damage is not touched. A server that runs there is failure.Conflict.
func Run(ctx context.Context, dir string, o Options, emit func(finding any) error) (Outcome, error) {
	outcome := Outcome{Kind: "outcome", Path: dir}
	r, err := wal.OpenRepair(dir, o.WAL)
	if err != nil {
		return outcome, err
	}
	// It holds nothing but the lock, which ends with the process anyway.
	defer func() { _ = r.Close() }()
	all, err := examine(ctx, r, o, &outcome, emit)
	if err != nil {
		return outcome, err
	}
	if len(all) > 0 && !o.DryRun {
		if o.Confirm != nil {
			if err := o.Confirm(outcome); err != nil {
				return outcome, err
			}
		}
		if err := mend(ctx, r, dir, all, o, &outcome, emit); err != nil {
			return outcome, err
		}
	}
	return outcome, emit(outcome)
}

// examine checks all logs and hands out what is damaged.
func examine(ctx context.Context, r *wal.Repair, o Options, outcome *Outcome, emit func(any) error) ([]wal.Damage, error) {
	all := r.CheckJournal()
	outcome.Journals = len(all)
	for _, d := range all {
		if err := emit(findingOf(d)); err != nil {
			return nil, err
		}
	}
	for _, id := range r.Logs() {
		found, err := r.Check(ctx, id)
		if err != nil {
			return nil, err
		}
		outcome.Logs++
		if len(found) > 0 {
			outcome.Damaged++
		}
		for _, d := range found {
			finding := findingOf(d)
			if o.Places != nil {
				finding.Place = o.Places(id)
			}
			if finding.Salvable, err = salvage(ctx, r, d, nil); err != nil {
				return nil, err
			}
			if err := emit(finding); err != nil {
				return nil, err
			}
		}
		all = append(all, found...)
	}
	return all, nil
}

// mend copies what is about to be given up, and then ends the logs.
func mend(ctx context.Context, r *wal.Repair, dir string, all []wal.Damage, o Options, outcome *Outcome, emit func(any) error) error {
	aside, err := newAside(o, dir)
	if err != nil {
		return err
	}
	outcome.Aside = aside.path
	if err := aside.keep(ctx, r, all, emit); err != nil {
		return fmt.Errorf("repair: nothing was changed, and copies made so far are in %s: %w", aside.path, err)
	}
	outcome.Salvaged = aside.salvaged
	if err := r.Cut(all); err != nil {
		return err
	}
	outcome.Repaired = true
	return verify(ctx, r, all)
}

// verify looks at the logs again: what was mended must be whole now.
func verify(ctx context.Context, r *wal.Repair, all []wal.Damage) error {
	for _, d := range all {
		if d.Journal {
			continue
		}
		left, err := r.Check(ctx, d.Log)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return failure.Wrap(failure.Corrupt, fmt.Sprintf("repair: log %d is still damaged, run it again", d.Log), left[0].Err)
		}
	}
	return nil
}
