package job

import "strings"

// formulaStarts are the characters that make a spreadsheet take a cell for a formula: those of OWASP's list, and their
// full-width forms, which some take for the same.
const formulaStarts = "=+-@\t\r\n＝＋－＠"

// defuse makes a cell that a spreadsheet would take for a formula text, by an apostrophe before it. One that begins with
// apostrophes before such a character gets one more, so that armed always gives back what was there.
//
// SECURITY: names come from anybody who fills in a form; opened in a spreadsheet, =HYPERLINK(...) or =cmd|... in a name
// would run as the person who exported (CWE-1236).
func defuse(s string) string {
	if isFormula(s) {
		return "'" + s
	}
	return s
}

// armed takes the apostrophe away again.
func armed(s string) string {
	if strings.HasPrefix(s, "'") && isFormula(s) {
		return s[1:]
	}
	return s
}

func isFormula(s string) bool {
	s = strings.TrimLeft(s, "'")
	for _, r := range s {
		return strings.ContainsRune(formulaStarts, r)
	}
	return false
}
