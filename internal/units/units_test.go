package units

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseBytes(t *testing.T) {
	cases := map[string]Bytes{
		"0": 0, "512": 512, "1b": 1, "64KiB": 64 << 10, "16MiB": 16 << 20, "1GiB": 1 << 30, "2T": 2 << 40,
		"1.5k": 1536, "1kB": 1000, "1.5GB": 1.5e9, " 3 MiB ": 3 << 20, "9223372036854775807": math.MaxInt64,
	}
	for text, want := range cases {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "1XB", "1.2.3", "8388608TiB", "1e3", "KiB", "9223372036854775808"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("ParseBytes(%q) = %d", text, got)
		}
	}
}

func TestParseDuration(t *testing.T) {
	cases := map[string]time.Duration{
		"250ms": 250 * time.Millisecond, "5m": 5 * time.Minute, "7d": 7 * day, "1d12h": 36 * time.Hour, "0s": 0, "0": 0,
	}
	for text, want := range cases {
		if got, err := ParseDuration(text); err != nil || time.Duration(got) != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "5", "-5m", "1.5d", "-1d", "200000d", "106751d24h", "1d1d", "x", "1x"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v", text, got)
		}
	}
}

func TestFlagValuesReadBackWhatTheyPrint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := Bytes(rapid.Int64Min(0).Draw(t, "size"))
		var readSize Bytes
		if err := readSize.Set(size.String()); err != nil || readSize != size {
			t.Fatalf("size %d prints %q and reads %d, %v", size, size, readSize, err)
		}
		length := Duration(rapid.Int64Min(0).Draw(t, "duration"))
		var readLength Duration
		if err := readLength.Set(length.String()); err != nil || readLength != length {
			t.Fatalf("duration %d prints %q and reads %d, %v", length, length, readLength, err)
		}
	})
}

func TestHuman(t *testing.T) {
	cases := []struct{ got, want string }{
		{Bytes(0).Human(), "0 B"},
		{Bytes(1023).Human(), "1023 B"},
		{Bytes(8063306).Human(), "7.7 MiB"},
		{Bytes(math.MaxInt64).Human(), "8.0 EiB"},
		{Duration(412).Human(), "412 ns"},
		{Duration(4120).Human(), "4.12 µs"},
		{Duration(1240 * time.Microsecond).Human(), "1.24 ms"},
		{Duration(41240 * time.Microsecond).Human(), "41.2 ms"},
		{Duration(412400 * time.Microsecond).Human(), "412 ms"},
		{Duration(12345 * time.Millisecond).Human(), "12.3 s"},
		{Duration(250 * time.Second).Human(), "4m10s"},
		{Duration(36 * time.Hour).Human(), "1d12h0m0s"},
		{Count(0), "0"},
		{Count(999), "999"},
		{Count(250000), "250,000"},
		{Count(int64(math.MinInt64)), "-9,223,372,036,854,775,808"},
		{Plural(1, "record"), "1 record"},
		{Plural(1000, "record"), "1,000 records"},
		{PerSecond(1000, 500*time.Millisecond), "2,000 /s"},
		{PerSecond(1000, 0), "-"},
		{MegabytesPerSecond(1e9, 2*time.Second), "500.0 MB/s"},
		{MegabytesPerSecond(1, 0), "-"},
	}
	for _, c := range cases {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
