package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

var errLost = errors.New("lost")

func TestWindowIsBoundedAndDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		for range inFlightMax {
			if err := w.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		cancelled, cancel := context.WithCancelCause(t.Context())
		cancel(errLost)
		if err := w.enter(cancelled); !errors.Is(err, errLost) {
			t.Errorf("entered a full window: %v", err)
		}
		drained := make(chan error, 1)
		go func() { drained <- w.drain(t.Context()) }()
		for range inFlightMax - 1 {
			w.leave()
		}
		synctest.Wait()
		select {
		case err := <-drained:
			t.Fatalf("drained with one inside: %v", err)
		default:
		}
		w.leave()
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if inside := len(w.slots); inside != 0 {
			t.Errorf("%d are inside a drained window", inside)
		}
	})
}

func TestCountdown(t *testing.T) {
	for _, c := range []struct {
		name    string
		results []error
		wanted  error
	}{
		{"nothing to wait for", nil, nil},
		{"all well", []error{nil, nil}, nil},
		{"the first error", []error{nil, errLost, errors.New("later")}, errLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			batch := newCountdown(len(c.results))
			for i, result := range c.results {
				select {
				case <-batch.ended:
					t.Fatalf("ended after %d of %d", i, len(c.results))
				default:
				}
				batch.done(result)
			}
			if err := batch.wait(t.Context()); !errors.Is(err, c.wanted) {
				t.Errorf("got %v, want %v", err, c.wanted)
			}
		})
	}
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(errLost)
	if err := newCountdown(1).wait(cancelled); !errors.Is(err, errLost) {
		t.Errorf("waited for what does not come: %v", err)
	}
}

func TestDelivery(t *testing.T) {
	const forever = -1
	for _, c := range []struct {
		name    string
		count   int64
		stopped bool
		wanted  []string
		ends    bool
	}{
		{"any number", forever, false, []string{"a", "b", "c"}, false},
		{"two and no more", 2, false, []string{"a", "b"}, true},
		{"none", 0, false, nil, true},
		{"after it was stopped", forever, true, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			d := newDelivery(c.count, func(record []byte) { got = append(got, string(record)) })
			if c.stopped {
				d.stop()
			}
			for _, record := range []string{"a", "b", "c"} {
				d.deliver([]byte(record))
			}
			if diff := cmp.Diff(c.wanted, got); diff != "" {
				t.Errorf("(-wanted +got):\n%s", diff)
			}
			select {
			case <-d.ended:
				if !c.ends {
					t.Error("it ended")
				}
			default:
				if c.ends {
					t.Error("it did not end")
				}
			}
		})
	}
}
