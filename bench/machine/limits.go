package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/internal/vfs"
)

// fileBytes is the size of the files that are written and read.
const fileBytes = 256 << 20

// prober measures limits in one directory, each for a share of the time.
type prober struct {
	ctx    context.Context
	dir    string
	each   time.Duration
	limits []result.Limit
	// made is how many files there were so far.
	made int
	// sum keeps the compiler from dropping checksums nobody reads.
	sum uint32
}

// MeasureLimits measures what the machine can do without any log, in about the
// given time. Files are made in dir and removed.
func MeasureLimits(ctx context.Context, dir string, budget time.Duration) ([]result.Limit, error) {
	const probes = 15
	p := &prober{ctx: ctx, dir: dir, each: budget / probes}
	p.memory()
	err := errors.Join(p.cachedWrites(), p.freshWrites(), p.mapped(), p.syncedWrites(), p.syncedFiles(), p.loopback(), p.stream())
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("machine: limits: %w", err)
	}
	return p.limits, nil
}

// add notes a limit.
func (p *prober) add(name string, value float64, unit string) {
	p.limits = append(p.limits, result.Limit{Name: name, Value: value, Unit: unit})
}

// repeat calls do until the time is up and returns the calls a second. One
// call is made in any case, and none is timed before the first has returned.
func (p *prober) repeat(do func(i int) error) (perSecond float64, err error) {
	if err := do(0); err != nil {
		return 0, err
	}
	start, calls := time.Now(), 0
	for time.Since(start) < p.each && p.ctx.Err() == nil {
		calls++
		if err := do(calls); err != nil {
			return 0, err
		}
	}
	return float64(calls) / time.Since(start).Seconds(), nil
}

// memory copies more than caches hold.
func (p *prober) memory() {
	from, to := make([]byte, fileBytes/4), make([]byte, fileBytes/4)
	for i := 0; i < len(from); i += 512 {
		from[i] = byte(i)
	}
	rate, _ := p.repeat(func(int) error { copy(to, from); return nil })
	p.add("memcpy", rate*float64(len(from)), "B/s")
}

// create makes a file with allocated space; done removes it. It is called by one
// goroutine at a time.
func (p *prober) create(bytes int64) (file vfs.File, done func(), err error) {
	p.made++
	name := filepath.Join(p.dir, fmt.Sprintf("limit-%d-%d.tmp", os.Getpid(), p.made))
	files := vfs.OS()
	file, err = files.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, err
	}
	done = func() {
		file.Close()
		_ = files.Remove(name)
	}
	if err := file.Allocate(bytes); err != nil {
		done()
		return nil, nil, err
	}
	return file, done, nil
}

// cachedWrites overwrites a file that is in the page cache, as a log's next
// segment on recycled memory would be.
func (p *prober) cachedWrites() error {
	file, done, err := p.create(fileBytes)
	if err != nil {
		return err
	}
	defer done()
	block := make([]byte, 1<<20)
	for at := int64(0); at < fileBytes; at += int64(len(block)) {
		if _, err := file.WriteAt(block, at); err != nil {
			return err
		}
	}
	for _, size := range []struct {
		name  string
		bytes int
	}{{"pwrite-1KiB", 1 << 10}, {"pwrite-64KiB", 64 << 10}, {"pwrite-1MiB", 1 << 20}} {
		rate, err := p.repeat(func(i int) error {
			_, err := file.WriteAt(block[:size.bytes], int64(i)*int64(size.bytes)%fileBytes)
			return err
		})
		if err != nil {
			return err
		}
		p.add(size.name, rate*float64(size.bytes), "B/s")
	}
	return nil
}

// syncedWrites makes single blocks and larger ones durable, in a file whose
// blocks were all written and synced before.
func (p *prober) syncedWrites() error {
	const zeroed = 64 << 20
	file, done, err := p.create(zeroed)
	if err != nil {
		return err
	}
	defer done()
	block := make([]byte, 1<<20)
	for at := int64(0); at < zeroed; at += int64(len(block)) {
		if _, err := file.WriteAt(block, at); err != nil {
			return err
		}
	}
	if err := file.Sync(); err != nil {
		return err
	}
	for _, size := range []struct {
		name  string
		bytes int
	}{{"fdatasync-4KiB", 4 << 10}, {"sync-write-64KiB", 64 << 10}, {"sync-write-1MiB", 1 << 20}} {
		rate, err := p.repeat(func(i int) error {
			_, err := file.WriteAt(block[:size.bytes], int64(i)*int64(size.bytes)%zeroed)
			return errors.Join(err, file.Sync())
		})
		if err != nil {
			return err
		}
		if size.name == "fdatasync-4KiB" {
			p.add(size.name, rate, "1/s")
			continue
		}
		p.add(size.name, rate*float64(size.bytes), "B/s")
	}
	return nil
}

// loopback sends 64 bytes there and back over TCP.
func (p *prober) loopback() error {
	listener, err := new(net.ListenConfig).Listen(p.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	echoed := make(chan error, 1)
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			_, err = io.Copy(connection, connection)
			connection.Close()
		}
		echoed <- err
	}()
	connection, err := new(net.Dialer).DialContext(p.ctx, "tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	var times []time.Duration
	message := make([]byte, 64)
	_, err = p.repeat(func(int) error {
		start := time.Now()
		if _, err := connection.Write(message); err != nil {
			return err
		}
		_, err := io.ReadFull(connection, message)
		times = append(times, time.Since(start))
		return err
	})
	connection.Close()
	if err = errors.Join(err, <-echoed); err != nil {
		return err
	}
	slices.Sort(times)
	p.limits = append(p.limits, result.Limit{
		Name: "loopback-round-trip", Unit: "ns", Value: float64(times[len(times)/2]), P99: float64(times[len(times)*99/100]),
	})
	return nil
}

// stream sends 64 KiB at a time over TCP, one way.
func (p *prober) stream() error {
	listener, err := new(net.ListenConfig).Listen(p.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	read := make(chan error, 1)
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			// Not io.Copy: to nowhere it would not even touch the bytes.
			block := make([]byte, 256<<10)
			for err == nil {
				_, err = connection.Read(block)
			}
			connection.Close()
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		read <- err
	}()
	connection, err := new(net.Dialer).DialContext(p.ctx, "tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	rate, err := p.repeat(func(int) error {
		_, err := connection.Write(block)
		return err
	})
	connection.Close()
	if err = errors.Join(err, <-read); err != nil {
		return err
	}
	p.add("loopback-stream", rate*float64(len(block)), "B/s")
	return nil
}
