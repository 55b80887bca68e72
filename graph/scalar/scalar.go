// Package scalar binds the custom scalars of the schema to Go types. It knows formats, not fields.
package scalar

import (
	"io"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"dossier/internal/fault"
)

// DateLayout is the layout of the scalar Date.
const DateLayout = time.DateOnly

// MarshalDateTime writes t as RFC 3339 in UTC.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, strconv.Quote(t.UTC().Format("2006-01-02T15:04:05.999999Z07:00")))
	})
}

// UnmarshalDateTime reads RFC 3339 and keeps microseconds, which is what PostgreSQL stores.
func UnmarshalDateTime(v any) (time.Time, error) {
	s, ok := v.(string)
	if ok {
		if t, err := time.Parse(time.RFC3339, s); err == nil && t.Year() >= 1 && t.Year() <= 9999 {
			return t.UTC().Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, fault.New(fault.BadUserInput, "A DateTime is RFC 3339 text such as 2026-03-01T09:30:00Z.")
}

// MarshalDate writes the date of t.
func MarshalDate(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(t.Format(DateLayout))) })
}

// UnmarshalDate reads an RFC 3339 full-date.
func UnmarshalDate(v any) (time.Time, error) {
	s, ok := v.(string)
	if ok {
		if t, err := time.Parse(DateLayout, s); err == nil && t.Year() >= 1 {
			return t, nil
		}
	}
	return time.Time{}, fault.New(fault.BadUserInput, "A Date is RFC 3339 text such as 2026-03-01.")
}

// MarshalText writes a text. It is for scalars whose format is checked elsewhere.
func MarshalText(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalText reads a text and nothing that would have to be turned into one.
func UnmarshalText(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	return "", fault.New(fault.BadUserInput, "This must be a string.")
}

// maxSafe is the greatest number that JavaScript and JSON clients keep exactly.
const maxSafe = 1<<53 - 1

// MarshalBigInt writes a number.
func MarshalBigInt(n int64) graphql.Marshaler { return graphql.MarshalInt64(n) }

// UnmarshalBigInt reads a whole number, as a JSON number or in quotes.
func UnmarshalBigInt(v any) (int64, error) {
	n, err := graphql.UnmarshalInt64(v)
	if err != nil || n > maxSafe || n < -maxSafe {
		return 0, fault.New(fault.BadUserInput, "A BigInt is a whole number such as 5000000.")
	}
	return n, nil
}
