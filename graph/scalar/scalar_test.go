package scalar_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"dossier/graph/scalar"
	"dossier/internal/fault"
)

func text(m graphql.Marshaler) string {
	var b strings.Builder
	m.MarshalGQL(&b)
	return b.String()
}

func TestDateTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   any
		want string
	}{
		{"2026-03-01T09:30:00Z", `"2026-03-01T09:30:00Z"`},
		{"2026-03-01T09:30:00+02:00", `"2026-03-01T07:30:00Z"`},
		{"2026-03-01T00:30:00+14:00", `"2026-02-28T10:30:00Z"`},
		{"2026-03-01T09:30:00.5Z", `"2026-03-01T09:30:00.5Z"`},
		{"2026-03-01T09:30:00.123456789Z", `"2026-03-01T09:30:00.123456Z"`},
		{"0001-01-01T00:00:00Z", `"0001-01-01T00:00:00Z"`},
		{"9999-12-31T23:59:59.999999Z", `"9999-12-31T23:59:59.999999Z"`},
		{"2024-02-29T12:00:00Z", `"2024-02-29T12:00:00Z"`},
		{"0001-01-01T00:00:00+01:00", ""},
		{"9999-12-31T23:59:59-01:00", ""}, // outside of what is written with four digits
		{"2026-02-29T12:00:00Z", ""},
		{"2026-13-01T00:00:00Z", ""},
		{"2026-03-01T24:00:00Z", ""},
		{"2026-03-01T09:30:60Z", ""},
		{"2026-03-01", ""},
		{"2026-03-01T09:30:00", ""},
		{"2026-03-01 09:30:00Z", ""},
		{"2026-03-01T09:30Z", ""},
		{" 2026-03-01T09:30:00Z", ""},
		{"2026-03-01T09:30:00,5Z", ""},
		{"2026-03-01T9:30:00Z", ""},
		{"2026-03-01T09:30:00+24:00", ""},
		{"0000-01-01T00:00:00Z", ""},
		{"10000-01-01T00:00:00Z", ""},
		{"", ""},
		{"now", ""},
		{json.Number("1772357400"), ""},
		{1772357400, ""},
		{1.5, ""},
		{true, ""},
		{nil, ""},
		{[]any{}, ""},
		{map[string]any{}, ""},
	} {
		got, err := scalar.UnmarshalDateTime(c.in)
		if !checkRefused(t, c.in, err, c.want == "") && text(scalar.MarshalDateTime(got)) != c.want {
			t.Errorf("%v becomes %s, want %s", c.in, text(scalar.MarshalDateTime(got)), c.want)
		}
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   any
		want string
	}{
		{"2026-03-01", `"2026-03-01"`},
		{"2024-02-29", `"2024-02-29"`},
		{"0001-01-01", `"0001-01-01"`},
		{"9999-12-31", `"9999-12-31"`},
		{"2026-02-29", ""},
		{"2026-3-1", ""},
		{"0000-12-31", ""},
		{"10000-01-01", ""},
		{"-001-01-01", ""},
		{"2026-03-01T00:00:00Z", ""},
		{"", ""},
		{"20260301", ""},
		{json.Number("20260301"), ""},
		{5, ""},
		{nil, ""},
		{[]any{"2026-03-01"}, ""},
	} {
		got, err := scalar.UnmarshalDate(c.in)
		if !checkRefused(t, c.in, err, c.want == "") && text(scalar.MarshalDate(got)) != c.want {
			t.Errorf("%v becomes %s, want %s", c.in, text(scalar.MarshalDate(got)), c.want)
		}
	}
}

func TestBigInt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   any
		want string
	}{
		{json.Number("5000000"), "5000000"},
		{"5000000", "5000000"},
		{int64(7), "7"},
		{7, "7"},
		{json.Number("-1"), "-1"},
		{json.Number("0"), "0"},
		{json.Number("9007199254740991"), "9007199254740991"},
		{json.Number("-9007199254740991"), "-9007199254740991"},
		{json.Number("9007199254740992"), ""},
		{json.Number("-9007199254740992"), ""},
		{json.Number("99999999999999999999"), ""},
		{json.Number("1.5"), ""},
		{json.Number("1e3"), ""},
		{1.5, ""},
		{math.NaN(), ""},
		{"", ""},
		{"0x10", ""},
		{"1_000", ""},
		{" 1", ""},
		{"many", ""},
		{true, ""},
		{nil, ""},
		{[]any{1}, ""},
		{map[string]any{}, ""},
	} {
		got, err := scalar.UnmarshalBigInt(c.in)
		if !checkRefused(t, c.in, err, c.want == "") && text(scalar.MarshalBigInt(got)) != c.want {
			t.Errorf("%v becomes %s, want %s", c.in, text(scalar.MarshalBigInt(got)), c.want)
		}
	}
}

