// Package text says which text is accepted from clients for names, titles and lines, and in which form it is stored. It
// knows nothing of what the text is for.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Line gives a text of one line as it is stored: in the normal form NFC, without white space around it. problem, when it
// is not empty, is a message for the client that says why it is refused.
func Line(s string, maximum int) (line, problem string) { return clean(s, maximum, false) }

// Lines is Line for a text that may have several.
func Lines(s string, maximum int) (lines, problem string) {
	return clean(strings.ReplaceAll(s, "\r\n", "\n"), maximum, true)
}

// SECURITY: control characters and overrides of the writing direction are refused, because they make names, file names
// and log lines look like others.
func clean(s string, maximum int, multiline bool) (cleaned, problem string) {
	if !utf8.ValidString(s) {
		return "", "This is not valid UTF-8 text."
	}
	if len(s) > 16*maximum+64 { // far over any limit: not worth normalising
		return "", fmt.Sprintf("This is too long; at most %d characters are accepted.", maximum)
	}
	s = strings.TrimSpace(norm.NFC.String(s))
	for _, r := range s {
		if !printable(r) && (!multiline || r != '\n') {
			return "", fmt.Sprintf("The character U+%04X is not accepted here: it is a control character, changes the direction of writing, "+
				"or is not assigned. Remove it.", r)
		}
	}
	if n := utf8.RuneCountInString(s); n > maximum {
		return "", fmt.Sprintf("This has %d characters; at most %d are accepted.", n, maximum)
	}
	return s, ""
}

// printable says whether a character can be shown: letters, marks, digits, punctuation, symbols, spaces, and the
// joiners and marks of direction that scripts and emoji need.
func printable(r rune) bool {
	switch {
	case r == unicode.ReplacementChar, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return false
	case unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs):
		return true
	default:
		return unicode.Is(unicode.Cf, r) && r != 0xfeff && (r < 0xfff9 || r > 0xfffb)
	}
}
