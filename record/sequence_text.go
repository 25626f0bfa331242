package record

// SequenceText renders sequence numbers one after the other. The record after the last
// one rendered costs an addition instead of a division of 192 bits: 30 ns instead of
// 100. The zero value is ready; it serves one goroutine.
type SequenceText struct {
	last   SequenceNumber
	steps  [3]uint64 // of 19 digits each, lowest first; none is zero once there is a last
	digits [3 * decimalStepDigits]byte
}

// One index more is 2^80 more: 120892 and these 19 digits.
const (
	indexStepLow  = 5819614629174706176
	indexStepHigh = 120892
)

// Append appends what n.AppendText does.
func (t *SequenceText) Append(destination []byte, n SequenceNumber) []byte {
	follows := t.last
	follows.Index++
	if n != follows || n.Index > IndexMax || t.steps[2] == 0 {
		return t.begin(destination, n)
	}
	t.last = n
	from := 1
	t.steps[0] += indexStepLow
	t.steps[1] += indexStepHigh
	if t.steps[0] >= decimalStep {
		t.steps[0] -= decimalStep
		t.steps[1]++
	}
	if t.steps[1] >= decimalStep {
		t.steps[1] -= decimalStep
		t.steps[2]++
		from = 0
	}
	return t.render(destination, from)
}

// begin renders a number that does not follow the last one.
func (t *SequenceText) begin(destination []byte, n SequenceNumber) []byte {
	t.last = n
	number := n.wide()
	for i := range t.steps {
		t.steps[i] = number.cut()
	}
	return t.render(destination, 0)
}

// render writes the steps from one on, 0 being the highest, and appends all digits.
func (t *SequenceText) render(destination []byte, from int) []byte {
	for i := from; i < len(t.steps); i++ {
		// In halves, since each digit waits for the one behind it.
		const half, digits = 1e10, 10
		step, number := t.digits[i*decimalStepDigits:(i+1)*decimalStepDigits], t.steps[len(t.steps)-1-i]
		putDigits(step[len(step)-digits:], number%half)
		putDigits(step[:len(step)-digits], number/half)
	}
	return append(destination, t.digits[len(t.digits)-sequenceDigits:]...)
}
