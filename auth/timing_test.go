package auth_test

import (
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// How long a refusal takes does not tell an unknown key from a wrong signature, nor how
// much of a signature is right: Welch's test sees no difference. It asserts on time, so
// it runs only when MILLRACE_TIMING_SAMPLES says how often, on a machine that is quiet.
func TestTiming(t *testing.T) {
	text := os.Getenv("MILLRACE_TIMING_SAMPLES")
	if text == "" {
		t.Skip("it measures time: set MILLRACE_TIMING_SAMPLES, say to 100000, on a quiet machine")
	}
	samples, err := strconv.Atoi(text)
	if err != nil || samples < 100 {
		t.Fatalf("MILLRACE_TIMING_SAMPLES: %q", text)
	}
	v := verifier(t, example)
	good := newTwin().sign(putRecord(t), putBody).Header.Get("Authorization")
	headers := []string{
		strings.Replace(good, exampleID, "AKIDEXAMPLF", 1),
		good[:len(good)-64] + strings.Repeat("0", 64),
		good[:len(good)-1] + string("10"[good[len(good)-1]&1]),
	}
	names := []string{"unknown key", "wrong signature", "wrong last digit"}
	r := newTwin().sign(putRecord(t), putBody)
	if _, err := verify(v, r, []byte(putBody), kinesis); err != nil { // the signing key is in use
		t.Fatal(err)
	}
	times := make([][]float64, len(headers))
	for i := range samples * len(headers) {
		which := (i + i/len(headers)) % len(headers) // each follows each other
		r.Header["Authorization"] = []string{headers[which]}
		start := time.Now()
		_, err := verify(v, r, []byte(putBody), kinesis)
		times[which] = append(times[which], float64(time.Since(start)))
		if err == nil {
			t.Fatal("accepted")
		}
	}
	for i := range times {
		for j := range i {
			a, b := trimmed(times[i]), trimmed(times[j])
			score := (a.mean - b.mean) / math.Sqrt(a.variance/a.count+b.variance/b.count)
			t.Logf("%s %.0f ns, %s %.0f ns: t = %.2f", names[i], a.mean, names[j], b.mean, score)
			if math.Abs(score) > 2.576 { // p < 0.01
				t.Errorf("%s and %s differ", names[i], names[j])
			}
		}
	}
}

type moments struct{ mean, variance, count float64 }

// trimmed leaves out the slowest tenth: they tell of the machine.
func trimmed(times []float64) (m moments) {
	times = slices.Sorted(slices.Values(times))
	times = times[:len(times)*9/10]
	m.count = float64(len(times))
	for _, x := range times {
		m.mean += x / m.count
	}
	for _, x := range times {
		m.variance += (x - m.mean) * (x - m.mean) / (m.count - 1)
	}
	return m
}
