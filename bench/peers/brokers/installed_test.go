package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/installed"
)

func TestWhatIsNotInstalledSaysWhatToDo(t *testing.T) {
	t.Setenv(installed.Variable, t.TempDir())
	t.Run("never tried", func(t *testing.T) {
		for _, on := range targets() {
			name := on.About().Name
			if strings.HasPrefix(name, "nats") {
				continue // it is linked in
			}
			_, err := on.Open(t.Context(), target.Config{Dir: t.TempDir(), Durability: target.None})
			var cannot *target.UnavailableError
			if !errors.As(err, &cannot) || cannot.Target != name || !strings.Contains(cannot.Reason, "bench/peers/install.sh ") {
				t.Errorf("%s: got %v", name, err)
			}
			if version := on.About().Version; version != "not installed" {
				t.Errorf("%s: version %s", name, version)
			}
		}
	})
}

func TestDurabilitiesThatATargetLacks(t *testing.T) {
	for _, on := range targets() {
		has := map[target.Durability]bool{}
		for _, durability := range on.About().Durabilities {
			has[durability] = true
		}
		for _, durability := range []target.Durability{target.Group, target.Interval, target.None, "eventually"} {
			if has[durability] {
				continue
			}
			_, err := on.Open(t.Context(), target.Config{Dir: t.TempDir(), Durability: durability})
			var cannot *target.UnavailableError
			if !errors.As(err, &cannot) || cannot.Target != on.About().Name {
				t.Errorf("%s in %s: got %v", on.About().Name, durability, err)
			}
		}
	}
}
