package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/installed"
	"github.com/millrace-io/millrace/bench/target/process"
)

const (
	// redisPipelines is how many pipelines send at once, redisBatchMax how many
	// records each carries at most.
	redisPipelines = 2
	redisBatchMax  = 256
	// redisRead is how many records are asked for at once.
	redisRead = 1024
	// redisBlock is how long a read waits for records: the client does not end
	// a read when its context does.
	redisBlock = 200 * time.Millisecond
	// redisBuffer holds a whole pipeline of 1 KiB records, or a quarter of an
	// answer.
	redisBuffer = 256 << 10
	// redisField is the name of the only field of an entry.
	redisField = "d"
)

// redisTarget is Redis with one stream for each shard.
type redisTarget struct{}

// About implements target.Target.
func (redisTarget) About() target.About {
	return target.About{
		Name: "redis-streams", Version: installed.Version("redis"), Kind: "broker",
		Durabilities: []target.Durability{target.None, target.Interval, target.Group},
		Notes: "append-only file without rewriting, no snapshots, go-redis; sends by 2 pipelines of at most 256 XADD, which may overtake each other; " +
			"XREAD COUNT 1024 BLOCK; none, interval and group: appendfsync no, everysec and always; all entries stay in memory; " +
			"nothing is verified on read",
	}
}

// redisPolicies are the settings of appendfsync.
var redisPolicies = map[target.Durability]string{target.None: "no", target.Interval: "everysec", target.Group: "always"}

// redisSession is a server and a pool of connections to it.
type redisSession struct {
	started
	client  *redis.Client
	window  *window
	entries sync.Pool
	queue   chan *redisEntry
	senders sync.WaitGroup
}

// redisEntry is a record until it is acknowledged.
type redisEntry struct {
	shard  int
	record []byte
	done   func(error)
}

// Open implements target.Target.
func (t redisTarget) Open(ctx context.Context, c target.Config) (target.Session, error) {
	name := t.About().Name
	policy, ok := redisPolicies[c.Durability]
	if !ok {
		return nil, unknownDurability(name, c.Durability)
	}
	folder, err := installed.Folder(name, "redis")
	if err != nil {
		return nil, err
	}
	return onFreePorts(ctx, 1, func(ports []int) (*redisSession, error) { return openRedis(ctx, folder, policy, ports[0], c) })
}

// openRedis starts a server and connects to it.
func openRedis(ctx context.Context, folder, policy string, port int, c target.Config) (*redisSession, error) {
	var err error
	s := &redisSession{window: newWindow(), queue: make(chan *redisEntry, redisPipelines*redisBatchMax)}
	if s.process, err = startRedis(ctx, folder, c.Dir, policy, port); err != nil {
		return nil, err
	}
	const readers = 16 // enough for those of any scenario, beside the writers
	s.client = redis.NewClient(&redis.Options{
		Addr: loopback(port), PoolSize: redisPipelines + max(c.Writers, 1) + readers,
		// A pipeline that is sent twice would append twice.
		MaxRetries: -1, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		ReadBufferSize: redisBuffer, WriteBufferSize: redisBuffer,
	})
	if err := s.process.Ready(ctx, startMax, func(ctx context.Context) error { return s.client.Ping(ctx).Err() }); err != nil {
		return nil, errors.Join(fmt.Errorf("brokers: open redis: %w", err), s.Close())
	}
	for range redisPipelines {
		s.senders.Go(s.pipeline)
	}
	return s, nil
}

// startRedis starts a server over directory.
func startRedis(ctx context.Context, folder, directory, policy string, port int) (*process.Process, error) {
	root := filepath.Join(folder, "root", "usr")
	libraries, err := libraryPath(root + "/lib")
	if err != nil {
		return nil, err
	}
	return process.Start(ctx, process.Command{
		Path: root + "/bin/redis-server",
		Args: []string{
			"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", directory, "--daemonize", "no",
			"--appendonly", "yes", "--appendfsync", policy, "--auto-aof-rewrite-percentage", "0", "--save", "",
		},
		Env: []string{"LD_LIBRARY_PATH=" + libraries},
		Dir: directory,
	})
}

func redisStream(shard int) string { return "shard:" + strconv.Itoa(shard) }

// addTo puts an XADD into a pipeline.
func addTo(ctx context.Context, p redis.Pipeliner, shard int, record []byte) {
	p.Do(ctx, "XADD", redisStream(shard), "*", redisField, record)
}

