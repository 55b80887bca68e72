package customer

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"dossier/internal/fault"
)

// check collects all that is wrong with an input, so that a client can show everything at once.
type check struct {
	faults fault.List
	newID  func() uuid.UUID
}

func (c *check) bad(path []string, format string, args ...any) {
	c.faults = append(c.faults, fault.At(fault.BadUserInput, path, format, args...))
}

func (c *check) required(path []string, format string, args ...any) {
	c.faults = append(c.faults, fault.At(fault.Required, path, format, args...))
}

func (c *check) missing(path []string, noun string) {
	c.faults = append(c.faults, fault.At(fault.NotFound, path, "The %s does not exist here.", noun))
}

// at extends a path without touching the one it is made from.
func at(path []string, more ...string) []string { return append(slices.Clip(path), more...) }

func item(path []string, i int) []string { return at(path, strconv.Itoa(i)) }

// line reads a text of one line: without white space around it, in the normal form NFC, "" for null.
func (c *check) line(path []string, s *string, maximum int) string {
	if s == nil {
		return ""
	}
	return c.text(path, *s, maximum, false)
}

// lines is line for a text that may have several.
func (c *check) lines(path []string, s *string, maximum int) string {
	if s == nil {
		return ""
	}
	return c.text(path, strings.ReplaceAll(*s, "\r\n", "\n"), maximum, true)
}

func (c *check) text(path []string, s string, maximum int, multiline bool) string {
	text, problem := CleanText(s, maximum, multiline)
	if problem != "" {
		c.bad(path, "%s", problem)
		return ""
	}
	return text
}

// CleanText gives a text as it is stored: NFC, without white space around it. The problem, when there is one, is a
// message for the client.
//
// SECURITY: control characters and overrides of the writing direction are refused, because they make names, file names
// and log lines look like others.
func CleanText(s string, maximum int, multiline bool) (text, problem string) {
	if !utf8.ValidString(s) {
		return "", "This is not valid UTF-8 text."
	}
	s = strings.TrimSpace(norm.NFC.String(s))
	for _, r := range s {
		if multiline && r == '\n' {
			continue
		}
		if !printable(r) {
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

func given(fields map[string]bool) []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name := range maps.Keys(fields) {
			if fields[name] && !yield(name) {
				return
			}
		}
	})
}
