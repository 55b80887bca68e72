package search

import (
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Token is a lexeme of a customer as a row of its own, without the tag: a table of tokens is in order by account and word, so that
// those who have a word that begins somehow are a range of its index.
type Token struct {
	Word string
	// Shared is how many bytes of it another token of the customer begins with that comes before it. Of the customer's tokens
	// which begin with a longer text, only the first has less: who counts those counts each customer once.
	Shared int16
}

// Tokens are the tokens of lexemes, in their order.
func Tokens(lexemes []string) []Token {
	tokens := make([]Token, len(lexemes))
	order := make([]int, len(lexemes))
	for i, l := range lexemes {
		tokens[i].Word, order[i] = l[tagLength:], i
	}
	// The classes of names count as one: a query looks for a word in all of them.
	text := func(i int) (byte, string) {
		w := tokens[i].Word
		if slices.Contains(nameClasses, w[0]) {
			return inside, w[1:]
		}
		return w[0], w[1:]
	}
	slices.SortFunc(order, func(a, b int) int {
		classA, wordA := text(a)
		classB, wordB := text(b)
		if classA != classB {
			return int(classA) - int(classB)
		}
		return strings.Compare(wordA, wordB)
	})
	for k := 1; k < len(order); k++ {
		class, word := text(order[k])
		if before, other := text(order[k-1]); before == class {
			n := 0
			for n < min(len(word), len(other)) && word[n] == other[n] {
				n++
			}
			tokens[order[k]].Shared = int16(n) //nolint:gosec // at most maxLexeme
		}
	}
	return tokens
}

// Hint is a signature of 126 bits that each token of a customer carries: of those who have one word of a query, most that lack the others
// are passed by without a look at their documents. Whoever matches has all bits of the query's hint.
type Hint [2]int64

// The parts of a hint: for the first letter of each word, which it knows exactly where that is one of the alphabet's, for the first two
// and the first four letters of each, and for what filters ask for.
const (
	hintLetters = 'z' - 'a' + 1
	hintOthers  = 4
	hintSecond  = 42
	hintFourth  = 50
	hintFacets  = 4

	hintHalf = 63 // the bits of each half: signs stay out of it
)

func (h *Hint) set(bit uint64) { h[bit/hintHalf] |= 1 << (bit % hintHalf) }

// add sets the bit of a text in the part that begins at a bit and has so many.
func (h *Hint) add(text string, from, bits uint64) {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(text))
	h.set(from + sum.Sum64()>>7%bits)
}

// addWord adds a word, or a beginning of one.
func (h *Hint) addWord(w string) {
	letters := 0
	add := func(end int) {
		switch letters {
		case 1:
			if first := w[0]; 'a' <= first && first <= 'z' {
				h.set(uint64(first - 'a'))
			} else {
				h.add(w[:end], hintLetters, hintOthers)
			}
		case 2:
			h.add(w[:end], hintLetters+hintOthers, hintSecond)
		case 4:
			h.add(w[:end], hintLetters+hintOthers+hintSecond, hintFourth)
		}
	}
	for at := range w {
		add(at)
		if letters++; letters > 4 {
			return
		}
	}
	add(len(w))
}

func (h *Hint) addFacets(f Facets) {
	const from = hintLetters + hintOthers + hintSecond + hintFourth
	if f.Kind != "" {
		h.add(entryKind+f.Kind, from, hintFacets-2)
	}
	if f.HasEmail {
		h.set(from + hintFacets - 2)
	}
	if f.HasPhone {
		h.set(from + hintFacets - 1)
	}
}

// Hint is that of the document which has the tokens.
func (d Document) Hint(tokens []Token) (h Hint) {
	h.addFacets(Facets{Kind: d.Kind, HasEmail: len(d.Emails) > 0, HasPhone: len(d.Phones) > 0})
	for _, t := range tokens {
		if slices.Contains(nameClasses, t.Word[0]) {
			h.addWord(t.Word[1:])
		}
	}
	return h
}

// Ranges are where the tokens are of those who may match: each begins at one of From and is less than the To beside it.
type Ranges struct {
	From, To []string
	// Exact says that whoever has such a token matches.
	Exact bool
	// Length is how many bytes all that is between From and To begins with, where that is one word: see Token.Shared. It is 0
	// where nobody can be counted by it.
	Length int16
	// Hint is that of the query.
	Hint Hint
}

// behind is greater than all that goes on, and barely greater than what does not.
const (
	behindAll  = "\U0010FFFF"
	behindSelf = "\x01"
)

// Ranges gives the ranges of the query's rarest term. Customers with Beginning are left out; share says which part of all customers
// has a lexeme that begins so, and is nil where nobody knows.
func (q Query) Ranges(account uuid.UUID, lead Lead, meant map[string][]string, share func(lexeme string) float64, facets Facets) Ranges {
	var r Ranges
	r.Hint.addFacets(facets)
	for _, t := range q.terms {
		if t.address == "" && t.digits == "" && (!t.simple() || len(meant[t.words[0]]) == 0) {
			for _, w := range t.words {
				r.Hint.addWord(w)
			}
		}
	}
	if len(q.terms) == 0 {
		return r
	}
	if q.Beginning(lead) == "" {
		lead = LeadNone
	}
	t := q.rarest(account, share)
	r.Exact = len(q.terms) == 1 && (t.address != "" || len(t.words) == 1)
	begins := func(class byte, w string) {
		r.From, r.To = append(r.From, string(class)+w), append(r.To, string(class)+w+behindAll)
	}
	if t.address != "" {
		begins(address, t.address)
	} else {
		w := t.rarestWord(account, share)
		for _, class := range nameClasses {
			if !lead.leads(class) {
				begins(class, w)
			}
		}
		if r.Exact && t.simple() && len(meant[w]) == 0 {
			r.Length = int16(len(w)) //nolint:gosec // at most maxLexeme
		}
	}
	if t.digits != "" {
		if number := t.number(); number != "" {
			begins(digits, number)
		}
		begins(reversed, reverse(t.digits))
	}
	if t.simple() {
		for _, w := range meant[t.words[0]] {
			for _, class := range nameClasses {
				r.From, r.To = append(r.From, string(class)+w), append(r.To, string(class)+w+behindSelf)
			}
		}
	}
	return r
}

// rarest is the term that the fewest customers have, as far as it is known. Of two that are as rare it is the longer one.
func (q Query) rarest(account uuid.UUID, share func(string) float64) (rarest term) {
	b := builder{tag: tag(account)}
	least, longest := math.Inf(1), 0
	for _, t := range q.terms {
		of, length := 0.0, len(t.address)+len(t.digits)
		if share != nil {
			of = max(b.share(t, share), unknownShare)
		}
		for _, w := range t.words {
			length = max(length, len(w))
		}
		if of < least || of == least && length > longest {
			rarest, least, longest = t, of, length
		}
	}
	return rarest
}

// rarestWord is rarest for the words of the term.
func (t term) rarestWord(account uuid.UUID, share func(string) float64) string {
	words := Query{}
	for _, w := range t.words {
		words.terms = append(words.terms, term{words: []string{w}})
	}
	return words.rarest(account, share).words[0]
}

// leads says whether the order's column begins with the words of the class.
func (l Lead) leads(class byte) bool {
	return l == LeadDisplay && class == ledDisplay || l == LeadFamily && class == ledFamily || l != LeadNone && class == ledBoth
}
