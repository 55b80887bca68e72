package text

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Limits of RFC 5321, 4.5.3.1, and of RFC 1035 for the name of the domain in ASCII.
const (
	maxEmail  = 254
	maxLocal  = 64
	maxDomain = 253
)

const emailForm = "An e-mail address looks like ada@example.com."

// domains checks names of domains as a mail program would look them up: IDNA 2008, hyphens and lengths included.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckHyphens(true), idna.CheckJoiners(true),
	idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// Email gives an e-mail address without white space around it. It accepts the addresses that mail in practice reaches: a dot-atom of ASCII before the @, a domain name with
// a dot, internationalised or not, behind it. Quoted local parts, comments, address literals and names around the
// address are correct mail syntax and refused: no mailbox of a customer needs them, and they are where parsers disagree.
func Email(s string) (address, problem string) {
	if !utf8.ValidString(s) {
		return "", "This is not valid UTF-8 text."
	}
	s = strings.TrimSpace(s)
	if s == "" {
		return "", "The e-mail address is empty. " + emailForm
	}
	i := strings.LastIndexByte(s, '@')
	if i < 1 || i == len(s)-1 {
		return "", "This e-mail address has no text before or behind an @. " + emailForm
	}
	local, domain := s[:i], s[i+1:]
	if len(s) > maxEmail || len(local) > maxLocal {
		return "", "This e-mail address is too long: at most 64 characters before the @ and 254 in all are accepted."
	}
	if !dotAtom(local) {
		return "", "The part before the @ of an e-mail address has letters from a to z, digits, single dots and !#$%&'*+-/=?^_`{|}~ only. " + emailForm
	}
	ascii, err := domains.ToASCII(domain)
	switch {
	case err != nil || len(ascii) > maxDomain || strings.HasSuffix(ascii, "."):
		return "", "The part behind the @ of this e-mail address is no domain name. " + emailForm
	case !strings.Contains(ascii, "."):
		return "", "The domain of this e-mail address has no dot. " + emailForm
	case numeric(ascii[strings.LastIndexByte(ascii, '.')+1:]):
		return "", "An e-mail address with an IP address is not accepted. " + emailForm
	}
	return s, ""
}

func dotAtom(s string) bool {
	if s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		b := s[i]
		if !alphanumeric(b) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", rune(b)) {
			return false
		}
	}
	return true
}

func alphanumeric(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

func numeric(s string) bool { return strings.Trim(s, "0123456789") == "" }
