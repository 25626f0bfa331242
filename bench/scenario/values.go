package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace-io/millrace/internal/units"
)

// Size is a number of bytes: 100, 64KiB, 1GiB.
type Size int64

// UnmarshalYAML reads what units.ParseBytes does.
func (s *Size) UnmarshalYAML(b []byte) error {
	parsed, err := units.ParseBytes(scalar(b))
	if err != nil {
		return fmt.Errorf("scenario: size: %w", err)
	}
	*s = Size(parsed)
	return nil
}

// String renders the size exactly.
func (s Size) String() string { return units.Bytes(s).String() }

// Duration is a length of time: 250ms, 10s.
type Duration time.Duration

// UnmarshalYAML reads what units.ParseDuration does.
func (d *Duration) UnmarshalYAML(b []byte) error {
	parsed, err := units.ParseDuration(scalar(b))
	if err != nil {
		return fmt.Errorf("scenario: duration: %w", err)
	}
	*d = Duration(parsed)
	return nil
}

// String renders the duration.
func (d Duration) String() string { return time.Duration(d).String() }

// scalar is the text of a YAML scalar without quotes.
func scalar(b []byte) string {
	return strings.Trim(strings.TrimSpace(string(b)), `"'`)
}
