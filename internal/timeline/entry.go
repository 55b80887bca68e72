package timeline

import (
	"unicode/utf8"
)

// MaxTitle is how many characters the title of an entry may have.
const MaxTitle = 200

// CutTitle shortens a title that Dossier makes from other texts to what an entry can hold.
func CutTitle(s string) string {
	if utf8.RuneCountInString(s) <= MaxTitle {
		return s
	}
	return string([]rune(s)[:MaxTitle-1]) + "…"
}
