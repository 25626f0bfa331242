package machine

import (
	"errors"
	"sync"
	"time"

	"github.com/millrace-io/millrace/internal/vfs"
)

// freshWrites writes into space that is allocated and was never written: what a
// log without recycled segments does. The sizes are those of batches: 64 records
// of 100 B, 64 of 1 KiB, 16 of 64 KiB. A sync of such writes covers blocks and
// pages that are new to the file system, which takes several times as long as one
// of blocks that were written before.
func (p *prober) freshWrites() error {
	block := make([]byte, 1<<20)
	for _, size := range []struct {
		name   string
		bytes  int
		synced bool
	}{
		{"fresh-pwrite-6400B", 6400, false},
		{"fresh-pwrite-64KiB", 64 << 10, false},
		{"fresh-pwrite-1MiB", 1 << 20, false},
		{"fresh-sync-write-64KiB", 64 << 10, true},
		{"fresh-sync-write-1MiB", 1 << 20, true},
	} {
		var written int64
		var took time.Duration
		for start := time.Now(); written == 0 || time.Since(start) < p.each && p.ctx.Err() == nil; {
			bytes, passed, err := p.fillFresh(block[:size.bytes], size.synced)
			if err != nil {
				return err
			}
			written, took = written+bytes, took+passed
		}
		p.add(size.name, float64(written)/took.Seconds(), "B/s")
	}
	return nil
}

// fillFresh fills a new file with blocks, syncing each or none, and returns how long
// that took. With syncs it gives up when the time of a measurement is over.
func (p *prober) fillFresh(block []byte, synced bool) (written int64, took time.Duration, err error) {
	file, done, err := p.create(fileBytes)
	if err != nil {
		return 0, 0, err
	}
	defer done()
	start := time.Now()
	for at := int64(0); at+int64(len(block)) <= fileBytes; at += int64(len(block)) {
		if _, err := file.WriteAt(block, at); err != nil {
			return 0, 0, err
		}
		written += int64(len(block))
		if !synced {
			continue
		}
		if err := file.Sync(); err != nil {
			return 0, 0, err
		}
		if time.Since(start) >= p.each || p.ctx.Err() != nil {
			break
		}
	}
	return written, time.Since(start), nil
}

// syncedFiles makes blocks of several files durable at once, each in a file
// whose blocks were all written and synced before: what several logs can do
// together.
func (p *prober) syncedFiles() error {
	const files, zeroed = 16, 4 << 20
	block := make([]byte, zeroed)
	var opened []vfs.File
	for range files {
		file, done, err := p.create(zeroed)
		if err != nil {
			return err
		}
		defer done()
		if _, err := file.WriteAt(block, 0); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
		opened = append(opened, file)
	}
	rates, failures := make([]float64, files), make([]error, files)
	var group sync.WaitGroup
	for i, file := range opened {
		group.Go(func() {
			rates[i], failures[i] = p.repeat(func(call int) error {
				const size = 4 << 10
				_, err := file.WriteAt(block[:size], int64(call)*size%zeroed)
				return errors.Join(err, file.Sync())
			})
		})
	}
	group.Wait()
	total := 0.0
	for _, rate := range rates {
		total += rate
	}
	p.add("fdatasync-4KiB-16-files", total, "1/s")
	return errors.Join(failures...)
}
