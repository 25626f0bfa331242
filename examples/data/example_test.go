package data_test

import (
	"fmt"

	"github.com/millrace-io/millrace/examples/data"
)

func ExampleFlights() {
	for flight, err := range data.Flights() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(flight.Origin, "->", flight.Destination, flight.DistanceMiles, "miles,", flight.Delay, "late")
		break
	}
	// Output: LAS -> PHL 2176 miles, 33m0s late
}
