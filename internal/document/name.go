package document

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"dossier/internal/fault"
)

// The longest texts, in characters, as the schema says.
const (
	MaxFileNameLength = 255
	MaxTitleLength    = 200
)

// noName is what a file without a name is called.
const noName = "unnamed"

// cleanFileName gives the name as it is kept: what the client sent, letter by letter, without the folders before it (old
// browsers send a whole path). What would deceive or break whoever shows it becomes an underscore: control characters,
// line separators, the marks that reverse the direction of writing (they make "gpj.exe" look like "exe.jpg"), and bytes
// that are no UTF-8. A name that is too long is refused, because cutting it could make two different names equal.
func cleanFileName(name string, path []string) (string, error) {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		if deceptive(r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	name = strings.TrimSpace(name)
	if strings.Trim(name, ". ") == "" {
		return noName, nil
	}
	if n := utf8.RuneCountInString(name); n > MaxFileNameLength {
		return shorten(name, MaxFileNameLength), fault.At(fault.BadUserInput, path,
			"The name of the file has %d characters, at most %d are allowed. Rename the file.", n, MaxFileNameLength)
	}
	return name, nil
}

func deceptive(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// cleanTitle gives the title as it is kept: composed (NFC), so that what is typed finds it, in one line.
func cleanTitle(title string, path []string) (string, error) {
	title = strings.TrimSpace(norm.NFC.String(strings.Map(func(r rune) rune {
		if deceptive(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(title, "\uFFFD"))))
	if n := utf8.RuneCountInString(title); n > MaxTitleLength {
		return "", fault.At(fault.BadUserInput, path, "The title has %d characters, at most %d are allowed. Shorten it.", n, MaxTitleLength)
	}
	return title, nil
}

// titleOf is the title of a document that was given none: the file's name.
func titleOf(title, fileName string) string {
	if title != "" {
		return title
	}
	return shorten(norm.NFC.String(fileName), MaxTitleLength)
}

// shorten cuts s to n characters.
func shorten(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// checkDate keeps dates to years that every client can show.
func checkDate(date *time.Time, path []string) error {
	if date != nil && (date.Year() < 1900 || date.Year() > 9999) {
		return fault.At(fault.BadUserInput, path, "The date must lie between 1900-01-01 and 9999-12-31.")
	}
	return nil
}
