// Package scalar binds the custom scalars of the schema to Go types. It knows formats, not fields.
package scalar

import (
	"encoding/json"
	"io"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"dossier/internal/fault"
)

// DateLayout is the layout of the scalar Date.
const DateLayout = time.DateOnly

// dateTime is the form of RFC 3339: time.Parse also takes an hour of one digit, a comma and an offset of 24 hours.
var dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// MarshalDateTime writes t as RFC 3339 in UTC.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, strconv.Quote(t.UTC().Format("2006-01-02T15:04:05.999999Z07:00")))
	})
}

// UnmarshalDateTime reads RFC 3339 and keeps microseconds, which is what PostgreSQL stores. The year in UTC has four
// digits, because that is how it is written again.
func UnmarshalDateTime(v any) (time.Time, error) {
	if s, ok := v.(string); ok && dateTime.MatchString(s) {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			if t = t.UTC(); t.Year() >= 1 && t.Year() <= 9999 {
				return t.Truncate(time.Microsecond), nil
			}
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

// MarshalID writes an id.
func MarshalID(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalID reads a text or a whole number, as the specification has it for ID.
func UnmarshalID(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number, int, int64:
		if n, err := wholeNumber(v); err == nil {
			return strconv.FormatInt(n, 10), nil
		}
	}
	return "", fault.New(fault.BadUserInput, "An id is a string.")
}

// MarshalInt writes a number.
func MarshalInt(n int) graphql.Marshaler { return graphql.MarshalInt(n) }

// UnmarshalInt reads a whole number of 32 bits, as the specification has it for Int, and no text that looks like one.
func UnmarshalInt(v any) (int, error) {
	n, err := wholeNumber(v)
	if err != nil || n > math.MaxInt32 || n < math.MinInt32 {
		return 0, fault.New(fault.BadUserInput, "An Int is a whole number from -2147483648 to 2147483647.")
	}
	return int(n), nil
}

// wholeNumber reads what the parser makes of a literal and the decoder of a variable.
func wholeNumber(v any) (int64, error) {
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case json.Number:
		return v.Int64()
	default:
		return 0, strconv.ErrSyntax
	}
}

// maxSafe is the greatest number that JavaScript and JSON clients keep exactly.
const maxSafe = 1<<53 - 1

// MarshalBigInt writes a number.
func MarshalBigInt(n int64) graphql.Marshaler { return graphql.MarshalInt64(n) }

// UnmarshalBigInt reads a whole number, as a JSON number or in quotes.
func UnmarshalBigInt(v any) (int64, error) {
	n, err := wholeNumber(v)
	if s, ok := v.(string); ok {
		n, err = strconv.ParseInt(s, 10, 64)
	}
	if err != nil || n > maxSafe || n < -maxSafe {
		return 0, fault.New(fault.BadUserInput, "A BigInt is a whole number such as 5000000.")
	}
	return n, nil
}
