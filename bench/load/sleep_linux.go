package load

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm makes sleeps exact to about 50 µs. The runtime rounds its waiting up to a
// millisecond when the process has nothing else to do; a timer of the kernel
// among the descriptors that it waits for ends that waiting in time. A plain
// nanosleep would be as exact, but keeps a processor from the other
// goroutines until the runtime notices: with two processors and the workers of a
// run asleep in this way, a target starved, and its p99 was 4 to 11 ms instead of 2
// to 3.
type alarm struct {
	descriptor int
	file       *os.File // what keeps the descriptor known to the runtime
}

// newAlarm returns an alarm. Without a kernel timer sleeps are less exact.
func newAlarm() *alarm {
	descriptor, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return &alarm{descriptor: -1}
	}
	return &alarm{descriptor: descriptor, file: os.NewFile(uintptr(descriptor), "alarm")}
}

// late is how much after the runtime's timer the kernel's one goes off. If it
// came first, the runtime would find nothing to do and wait another millisecond.
const late = 10 * time.Microsecond

// sleep sleeps. It is for one goroutine at a time.
func (a *alarm) sleep(d time.Duration) {
	if a.descriptor >= 0 {
		// A failure costs exactness, which the jitter shows.
		_ = unix.TimerfdSettime(a.descriptor, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d + late))}, nil)
	}
	time.Sleep(d)
}

// close releases the kernel's timer.
func (a *alarm) close() {
	if a.file != nil {
		_ = a.file.Close() // there is nothing to lose
	}
}
