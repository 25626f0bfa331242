package data

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// FlightCount is how many flights the set holds.
const FlightCount = 250_000

const (
	header     = "date,delay,distance,origin,destination"
	dateLayout = "2006-01-02T15:04"
)

//go:embed flights.csv.zst
var compressed []byte

// Flight is one row.
type Flight struct {
	// Departure is the scheduled time, in the local time of the origin, which
	// the set does not name: the location is UTC for want of a better one.
	Departure time.Time
	// Delay of the arrival; negative is early.
	Delay time.Duration
	// DistanceMiles is the length of the route.
	DistanceMiles int
	// Origin and Destination are IATA airport codes.
	Origin, Destination string
	// Line is the row as the file has it, without the line end. The caller
	// may keep it.
	Line []byte
}

// Flights returns all rows in the order of the file. An error ends the
// sequence.
func Flights() iter.Seq2[Flight, error] {
	return func(yield func(Flight, error) bool) {
		// One goroutine: decoding in the background would outlive a caller
		// that breaks out of the loop for a moment, for no gain at this size.
		decoder, err := zstd.NewReader(bytes.NewReader(compressed), zstd.WithDecoderConcurrency(1))
		if err != nil {
			yield(Flight{}, fmt.Errorf("flights: open: %w", err))
			return
		}
		defer decoder.Close()
		lines := bufio.NewScanner(decoder)
		for row := 0; lines.Scan(); row++ {
			if row == 0 {
				if lines.Text() != header {
					yield(Flight{}, fmt.Errorf("flights: unexpected columns %q", lines.Text()))
					return
				}
				continue
			}
			flight, err := parseFlight(lines.Text())
			if err != nil {
				yield(Flight{}, fmt.Errorf("flights: row %d: %w", row, err))
				return
			}
			if !yield(flight, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Flight{}, fmt.Errorf("flights: read: %w", err))
		}
	}
}

// parseFlight reads one row.
func parseFlight(line string) (Flight, error) {
	fields := strings.Split(line, ",")
	if len(fields) != 5 {
		return Flight{}, fmt.Errorf("%d columns, expected 5", len(fields))
	}
	departure, dateError := time.Parse(dateLayout, fields[0])
	delay, delayError := strconv.Atoi(fields[1])
	distance, distanceError := strconv.Atoi(fields[2])
	if err := errors.Join(dateError, delayError, distanceError); err != nil {
		return Flight{}, err
	}
	return Flight{
		Departure:     departure,
		Delay:         time.Duration(delay) * time.Minute,
		DistanceMiles: distance,
		Origin:        fields[3],
		Destination:   fields[4],
		Line:          []byte(line),
	}, nil
}
