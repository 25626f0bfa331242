package millracetest_test

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/millracetest"
	"github.com/millrace-io/millrace/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A client goes on after a restart, and what was acknowledged is there.
func TestServerForTests(t *testing.T) {
	s := millracetest.New(t)
	c, err := client.New(t.Context(), s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.CreateStream(t.Context(), client.StreamConfig{Name: "orders"}); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"before", "after"} {
		if _, err := c.Put(t.Context(), "orders", record.Record{PartitionKey: "k", Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
		if data == "before" {
			s.Restart()
		}
	}
	var read []string
	for r, err := range c.Records(t.Context(), "orders", client.FromTrimHorizon()) {
		if err != nil {
			t.Fatal(err)
		}
		if read = append(read, string(r.Data)); len(read) == 2 {
			break
		}
	}
	if !slices.Equal(read, []string{"before", "after"}) {
		t.Errorf("read %q", read)
	}
}
