package search

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// correctable says whether errors are looked for in the word: it has letters only, and neither few nor very many.
func correctable(w string) bool {
	n := utf8.RuneCountInString(w)
	if n < fuzzyFrom || n > fuzzyTo {
		return false
	}
	for _, r := range w {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) {
			return false
		}
	}
	return true
}

// Spellings are the word itself and the word with each of its letters left out, sorted, each once. Words that are one typing
// error apart have one in common, so that finding them is a look-up and needs no index of trigrams: at a million customers
// the lists of common trigrams are too long to be merged in some milliseconds.
func Spellings(word string) []string {
	letters := []rune(word)
	list := make([]string, 1, len(letters)+1)
	list[0] = word
	for i := range letters {
		list = append(list, string(slices.Delete(slices.Clone(letters), i, i+1)))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// OneTypo says whether one of two words becomes the other by one typing error: a letter too many, too few or wrong, or two
// neighbours swapped.
func OneTypo(a, b string) bool {
	x, y := []rune(a), []rune(b)
	if len(x) < len(y) {
		x, y = y, x
	}
	i := 0
	for i < len(y) && x[i] == y[i] {
		i++
	}
	switch len(x) - len(y) {
	case 0:
		return i == len(x) || slices.Equal(x[i+1:], y[i+1:]) ||
			i+1 < len(x) && x[i] == y[i+1] && x[i+1] == y[i] && slices.Equal(x[i+2:], y[i+2:])
	case 1:
		return slices.Equal(x[i+1:], y[i:])
	default:
		return false
	}
}
