package data

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFlightsAreTheDocumentedSet(t *testing.T) {
	digest := sha256.New()
	fmt.Fprintln(digest, header)
	airports := map[string]bool{}
	var count int
	var last time.Time
	for flight, err := range Flights() {
		if err != nil {
			t.Fatal(err)
		}
		if flight.Departure.Before(last) {
			t.Fatalf("row %d departs at %v, before the row above", count, flight.Departure)
		}
		last = flight.Departure
		airports[flight.Origin] = true
		digest.Write(flight.Line)
		digest.Write([]byte{'\n'})
		count++
	}
	if count != FlightCount || len(airports) != 223 {
		t.Errorf("%d flights from %d airports, expected %d from 223", count, len(airports), FlightCount)
	}
	want := "1ab842a60cc58e265bb91b77c1f18c687aad84c677f4ef5404ede79b68e0804b"
	if got := hex.EncodeToString(digest.Sum(nil)); got != want {
		t.Errorf("SHA-256 of the CSV is %s, README.md says %s", got, want)
	}
}

func TestFlightsStopWithTheCaller(t *testing.T) {
	for flight, err := range Flights() {
		want := Flight{
			Departure:     time.Date(2001, 1, 1, 0, 1, 0, 0, time.UTC),
			Delay:         33 * time.Minute,
			DistanceMiles: 2176,
			Origin:        "LAS",
			Destination:   "PHL",
			Line:          []byte("2001-01-01T00:01,33,2176,LAS,PHL"),
		}
		if diff := cmp.Diff(want, flight); err != nil || diff != "" {
			t.Fatalf("first flight, error %v (-want +got):\n%s", err, diff)
		}
		break
	}
}

func TestParseFlightRefusesBadRows(t *testing.T) {
	for _, line := range []string{"", "a,b", "2001-01-01T00:01,x,1,A,B", "2001-01-01T00:01,1,x,A,B", "yesterday,1,1,A,B"} {
		if flight, err := parseFlight(line); err == nil {
			t.Errorf("row %q is read as %+v", line, flight)
		}
	}
}
