package text

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestDecimalsHaveOneForm(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "-0.00": "0", "1": "1", "01.50": "1.5", "-12.340": "-12.34", "0.001": "0.001", "00": "0", "1.0": "1",
		"99999": "99999", "-99999.999": "-99999.999",
	} {
		if got, ok := Decimal(in, 5, 3); !ok || got != want {
			t.Errorf("Decimal(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "-", ".5", "5.", "1e3", "+1", "--1", "1,5", " 1", "NaN", "Infinity", "0x1", "1.2.3", "100000", "0.0001", "١"} {
		if got, ok := Decimal(in, 5, 3); ok {
			t.Errorf("Decimal(%q) = %q, want a refusal", in, got)
		}
	}
}

func TestDecimalsAreOrderedAsNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		number := rapid.StringMatching(`-?[0-9]{1,4}(\.[0-9]{1,3})?`)
		x, y := number.Draw(rt, "x"), number.Draw(rt, "y")
		a, okA := Decimal(x, 4, 3)
		b, okB := Decimal(y, 4, 3)
		if !okA || !okB {
			rt.Fatalf("%q and %q are decimal fractions", x, y)
		}
		ra, _ := new(big.Rat).SetString(x)
		rb, _ := new(big.Rat).SetString(y)
		got, want := CompareDecimals(a, b), ra.Cmp(rb)
		if got < 0 != (want < 0) || got > 0 != (want > 0) || (a == b) != (want == 0) {
			rt.Fatalf("CompareDecimals(%q, %q) = %d, want %d", a, b, got, want)
		}
	})
}
