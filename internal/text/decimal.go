package text

import "strings"

// Decimal gives the one form of a decimal fraction that is kept: no sign without need, no zeros before the number or at the
// end of its fraction, so that equal numbers are equal texts. false means that s is no decimal fraction, or that it has more
// than whole digits before or fraction digits behind the point.
func Decimal(s string, whole, fraction int) (string, bool) {
	negative := strings.HasPrefix(s, "-")
	before, behind, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if before == "" || point && behind == "" || strings.Trim(before+behind, "0123456789") != "" {
		return "", false
	}
	before, behind = strings.TrimLeft(before, "0"), strings.TrimRight(behind, "0")
	if len(before) > whole || len(behind) > fraction {
		return "", false
	}
	if before == "" {
		before = "0"
	}
	if behind != "" {
		before += "." + behind
	}
	if negative && before != "0" {
		before = "-" + before
	}
	return before, true
}

// CompareDecimals orders two decimal fractions in the form that Decimal gives.
func CompareDecimals(a, b string) int {
	aNegative, bNegative := strings.HasPrefix(a, "-"), strings.HasPrefix(b, "-")
	switch {
	case aNegative && bNegative:
		return CompareDecimals(b[1:], a[1:])
	case aNegative:
		return -1
	case bNegative:
		return 1
	}
	aWhole, aFraction, _ := strings.Cut(a, ".")
	bWhole, bFraction, _ := strings.Cut(b, ".")
	if len(aWhole) != len(bWhole) {
		return len(aWhole) - len(bWhole)
	}
	if c := strings.Compare(aWhole, bWhole); c != 0 {
		return c
	}
	return strings.Compare(aFraction, bFraction)
}