// Append implements target.Session.
func (s *redisSession) Append(ctx context.Context, shard int, records [][]byte) error {
	p := s.client.Pipeline()
	for _, record := range records {
		addTo(ctx, p, shard, record)
	}
	_, err := p.Exec(ctx)
	return err
}

// Send implements target.Sender.
func (s *redisSession) Send(ctx context.Context, shard int, record []byte, done func(error)) error {
	if err := s.window.enter(ctx); err != nil {
		return err
	}
	e, _ := s.entries.Get().(*redisEntry)
	if e == nil {
		e = new(redisEntry)
	}
	e.shard, e.record, e.done = shard, append(e.record[:0], record...), done
	select {
	case s.queue <- e:
		return nil
	case <-ctx.Done():
		s.window.leave()
		return context.Cause(ctx)
	}
}

// pipeline sends what is queued, as much as there is, until the queue ends.
func (s *redisSession) pipeline() {
	ctx := context.Background() // the client's timeouts bound it
	batch := make([]*redisEntry, 0, redisBatchMax)
	for e := range s.queue {
		batch = append(batch[:0], e)
		for len(batch) < redisBatchMax {
			var more bool
			if e, more = s.poll(); !more {
				break
			}
			batch = append(batch, e)
		}
		p := s.client.Pipeline()
		for _, e := range batch {
			addTo(ctx, p, e.shard, e.record)
		}
		// Each command has its own result.
		results, err := p.Exec(ctx)
		for i, e := range batch {
			if i < len(results) {
				err = results[i].Err()
			}
			done := e.done
			s.entries.Put(e)
			s.window.leave()
			done(err)
		}
	}
}

// poll takes an entry that is there already.
func (s *redisSession) poll() (*redisEntry, bool) {
	select {
	case e, open := <-s.queue:
		return e, open
	default:
		return nil, false
	}
}

// Flush implements target.Sender.
func (s *redisSession) Flush(ctx context.Context) error { return s.window.drain(ctx) }

// newest returns the identifier of the newest entry of a shard, or one before
// the first if there is none.
func (s *redisSession) newest(ctx context.Context, shard int) (string, error) {
	entries, err := s.client.XRevRangeN(ctx, redisStream(shard), "+", "-", 1).Result()
	if err != nil {
		return "", fmt.Errorf("brokers: newest entry of redis: %w", err)
	}
	if len(entries) == 0 {
		return "0-0", nil
	}
	return entries[0].ID, nil
}

// Follow implements target.Follower.
func (s *redisSession) Follow(ctx context.Context, shard int, ready func(), deliver func([]byte)) error {
	last, err := s.newest(ctx, shard)
	if err != nil {
		return err
	}
	ready()
	for ctx.Err() == nil {
		streams, err := s.client.XRead(ctx, &redis.XReadArgs{
			Streams: []string{redisStream(shard), last}, Count: redisRead, Block: redisBlock,
		}).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("brokers: follow redis: %w", err)
		}
		for _, stream := range streams {
			last = visitEntries(stream.Messages, last, deliver)
		}
	}
	return nil
}

// Scan implements target.Scanner.
func (s *redisSession) Scan(ctx context.Context, shard int, visit func([]byte)) error {
	end, err := s.newest(ctx, shard)
	if err != nil {
		return err
	}
	for last := "0-0"; last != end; {
		entries, err := s.client.XRangeN(ctx, redisStream(shard), "("+last, end, redisRead).Result()
		if err != nil {
			return fmt.Errorf("brokers: scan redis: %w", err)
		}
		if len(entries) == 0 {
			return fmt.Errorf("brokers: scan redis: nothing behind %s, but %s was there", last, end)
		}
		last = visitEntries(entries, last, visit)
	}
	return nil
}

// visitEntries gives the records on and returns the last identifier.
func visitEntries(entries []redis.XMessage, last string, visit func([]byte)) string {
	for _, entry := range entries {
		value, _ := entry.Values[redisField].(string)
		// The string is ours alone; a copy would cost the peer more than the
		// lookup does.
		visit(unsafe.Slice(unsafe.StringData(value), len(value)))
		last = entry.ID
	}
	return last
}

// Close implements target.Session.
func (s *redisSession) Close() error {
	close(s.queue)
	s.senders.Wait()
	return errors.Join(s.client.Close(), s.process.Stop())
}
