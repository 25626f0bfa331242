package units

import "testing"

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "16MiB", "1.5GB", "7d", "1d12h", "250ms", "9223372036854775807", "-1", "1e9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if size, err := ParseBytes(text); err == nil && size < 0 {
			t.Errorf("ParseBytes(%q) = %d", text, size)
		}
		if length, err := ParseDuration(text); err == nil && length < 0 {
			t.Errorf("ParseDuration(%q) = %d", text, length)
		}
	})
}
