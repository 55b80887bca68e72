package main

import "testing"

func TestASizeHasDecimalUnits(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "500000000": 500_000_000, "500MB": 500_000_000, "0.5GB": 500_000_000, "5.1mb": 5_100_000, " 20 GB ": 20_000_000_000, "7B": 7, "1000TB": 1e15,
		"": -1, "MB": -1, "-1": -1, "-1MB": -1, "1.5": -1, "5MiB": -1, "1001TB": -1, "1e30GB": -1, "NaNMB": -1, "lots": -1, "9223372036854775808": -1,
	} {
		got := size(-1)
		err := got.UnmarshalText([]byte(text))
		if (err != nil) != (want < 0) || int64(got) != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
}