func TestInt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   any
		want string
	}{
		{json.Number("1"), "1"},
		{1, "1"},
		{int64(-1), "-1"},
		{int64(math.MaxInt32), "2147483647"},
		{int64(math.MinInt32), "-2147483648"},
		{json.Number("2147483648"), ""},
		{int64(math.MinInt32 - 1), ""},
		{json.Number("1.0"), ""},
		{json.Number("1e0"), ""},
		{"1", ""},
		{1.0, ""},
		{true, ""},
		{nil, ""},
		{[]any{1}, ""},
	} {
		got, err := scalar.UnmarshalInt(c.in)
		if !checkRefused(t, c.in, err, c.want == "") && text(scalar.MarshalInt(got)) != c.want {
			t.Errorf("%v becomes %d, want %s", c.in, got, c.want)
		}
	}
}

func TestIDAndText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in       any
		id, text string
	}{
		{"cus_1", `"cus_1"`, `"cus_1"`},
		{"", `""`, `""`},
		{"a\"\n\u0000b", `"a\"\n\u0000b"`, `"a\"\n\u0000b"`},
		{json.Number("12"), `"12"`, ""},
		{int64(12), `"12"`, ""},
		{json.Number("1.5"), "", ""},
		{1.5, "", ""},
		{true, "", ""},
		{nil, "", ""},
		{[]any{"a"}, "", ""},
		{map[string]any{}, "", ""},
	} {
		id, err := scalar.UnmarshalID(c.in)
		if !checkRefused(t, c.in, err, c.id == "") && text(scalar.MarshalID(id)) != c.id {
			t.Errorf("the id %v becomes %s, want %s", c.in, text(scalar.MarshalID(id)), c.id)
		}
		s, err := scalar.UnmarshalText(c.in)
		if !checkRefused(t, c.in, err, c.text == "") && text(scalar.MarshalText(s)) != c.text {
			t.Errorf("the text %v becomes %s, want %s", c.in, text(scalar.MarshalText(s)), c.text)
		}
	}
}

// checkRefused says whether a value was refused, and fails the test when that is not what it wants. Every refusal is the
// client's mistake, in words that do not repeat what was sent.
func checkRefused(t *testing.T, in any, err error, want bool) bool {
	t.Helper()
	if (err != nil) != want {
		t.Errorf("%v (%T): error %v, want one: %v", in, in, err, want)
	}
	if err != nil && fault.CodeOf(err) != fault.BadUserInput {
		t.Errorf("%v is refused with %s, want BAD_USER_INPUT", in, fault.CodeOf(err))
	}
	return err != nil
}

func FuzzDateTime(f *testing.F) {
	for _, s := range []string{"2026-03-01T09:30:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.9999999-12:00", "2026-03-01T09:30:00,5Z", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, err := scalar.UnmarshalDateTime(s)
		if err != nil {
			return
		}
		if first.Year() < 1 || first.Year() > 9999 || first.Location() != time.UTC {
			t.Errorf("%q is %v, want a year of four digits in UTC", s, first)
		}
		var written string
		if err := json.Unmarshal([]byte(text(scalar.MarshalDateTime(first))), &written); err != nil {
			t.Fatalf("%q is written as %s: %v", s, text(scalar.MarshalDateTime(first)), err)
		}
		again, err := scalar.UnmarshalDateTime(written)
		if err != nil || !again.Equal(first) {
			t.Errorf("%q is written as %s, which reads as %v (%v), want %v", s, written, again, err, first)
		}
	})
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{"2026-03-01", "0001-01-01", "2024-02-29", "2026-02-29", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := scalar.UnmarshalDate(s)
		if err == nil && text(scalar.MarshalDate(got)) != `"`+s+`"` {
			t.Errorf("%q is written as %s, want the same", s, text(scalar.MarshalDate(got)))
		}
	})
}

func FuzzBigInt(f *testing.F) {
	for _, s := range []string{"0", "-1", "9007199254740991", "9007199254740992", "1e3", "+1", "01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := scalar.UnmarshalBigInt(json.Number(s))
		if err != nil {
			return
		}
		again, err := scalar.UnmarshalBigInt(text(scalar.MarshalBigInt(n)))
		if err != nil || again != n || n > 1<<53-1 || n < -(1<<53-1) {
			t.Errorf("%q is %d, which reads as %d (%v)", s, n, again, err)
		}
	})
}
