package search

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"dossier/internal/fold"
)

// Limits of a search text; they are in the description of the schema.
const (
	MaxText  = 200
	MaxWords = 10
	// MaxMeant is how many words a mistyped one may stand for.
	MaxMeant = 20
)

// Query is a search text that was read.
type Query struct {
	terms []term
	// Blank says that nothing was typed: everything matches. A text without a letter or digit is not blank, and
	// matches nothing.
	Blank bool
}

// term must match; it does when one of its alternatives holds.
type term struct {
	// words must all begin a word of a name or an e-mail address.
	words []string
	// address begins an address, or a part of one.
	address string
	// digits are those of a number as it was typed.
	digits string
}

// Parse reads a search text.
func Parse(text string) (Query, error) {
	if utf8.RuneCountInString(text) > MaxText {
		return Query{}, fmt.Errorf("is longer than %d characters", MaxText)
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return Query{}, fmt.Errorf("must be valid Unicode without the character NUL")
	}
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return Query{Blank: true}, nil
	}
	var q Query
	words := 0
	for len(fields) > 0 {
		n := max(1, numberLength(fields))
		t := newTerm(fields[:n])
		words += len(t.words)
		if len(t.words) > 0 {
			q.terms = append(q.terms, t)
		}
		fields = fields[n:]
	}
	if words > MaxWords {
		return Query{}, fmt.Errorf("has %d words; at most %d are allowed", words, MaxWords)
	}
	return q, nil
}

// numberLength is how many of the first fields are one telephone number, written with spaces.
func numberLength(fields []string) int {
	n := 0
	for n < len(fields) && strings.Trim(fields[n], "0123456789+-./()") == "" {
		n++
	}
	return n
}

func newTerm(fields []string) term {
	text := strings.Join(fields, " ")
	t := term{words: pieces(fold.Text(text))}
	if box := strings.IndexByte(text, '@'); len(fields) == 1 && box > 0 {
		t.address = cut(fold.Email(text))
	}
	if numberLength(fields) == len(fields) {
		if all := onlyDigits(strings.ReplaceAll(text, "(0)", "")); len(all) >= minDigits {
			t.digits = all
		}
	}
	return t
}

// Typed are the words in which an error is possible.
func (q Query) Typed() []string {
	var list []string
	for _, t := range q.terms {
		if t.simple() && correctable(t.words[0]) {
			list = append(list, t.words[0])
		}
	}
	return list
}

// unknownShare is what a term has at least: what is rarer is not among the commonest lexemes.
const unknownShare = 0.001

// share is the part of all customers that have the term.
func (b builder) share(t term, share func(string) float64) float64 {
	if t.address != "" {
		return 0
	}
	sum := 1.0
	for _, w := range t.words { // the customers have all of them
		of := 0.0
		for _, class := range nameClasses {
			of += share(b.tag + string(class) + w)
		}
		sum = min(sum, of)
	}
	if t.digits != "" {
		sum += share(b.tag+string(byte(digits))+strings.TrimLeft(t.digits, "0")) + share(b.tag+string(byte(reversed))+reverse(t.digits))
	}
	return sum
}

// simple says whether the term is one word and nothing else.
func (t term) simple() bool { return len(t.words) == 1 && t.address == "" && t.digits == "" }

// Beginning is what the order's column begins with in those customers that Match leaves out, "" when it leaves none out: the
// one word of the query. With several words the customers that have all of them are few enough without.
func (q Query) Beginning(lead Lead) string {
	if lead == LeadNone || len(q.terms) != 1 || !q.terms[0].simple() {
		return ""
	}
	return q.terms[0].words[0]
}

// Match is the query over the account's lexemes, in the binary form of a tsquery; meant are the words that mistyped ones stand for.
// Customers with Beginning are left out.
//
// SECURITY: in this form nothing that a client typed can become an operator, or reach the lexemes of another tag.
func (q Query) Match(account uuid.UUID, lead Lead, meant map[string][]string) []byte {
	b := builder{tag: tag(account), lead: LeadNone, meant: meant}
	if q.Beginning(lead) != "" {
		b.lead = lead
	}
	all := make([]items, len(q.terms))
	for i, t := range q.terms {
		all[i] = b.term(t)
	}
	if len(all) == 0 {
		all = []items{b.lexeme(nothing, "", false)}
	}
	e := combine(opAnd, all)
	return append(binary.BigEndian.AppendUint32(nil, uint32(e.n)), e.bytes...) //nolint:gosec // a few hundred
}

// The operators, and the types of items, in PostgreSQL's tsquerysend.
const (
	itemValue    = 1
	itemOperator = 2
	opAnd        = 2
	opOr         = 3
)

// items are an expression in prefix notation.
type items struct {
	n     int
	bytes []byte
}

// combine joins expressions, of which there is one at least.
func combine(operator byte, list []items) items {
	e := list[len(list)-1]
	for _, x := range slices.Backward(list[:len(list)-1]) {
		joined := append([]byte{itemOperator, operator}, x.bytes...)
		e = items{1 + x.n + e.n, append(joined, e.bytes...)}
	}
	return e
}

// builder makes expressions; lead is the order whose beginnings are left out.
type builder struct {
	tag   string
	lead  Lead
	meant map[string][]string
}

func (b builder) lexeme(class byte, w string, begins bool) items {
	const anyWeight = 0
	bytes := append([]byte{itemValue, anyWeight, 0}, b.tag...)
	if begins {
		bytes[2] = 1
	}
	bytes = append(append(bytes, class), w...)
	return items{1, append(bytes, 0)}
}

func (b builder) term(t term) items {
	var either []items
	if t.address != "" {
		either = append(either, b.lexeme(address, t.address, true))
	} else {
		all := make([]items, len(t.words))
		for i, w := range t.words {
			all[i] = b.word(w)
		}
		either = append(either, combine(opAnd, all))
	}
	if t.digits != "" {
		if number := t.number(); number != "" {
			either = append(either, b.lexeme(digits, number, true))
		}
		either = append(either, b.lexeme(reversed, reverse(t.digits), true))
	}
	if t.simple() {
		for _, w := range b.meant[t.words[0]] {
			for _, class := range nameClasses {
				either = append(either, b.lexeme(class, w, false))
			}
		}
	}
	return combine(opOr, either)
}

// word matches a beginning of a word, in all classes or in those that the order's column does not begin with.
func (b builder) word(w string) items {
	var either []items
	for _, class := range nameClasses {
		if b.lead.leads(class) {
			continue
		}
		either = append(either, b.lexeme(class, w, true))
	}
	return combine(opOr, either)
}
