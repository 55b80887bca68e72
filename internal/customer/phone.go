package customer

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

const (
	maxPhone     = 64
	maxExtension = 20
)

const phoneForm = "Write it with the country code, such as +4930901820."

// cleanPhone gives a telephone number as E.164 and its extension. The number must be international, because the service
// knows of no country to read a national one in. It is checked for length and country code, not against the ranges
// that operators have been given: those change faster than anybody's copy of them.
func cleanPhone(s string) (e164, extension, problem string) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", "", "The telephone number is empty. " + phoneForm
	}
	if len(s) > maxPhone {
		return "", "", "This telephone number is too long. " + phoneForm
	}
	number, extension, found := strings.Cut(s, ";ext=")
	if found && (extension == "" || len(extension) > maxExtension || !numeric(extension)) {
		return "", "", "The extension behind ;ext= is 1 to 20 digits."
	}
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -.()[]\u00a0\u2007\u202f\u2010\u2011\u2012\u2013\u2212", r) {
			return -1
		}
		return r
	}, number)
	if !strings.HasPrefix(digits, "+") {
		return "", "", "A telephone number must be international. " + phoneForm
	}
	if len(digits) < 2 || !numeric(digits[1:]) {
		return "", "", "A telephone number has digits, spaces, hyphens, dots and brackets only, and a + at the beginning. " + phoneForm
	}
	parsed, err := phonenumbers.Parse(digits, "")
	if err != nil {
		return "", "", "This is no telephone number of any country. " + phoneForm
	}
	switch phonenumbers.IsPossibleNumberWithReason(parsed) {
	case phonenumbers.IS_POSSIBLE:
		return phonenumbers.Format(parsed, phonenumbers.E164), extension, ""
	case phonenumbers.TOO_LONG:
		return "", "", "This telephone number has too many digits for its country. " + phoneForm
	case phonenumbers.INVALID_COUNTRY_CODE:
		return "", "", "This is no telephone number of any country. " + phoneForm
	default:
		return "", "", "This telephone number has too few digits for its country, or is one to dial locally only. " + phoneForm
	}
}

func numeric(s string) bool { return strings.Trim(s, "0123456789") == "" }
