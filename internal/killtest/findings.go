package killtest

import (
	"errors"
	"fmt"
)

// violationsMax bounds how many findings are kept: the first ones tell.
const violationsMax = 20

// findings are violations of what was promised. Whoever has them guards them.
type findings struct {
	violations []error
	more       int // violations not kept
}

// report keeps a violation.
func (f *findings) report(format string, args ...any) {
	if len(f.violations) == violationsMax {
		f.more++
		return
	}
	f.violations = append(f.violations, fmt.Errorf(format, args...))
}

// err returns the violations as one error, or nil.
func (f *findings) err() error {
	if f.more > 0 {
		return fmt.Errorf("%w\nand %d more", errors.Join(f.violations...), f.more)
	}
	return errors.Join(f.violations...)
}
