package session

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// fullLane returns a lane without workers whose queue is full.
func fullLane(t *testing.T) *lane {
	t.Helper()
	l := newLane(&sender{}, true)
	for range queuedMax {
		if err := l.add(t.Context(), &sent{}); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestAFullLaneMakesSendersWait(t *testing.T) {
	tests := []struct {
		name string
		end  func(l *lane, cancel context.CancelFunc)
		want error
	}{
		{"until a request takes some", func(l *lane, _ context.CancelFunc) { l.take(nil) }, nil},
		{"until the context ends", func(_ *lane, cancel context.CancelFunc) { cancel() }, context.Canceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := fullLane(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				added := make(chan error, 1)
				go func() { added <- l.add(ctx, &sent{}) }()
				synctest.Wait()
				select {
				case err := <-added:
					t.Fatalf("a full queue took another record, or %v", err)
				default:
				}
				test.end(l, cancel)
				if err := <-added; !errors.Is(err, test.want) {
					t.Errorf("got %v, wanted %v", err, test.want)
				}
			})
		})
	}
}

// takeLater takes a request in another goroutine and tells how many records it
// has.
func takeLater(l *lane) <-chan int {
	taken := make(chan int, 1)
	go func() {
		batch, _ := l.take(nil)
		taken <- len(batch)
	}()
	return taken
}

func TestARequestIsPreparedAheadOnlyWhenItIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane(&sender{}, true)
		add := func(count int) {
			for range count {
				if err := l.add(t.Context(), &sent{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		add(1)
		batch, first := l.take(nil)
		if len(batch) != 1 {
			t.Fatalf("the first request has %d records: the server is idle, so it must not wait for more", len(batch))
		}
		add(requestRecordsMax - 1)
		second := takeLater(l)
		synctest.Wait()
		select {
		case count := <-second:
			t.Fatalf("a request of %d was prepared behind another one: it could have grown", count)
		default:
		}
		add(1)
		if count := <-second; count != requestRecordsMax {
			t.Errorf("a request of %d records was prepared, wanted a full one", count)
		}
		add(2)
		third := takeLater(l)
		synctest.Wait()
		first.pass()
		synctest.Wait()
		select {
		case <-third:
			t.Fatal("a third request did not wait for the second")
		default:
		}
		l.last.pass()
		if count := <-third; count != 2 {
			t.Errorf("the next request has %d records, wanted 2", count)
		}
		l.close()
		if batch, _ := l.take(nil); len(batch) != 0 {
			t.Errorf("a closed and empty lane has %d records", len(batch))
		}
	})
}
