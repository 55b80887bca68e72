// Package fold makes the form of a text by which Dossier orders and finds it: without accents, case and width, with
// single spaces. It is done in Go and stored, so that neither an order nor an index depends on the version of a
// collation library in the database. The same function must fold what is stored and what is searched.
package fold

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// Text folds s: "  Élodie  GROẞ " becomes "elodie gross".
func Text(s string) string {
	// A transformer keeps state, so each call has its own. Lower case after folding, because Cherokee folds upward.
	t := transform.Chain(norm.NFKD, runes.Remove(runes.In(unicode.Mn)), cases.Fold(), runes.Map(unicode.ToLower), norm.NFKC)
	out, _, err := transform.String(t, s)
	if err != nil {
		out = strings.ToLower(s)
	}
	return strings.Join(strings.Fields(out), " ")
}

// Email folds an e-mail address for look-ups. Accents stay: they are another mailbox.
func Email(s string) string {
	return strings.ToLower(cases.Fold().String(norm.NFKC.String(strings.TrimSpace(s))))
}

// Label folds the label of an item of a list, of which no two should look the same. Accents stay: they are another word,
// in Japanese even of other sounds.
func Label(s string) string { return strings.Join(strings.Fields(Email(s)), " ") }

// PostalCode folds a postal code: without spaces, which some write and some do not.
func PostalCode(s string) string { return strings.ReplaceAll(Text(s), " ", "") }
