package change

import (
	"errors"
	"fmt"
	"math"
)

var (
	// ErrTooFew is returned for fewer values than a test needs.
	ErrTooFew = errors.New("change: too few values")
	// ErrTooMany is returned for more values than a test is made for.
	ErrTooMany = errors.New("change: too many values")
	// ErrValue is returned for values that are no numbers, or so large that
	// their squares would be infinite.
	ErrValue = errors.New("change: not a number to compute with")
	// ErrPair is returned for pairs whose values are not above zero.
	ErrPair = errors.New("change: a pair needs two finite values above zero")
	// ErrOptions is returned for options that make no sense.
	ErrOptions = errors.New("change: options")
	// ErrDecided is returned for pairs that nobody asked for.
	ErrDecided = errors.New("change: it is decided: add no more pairs")
)

const (
	// valuesMax bounds the values of a test and of a series.
	valuesMax = 10_000
	// sizeMax bounds their sizes.
	sizeMax = 1e150
)

// check returns what is wrong with the values.
func check(values []float64, least int) error {
	switch {
	case len(values) < least:
		return fmt.Errorf("%w: %d, at least %d are needed", ErrTooFew, len(values), least)
	case len(values) > valuesMax:
		return fmt.Errorf("%w: %d, at most %d are taken", ErrTooMany, len(values), valuesMax)
	}
	for i, value := range values {
		if !(math.Abs(value) <= sizeMax) { // nor if it is not a number
			return fmt.Errorf("%w: value %d is %g", ErrValue, i, value)
		}
	}
	return nil
}

// complaints are what is wrong with options.
type complaints []error

// unless notes what is wrong, unless it is good.
func (c *complaints) unless(good bool, format string, args ...any) {
	if !good {
		*c = append(*c, fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...))
	}
}

// all returns all complaints as one error, or nil.
func (c *complaints) all() error { return errors.Join(*c...) }
