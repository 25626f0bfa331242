package mmap

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrUnsupported is returned by [Open] on systems whose mappings this package does not know.
var ErrUnsupported = errors.New("mmap: not supported on this system")

// FaultError is a fault in mapped memory: what a read error of the device, or
// a store into a hole of a full disk, looks like through a mapping.
type FaultError struct {
	// Operation is what was being done.
	Operation string
	// Address is where the fault happened.
	Address uintptr
}

// Error implements error.
func (e *FaultError) Error() string {
	return fmt.Sprintf("mmap: %s: input/output fault at address %#x; see the kernel log for the device's error", e.Operation, e.Address)
}

// Guard runs f and returns a [*FaultError] if f faults on an address. Other
// panics pass through. f must not start goroutines that touch the mapping: the
// protection is that of one goroutine.
func Guard(operation string, f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = Recovered(operation, r)
		}
	}()
	f()
	return nil
}

// Recovered turns the value of a recovered panic into a [*FaultError], and
// panics again with any value that is not an address fault. It serves hot
// paths that cannot afford the closure of [Guard].
func Recovered(operation string, r any) error {
	if fault, ok := r.(interface {
		error
		Addr() uintptr
	}); ok {
		return &FaultError{Operation: operation, Address: fault.Addr()}
	}
	panic(r)
}
