package scalar

import (
	"encoding/json"
	"regexp"
	"strconv"

	"github.com/99designs/gqlgen/graphql"

	"dossier/internal/fault"
)

// decimal is a decimal fraction. The length keeps a client from sending one that is not worth looking at.
var decimal = regexp.MustCompile(`^-?\d{1,40}(\.\d{1,40})?$`)

// MarshalDecimal writes a decimal fraction as text, so that no client rounds it.
func MarshalDecimal(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalDecimal reads a decimal fraction from a text or from a number as it was written.
func UnmarshalDecimal(v any) (string, error) {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case json.Number:
		s = v.String()
	case int, int64:
		n, err := wholeNumber(v)
		if err != nil {
			return "", err
		}
		s = strconv.FormatInt(n, 10)
	case float64:
		b, err := json.Marshal(v)
		if err != nil {
			return "", err
		}
		s = string(b)
	}
	if !decimal.MatchString(s) {
		return "", fault.New(fault.BadUserInput, "A Decimal is a decimal fraction without an exponent, such as \"12.5\".")
	}
	return s, nil
}
