package failure_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/millrace-io/millrace/failure"
)

func TestErrorIsKindAndCause(t *testing.T) {
	err := fmt.Errorf("outer: %w", failure.Wrap(failure.Poisoned, "wal: append", io.ErrShortWrite))
	for _, target := range []error{failure.Poisoned, io.ErrShortWrite} {
		if !errors.Is(err, target) {
			t.Errorf("errors.Is(%v, %v) = false", err, target)
		}
	}
	if errors.Is(err, failure.Throttled) {
		t.Errorf("%v must not be Throttled", err)
	}
	if got := failure.KindOf(err); got != failure.Poisoned {
		t.Errorf("KindOf = %v", got)
	}
}

func TestKindOf(t *testing.T) {
	cases := []struct {
		err  error
		want failure.Kind
	}{
		{nil, 0},
		{failure.Trimmed, failure.Trimmed},
		{io.EOF, failure.Internal},
		{fmt.Errorf("place: %w", failure.Closed), failure.Closed},
		// The outermost kind speaks for the whole: a server may call a lower
		// layer's corruption "unavailable".
		{failure.Wrap(failure.Unavailable, "server", failure.New(failure.Corrupt, "wal", "x")), failure.Unavailable},
		{errors.Join(io.EOF, failure.Fenced), failure.Fenced},
	}
	for _, c := range cases {
		if got := failure.KindOf(c.err); got != c.want {
			t.Errorf("KindOf(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	cases := []struct {
		err  *failure.Error
		want string
	}{
		{failure.New(failure.TooLarge, "client: put", "data of %d bytes", 9), "client: put: too large: data of 9 bytes"},
		{
			&failure.Error{Kind: failure.Throttled, Operation: "put", Stream: "orders", Shard: "shardId-000000000003", RetryAfter: time.Second},
			"put orders/shardId-000000000003: throttled",
		},
		{&failure.Error{Kind: failure.NotFound, Operation: "describe", Stream: "orders"}, "describe orders: not found"},
		{&failure.Error{Kind: failure.Closed, Shard: "s"}, "s: closed"},
		{failure.Wrap(failure.Corrupt, "wal: open", io.EOF), "wal: open: corrupt: EOF"},
		{&failure.Error{Kind: failure.Internal}, "internal error"},
	}
	for _, c := range cases {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// TestKindNumbers pins the numbers, because they travel over the wire.
func TestKindNumbers(t *testing.T) {
	frozen := map[failure.Kind]string{
		1: "invalid argument", 2: "not found", 3: "already exists", 4: "too large", 5: "throttled",
		6: "trimmed", 7: "expired", 8: "wrong shard", 9: "closed", 10: "no space", 11: "poisoned",
		12: "corrupt", 13: "newer version", 14: "not ours", 15: "sequence gap",
		16: "sequence duplicate", 17: "fenced", 18: "malformed", 19: "unavailable",
		20: "timeout", 21: "conflict", 22: "internal error", 23: "disconnected",
	}
	for kind := failure.Kind(1); !strings.HasPrefix(kind.Error(), "kind "); kind++ {
		if frozen[kind] != kind.Error() {
			t.Errorf("kind %d is %q, frozen as %q", uint16(kind), kind, frozen[kind])
		}
		delete(frozen, kind)
	}
	if len(frozen) != 0 {
		t.Errorf("kinds without a name: %v", frozen)
	}
}

func TestRetryable(t *testing.T) {
	retryable := map[failure.Kind]bool{
		failure.Throttled: true, failure.Unavailable: true, failure.Disconnected: true,
	}
	for kind := failure.Kind(0); kind <= 30; kind++ {
		if kind.Retryable() != retryable[kind] {
			t.Errorf("%v.Retryable() = %v", kind, kind.Retryable())
		}
	}
}

func ExampleKindOf() {
	err := fmt.Errorf("copy: %w", failure.New(failure.Throttled, "put", "1,000 records a second"))
	fmt.Println(errors.Is(err, failure.Throttled), failure.KindOf(err))
	// Output: true throttled
}
