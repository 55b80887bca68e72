package scalar

import (
	"encoding/json"
	"strconv"

	"github.com/99designs/gqlgen/graphql"

	"dossier/internal/fault"
	"dossier/internal/text"
)

// MarshalDecimal writes a decimal fraction as a text, which no client rounds.
func MarshalDecimal(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalDecimal reads a decimal fraction as a text or a JSON number. How many digits are accepted is the field's affair;
// here it is what keeps nonsense from the rules.
func UnmarshalDecimal(v any) (string, error) {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case json.Number:
		s = v.String()
	case int, int64:
		if n, err := wholeNumber(v); err == nil {
			s = strconv.FormatInt(n, 10)
		}
	}
	if out, ok := text.Decimal(s, 100, 100); ok {
		return out, nil
	}
	return "", fault.New(fault.BadUserInput, `A Decimal is a decimal number in quotes such as "12.5".`)
}
