package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/backup"
	"github.com/millrace-io/millrace/backup/store"
	"github.com/millrace-io/millrace/backup/store/directory"
	"github.com/millrace-io/millrace/backup/store/s3"
	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/internal/terminal"
	"github.com/millrace-io/millrace/internal/units"
)

func newBackup(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Take, list and verify backups of a data directory",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBackupCreate(a), newBackupList(a), newBackupVerify(a))
	return cmd
}

// storeFlags choose where backups are.
type storeFlags struct{ place, endpoint, region string }

// addStore adds the flags.
func addStore(cmd *cobra.Command) *storeFlags {
	f := new(storeFlags)
	flags := cmd.Flags()
	flags.StringVar(&f.place, "store", "", "where backups are: a directory, or s3://BUCKET/PREFIX (required)")
	flags.StringVar(&f.endpoint, "s3-endpoint", "", "URL of an S3-compatible store that is not AWS")
	flags.StringVar(&f.region, "s3-region", "", "region of the bucket (default: that of the AWS configuration)")
	fromEnvironment(flags, "store", "s3-endpoint", "s3-region")
	return f
}

// open returns the store.
func (f *storeFlags) open(ctx context.Context) (store.Store, error) {
	rest, isS3 := strings.CutPrefix(f.place, "s3://")
	switch {
	case f.place == "":
		return nil, usageErrorf("name the store: --store DIR, or --store s3://BUCKET/PREFIX")
	case isS3:
		bucket, prefix, _ := strings.Cut(rest, "/")
		return s3.Open(ctx, s3.Options{Bucket: bucket, Prefix: prefix, Endpoint: f.endpoint, Region: f.region})
	case strings.Contains(f.place, "://"):
		return nil, usageErrorf("--store %s: use a directory or s3://BUCKET/PREFIX", f.place)
	}
	return directory.Open(f.place), nil
}

// progress returns a function that shows how far a backup is, and what ends it.
func (a *app) progress(label string) (show func(done, total int64), end func()) {
	var shown *terminal.Progress
	last := int64(0)
	show = func(done, total int64) {
		if shown == nil {
			shown = terminal.NewProgress(a.Streams, label, total)
		}
		shown.Add(0, done-last)
		last = done
	}
	return show, func() {
		if shown != nil {
			shown.Done()
		}
	}
}

// backupView is the printed form of a backup.
type backupView struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
	Records uint64    `json:"records"`
	Damaged []string  `json:"damaged_files,omitempty"`
	// Of a backup that was just taken.
	Sent      *int   `json:"objects_sent,omitempty"`
	SentBytes *int64 `json:"bytes_sent,omitempty"`
}

func backupViewOf(b *backup.Backup) backupView {
	view := backupView{Name: b.Name, Created: b.Created, Files: len(b.Files), Bytes: b.Bytes, Records: b.Records}
	for _, f := range b.Damaged() {
		view.Damaged = append(view.Damaged, f.Path)
	}
	return view
}

// backupsTable renders backups.
func backupsTable(views []backupView, wide bool) render.Tables {
	table := render.Table{Columns: []string{"NAME", ">FILES", ">RECORDS", ">BYTES", ">DAMAGED"}}
	for _, v := range views {
		size := units.Bytes(v.Bytes).Human()
		if wide {
			size = units.Count(v.Bytes)
		}
		table.Rows = append(table.Rows, []string{v.Name, units.Count(v.Files), units.Count(v.Records), size, units.Count(len(v.Damaged))})
	}
	return render.Tables{table}
}
