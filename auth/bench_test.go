package auth_test

import (
	"strings"
	"testing"

	"github.com/millrace-io/millrace/auth"
)

// BenchmarkVerify is a PutRecord request: mostly the hash of its body.
func BenchmarkVerify(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"1KiB", 1 << 10}, {"512KiB", 512 << 10}} {
		b.Run(c.name, func(b *testing.B) {
			body := []byte(strings.Repeat("x", c.size))
			r := putRecord(b)
			auth.Sign(r, body, example, "us-east-1", "kinesis", exampleTime)
			v := verifier(b, example)
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verify(v, r, body, kinesis); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRefuse compares what refusals take: they should not tell which keys exist.
func BenchmarkRefuse(b *testing.B) {
	good := newTwin().sign(putRecord(b), putBody).Header.Get("Authorization")
	for _, c := range []struct{ name, header string }{
		{"unknown key", strings.Replace(good, exampleID, "AKIDEXAMPLF", 1)},
		{"wrong signature", good[:len(good)-64] + strings.Repeat("0", 64)},
		{"wrong last digit", good[:len(good)-1] + string("10"[good[len(good)-1]&1])},
	} {
		b.Run(c.name, func(b *testing.B) {
			v := verifier(b, example)
			r := newTwin().sign(putRecord(b), putBody)
			if _, err := verify(v, r, []byte(putBody), kinesis); err != nil { // its signing key is cached
				b.Fatal(err)
			}
			r.Header.Set("Authorization", c.header)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verify(v, r, []byte(putBody), kinesis); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
