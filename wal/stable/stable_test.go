package stable

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fatal interface {
	Fatal(...any)
	Helper()
}

func open(t fatal, disk *crashfs.FS, d record.Durability) (*wal.Log, *Store) {
	t.Helper()
	l, err := wal.Open("/data", wal.Options{FS: disk, Backend: wal.BackendHeap, SegmentBytesMin: 256 << 10}, wal.LogOptions{Durability: d})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(l)
	if err != nil {
		t.Fatal(err)
	}
	return l, s
}

// TestAgainstAMap compares with a map over restarts and rewrites of the log.
func TestAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := crashfs.New(crashfs.Options{})
		l, s := open(t, disk, record.Group)
		defer func() { _ = l.Close() }()
		twin := map[string][]byte{}
		key := rapid.SampledFrom([]string{"term", "vote", "", "\xff\x00", "k"})
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				values := map[string][]byte{}
				for range rapid.IntRange(1, 3).Draw(t, "keys") {
					value := bytes.Repeat([]byte{7}, rapid.SampledFrom([]int{0, 3, 3, 3, 3, 3, 3, 500 << 10}).Draw(t, "bytes"))
					if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
						value = nil
					}
					values[key.Draw(t, "key")] = value
				}
				if err := s.Put(context.Background(), record.Group, values); err != nil {
					t.Fatal(err)
				}
				for k, v := range values {
					twin[k] = v
				}
			},
			"restart": func(t *rapid.T) {
				disk.Kill()
				_ = l.Close()
				l, s = open(t, disk, record.Group)
			},
			"": func(t *rapid.T) {
				for k, v := range twin {
					if got := s.Get(k); !bytes.Equal(got, v) || (got == nil) != (v == nil) {
						t.Fatalf("%q: %d bytes, want %d", k, len(got), len(v))
					}
				}
			},
		})
	})
}

// TestPowerCuts: what was asked to be durable is there, what was not is a prefix.
func TestPowerCuts(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		disk := crashfs.New(crashfs.Options{})
		l, s := open(t, disk, record.None)
		durable, last := 0, 1+rng.IntN(60)
		for i := 1; i <= last; i++ {
			d := record.None
			if rng.IntN(10) == 0 {
				d, durable = record.Group, i
			}
			// Large values, so that the log is rewritten on the way.
			value := append(fmt.Appendf(nil, "%d ", i), make([]byte, rng.IntN(64<<10))...)
			if err := s.Put(context.Background(), d, map[string][]byte{"a": value, "b": value}); err != nil {
				t.Fatal(err)
			}
		}
		disk2 := disk.Crash(rng)
		disk.Kill()
		_ = l.Close()
		l, s = open(t, disk2, record.None)
		got := 0
		if value := s.Get("a"); value != nil {
			if _, err := fmt.Sscan(string(value[:bytes.IndexByte(value, ' ')]), &got); err != nil {
				t.Fatal(err)
			}
		}
		if got < durable || got > last || !bytes.Equal(s.Get("a"), s.Get("b")) {
			t.Errorf("seed %d: value %d of %d to %d, both equal: %v", seed, got, durable, last, bytes.Equal(s.Get("a"), s.Get("b")))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheLogStaysSmall(t *testing.T) {
	l, s := open(t, crashfs.New(crashfs.Options{}), record.None)
	defer l.Close()
	value := make([]byte, 10<<10)
	for range 300 {
		if err := s.Put(context.Background(), record.None, map[string][]byte{"k": value}); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.Stats().Bytes; n > 3<<20 {
		t.Errorf("%d bytes are kept for one value of %d", n, len(value))
	}
}

func TestLimits(t *testing.T) {
	l, s := open(t, crashfs.New(crashfs.Options{}), record.None)
	defer l.Close()
	put := func(key string, n int) error {
		return s.Put(context.Background(), record.None, map[string][]byte{key: make([]byte, n)})
	}
	if err := put("k", BytesMax); !errors.Is(err, failure.TooLarge) {
		t.Errorf("a large value: %v, want failure.TooLarge", err)
	}
	if err := put(string(make([]byte, 1025)), 1); !errors.Is(err, failure.TooLarge) {
		t.Errorf("a long key: %v, want failure.TooLarge", err)
	}
	for _, n := range []int{BytesMax - 1, BytesMax - 1, 0} { // replacing it is no growth
		if err := put("k", n); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestForeignRecordsAreRefused(t *testing.T) {
	for text, want := range map[string]failure.Kind{"": failure.NotOurs, "00": failure.NotOurs, "02": failure.NewerVersion, "01010900": failure.Corrupt, "0100000061": failure.Corrupt} {
		l, _ := open(t, crashfs.New(crashfs.Options{}), record.None)
		data, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(context.Background(), []record.Record{{PartitionKey: "k", Data: data}}, protocol.Producer{}); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(l); failure.KindOf(err) != want {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGoldenBytes(t *testing.T) {
	for want, value := range map[string][]byte{"010104007465726d2a00": {42, 0}, "010104007465726d": {}, "010004007465726d": nil} {
		if got := hex.EncodeToString(encode("term", value)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode("term", []byte{1}))
	f.Add(encode("vote", nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, value, err := decode(b)
		if err == nil && !bytes.Equal(encode(key, value), b) {
			t.Errorf("%x is decoded and encoded to %x", b, encode(key, value))
		}
	})
}
