// Package fold makes the form of a text by which Dossier orders and finds it: without accents, case and width, with
// single spaces. It is done in Go and stored, so that neither an order nor an index depends on the version of a
// collation library in the database. The same function must fold what is stored and what is searched.
package fold

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// folders keeps transformers: one is two buffers of 4 KiB for each of its steps, and has state, so that it serves one
// text at a time.
var folders = sync.Pool{New: func() any {
	// Lower case after folding, because Cherokee folds upward.
	return transform.Chain(norm.NFKD, runes.Remove(runes.In(unicode.Mn)), cases.Fold(), runes.Map(unicode.ToLower), norm.NFKC)
}}

// Text folds s: "  Élodie  GROẞ " becomes "elodie gross".
func Text(s string) string {
	if out, ok := ascii(s); ok {
		return out
	}
	t := folders.Get().(transform.Transformer) //nolint:errcheck // the pool holds nothing else
	defer folders.Put(t)
	out, _, err := transform.String(t, s) // which resets t
	if err != nil {
		out = strings.ToLower(s)
	}
	return strings.Join(strings.Fields(out), " ")
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// ascii is Text for a text without any other letter, as most are.
func ascii(s string) (string, bool) {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			return "", false
		case c == ' ' || '\t' <= c && c <= '\r':
			if len(out) > 0 && out[len(out)-1] != ' ' {
				out = append(out, ' ')
			}
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return strings.TrimSuffix(string(out), " "), true
}

// Email folds an e-mail address for look-ups. Accents stay: they are another mailbox.
func Email(s string) string {
	if isASCII(s) {
		return strings.ToLower(strings.TrimSpace(s))
	}
	return strings.ToLower(cases.Fold().String(norm.NFKC.String(strings.TrimSpace(s))))
}

// Label folds the label of an item of a list, of which no two should look the same. Accents stay: they are another word,
// in Japanese even of other sounds.
func Label(s string) string { return strings.Join(strings.Fields(Email(s)), " ") }

// PostalCode folds a postal code: without spaces, which some write and some do not.
func PostalCode(s string) string { return strings.ReplaceAll(Text(s), " ", "") }
