package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"dossier/internal/fold"
)

const (
	// maxLexeme is the most bytes of a word that count; PostgreSQL takes 2,046 of a lexeme.
	maxLexeme = 500
	// maxLexemes bounds a document: PostgreSQL takes a megabyte of lexemes. A customer with more than some hundred contacts
	// is not found by the last of them.
	maxLexemes = 5000
	// fuzzyFrom and fuzzyTo are the lengths, in letters, of words in which an error is looked for.
	fuzzyFrom, fuzzyTo = 4, 40
	// tagLength is that of the tag of an account, in bytes.
	tagLength = 7
	// minDigits is how many digits of a telephone number a search takes at least.
	minDigits = 3
)

// Lead is an order of the directory that begins with a name.
type Lead byte

// The orders. A word that the order's own column begins with is not looked up among the lexemes in that order: these
// customers stand in one piece of the order's index.
const (
	LeadNone Lead = iota
	LeadDisplay
	LeadFamily
)

// The classes of lexemes: the first letter behind the tag. Words of names and addresses have one of the first four, by
// the orders whose column begins with them.
const (
	inside     = 'n'
	ledDisplay = 'l'
	ledFamily  = 'f'
	ledBoth    = 'b'
	address    = 'e'
	digits     = 'p'
	reversed   = 'r'
	nothing    = '-' // no document has it
)

var nameClasses = []byte{inside, ledDisplay, ledFamily, ledBoth}

// Document is what a customer can be found by. SortName and FamilySortName are the folded columns of the two orders by name.
type Document struct {
	SortName       string
	FamilySortName string
	// Kind is the customer's; nobody is found by it, but searches are narrowed by it.
	Kind   string
	Names  []string
	Emails []string
	// Phones are in the form of E.164.
	Phones []string
}

// Words are the words of the names, sorted, each once: what a mistyped word may have meant.
func (d Document) Words() []string {
	var list []string
	for _, name := range d.Names {
		for _, w := range pieces(fold.Text(name)) {
			if correctable(w) {
				list = append(list, w)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Lexemes are what is stored in the index for a customer of the account, sorted, each once.
func (d Document) Lexemes(account uuid.UUID) []string {
	t := tag(account)
	var list []string
	add := func(class byte, word string) { list = append(list, t+string(class)+word) }
	word := func(w string) {
		class := byte(inside)
		switch display, family := strings.HasPrefix(d.SortName, w), strings.HasPrefix(d.FamilySortName, w); {
		case display && family:
			class = ledBoth
		case display:
			class = ledDisplay
		case family:
			class = ledFamily
		}
		add(class, w)
	}
	for _, name := range d.Names {
		for _, w := range pieces(fold.Text(name)) {
			word(w)
		}
	}
	for _, e := range d.Emails {
		for _, w := range pieces(fold.Text(e)) {
			word(w)
		}
		for _, part := range addressParts(fold.Email(e)) {
			add(address, cut(part))
		}
	}
	for _, p := range d.Phones {
		all := onlyDigits(p)
		add(digits, all)
		add(digits, national(all))
		add(reversed, reverse(all))
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), maxLexemes)]
}

// tag is what all lexemes of an account begin with. Two accounts may have the same: it makes searches fast, and only
// the account's predicate in every statement keeps them apart.
func tag(account uuid.UUID) string {
	const letters = "abcdefghijklmnopqrstuvwxyz012345"
	var t [tagLength]byte
	for i := range t {
		t[i] = letters[account[len(account)-1-i]&31]
	}
	return string(t[:])
}

// pieces are the words of a folded text: its runs of letters and digits.
func pieces(folded string) []string {
	list := strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) })
	for i := range list {
		list[i] = cut(list[i])
	}
	return list
}

// addressParts are the ends of an e-mail address that begin with a part of its mailbox; the first is the whole.
func addressParts(folded string) []string {
	list := []string{folded}
	box := strings.LastIndexByte(folded, '@')
	for i := 1; i < box; i++ {
		if strings.IndexByte("._-+", folded[i-1]) >= 0 && strings.IndexByte("._-+", folded[i]) < 0 {
			list = append(list, folded[i:])
		}
	}
	return list
}

// cut cuts a word to maxLexeme bytes, between two letters.
func cut(w string) string {
	if len(w) <= maxLexeme {
		return w
	}
	end := maxLexeme
	for !utf8.RuneStart(w[end]) {
		end--
	}
	return w[:end]
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

func reverse(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// twoDigits are the country calling codes of two digits; 1 and 7 have one, all others three (ITU-T E.164).
const twoDigits = " 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 "

// national is a number without its country calling code.
func national(e164 string) string {
	n := 3
	switch {
	case strings.HasPrefix(e164, "1"), strings.HasPrefix(e164, "7"):
		n = 1
	case len(e164) >= 2 && strings.Contains(twoDigits, " "+e164[:2]+" "):
		n = 2
	}
	return e164[min(n, len(e164)):]
}
