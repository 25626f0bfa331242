package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/bench/load"
	"github.com/millrace-io/millrace/internal/units"
)

// selfDurationMin is one period of the planted stall.
const selfDurationMin = 5 * time.Second

func newBenchSelf(a *app) *cobra.Command {
	duration := units.Duration(20 * time.Second)
	cmd := &cobra.Command{
		Use:   "self",
		Short: "Measure the harness itself on this machine",
		Long: `Measure the harness itself on this machine.

A target that stands still for 200 ms every 5 s is measured: the p99.9 of an
open loop must be what arithmetic says, and a closed loop does not see the
stall. Then a target that does nothing shows how many operations one worker
can plan, call and record, and how late the generator is.`,
		Example: "  millrace bench self --duration 20s",
		Args:    arguments(cobra.NoArgs),
	}
	cmd.Flags().Var(&duration, "duration", "of each of the two loops; a multiple of 5s")
	cmd.RunE = func(*cobra.Command, []string) error {
		if time.Duration(duration) < selfDurationMin {
			return usageErrorf("--duration %s is less than one stall's period of %s", duration, selfDurationMin)
		}
		found, err := load.SelfTest(a.drain, time.Duration(duration))
		if err != nil {
			return err
		}
		human := func(d time.Duration) string { return units.Duration(d).Human() }
		_, err = fmt.Fprintf(a.Out, `planted stall of 200 ms every 5 s
  p99.9 by arithmetic  %s
  open loop            %s (%.2f %% off)
  closed loop          %s
  generator's jitter   p50 %s, p99 %s, p99.9 %s
no-op target, one worker
  planned and recorded %.2f M operations/s
  jitter at a tenth    p50 %s, p99 %s, p99.9 %s
`,
			human(found.True), human(found.Open), 100*found.Error, human(found.Closed),
			human(time.Duration(found.Jitter.P50)), human(time.Duration(found.Jitter.P99)), human(time.Duration(found.Jitter.P999)),
			found.RateOneCore/1e6,
			human(time.Duration(found.OverheadJitter.P50)), human(time.Duration(found.OverheadJitter.P99)), human(time.Duration(found.OverheadJitter.P999)))
		return err
	}
	return cmd
}
