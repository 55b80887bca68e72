package customer

import (
	"strings"

	"github.com/google/uuid"
	"github.com/nyaruka/phonenumbers"

	"dossier/internal/fold"
	"dossier/internal/text"
)

// Planner makes the changes that an import writes many of at once. They are those of Create and Update, by the same rules
// and under the field policy of the channel IMPORT; who may import is asked once, by the job.
type Planner struct {
	NewID func() uuid.UUID
}

// Create gives the change that makes the customer of a draft, or a fault.List with everything that is wrong with it.
func (p Planner) Create(r Reading, d Draft) (Change, error) {
	return (&Service{NewID: p.NewID}).create(r, d, ByImport)
}

// Update gives the change that a patch makes to a file, or a fault.List with everything that is wrong with it.
func (p Planner) Update(r Reading, f File, patch Patch) (Change, error) {
	return (&Service{NewID: p.NewID}).update(r, f, patch, ByImport)
}

// EmailKey is the form in which an e-mail address is looked up; "" for a text that is none.
func EmailKey(s string) string {
	address, problem := text.Email(s)
	if problem != "" {
		return ""
	}
	return fold.Email(address)
}

// ExternalIDKey is the form in which an external id is kept and looked up; "" for a text that is none.
func ExternalIDKey(s string) string {
	id, problem := atMost(MaxExternalID)(s)
	if problem != "" {
		return ""
	}
	return id
}

// PhoneKey is the form in which a telephone number is looked up; "" for a text that is none.
func PhoneKey(s string) string {
	e164, _, problem := cleanPhone(s)
	if problem != "" {
		return ""
	}
	return e164
}

// International gives a telephone number of a region (ISO 3166-1 alpha-2) as it is dialled from anywhere. What is
// international already, and what is no number of the region, stays as it is: the rules for numbers judge it.
func International(number, region string) string {
	trimmed := strings.TrimSpace(number)
	if region == "" || trimmed == "" || trimmed[0] == '+' || len(trimmed) > maxPhone {
		return number
	}
	national, extension, found := strings.Cut(trimmed, ";ext=")
	if strings.ContainsFunc(national, func(r rune) bool { return r != ' ' && (r < '0' || r > '9') && !strings.ContainsRune("-.()/\u00a0", r) }) {
		return number
	}
	parsed, err := phonenumbers.Parse(national, region)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(parsed) != phonenumbers.IS_POSSIBLE {
		return number
	}
	number = phonenumbers.Format(parsed, phonenumbers.E164)
	if found {
		number += ";ext=" + extension
	}
	return number
}

// IsRegion says whether a text is a country of ISO 3166-1 with two letters, in upper case.
func IsRegion(s string) bool {
	return len(s) == 2 && strings.Contains(" "+countries+" ", " "+s+" ")
}
