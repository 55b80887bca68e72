package search

import (
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strings"

	"dossier/internal/fold"
)

// A signature is a Bloom filter of what a customer can be found by: beginnings of its words and numbers, and what filters ask
// for most. It fits into an index of an order of the directory, so that a search can walk along the order and pass by
// those who do not match without a look at their documents. A customer who matches a query has all bits of one of the query's
// masks; of those who do not, a few in a hundred have them too, so a signature never says that somebody matches.
const (
	// SignatureBits is the length of a signature.
	SignatureBits = 512
	// bitsPerEntry are set for each beginning: with some 60 of them three in a hundred customers look like any other.
	bitsPerEntry = 3
	// MaxMasks is how many masks a query has at most.
	MaxMasks = 6
)

// Signature is a signature, or a mask of one.
type Signature [SignatureBits / 8]byte

// Unknown is the signature of a customer of whom nothing is known: it has all bits.
func Unknown() (s Signature) {
	for i := range s {
		s[i] = 0xff
	}
	return s
}

// Hex gives the signature in hexadecimal digits, the first bit first.
func (s Signature) Hex() string { return hex.EncodeToString(s[:]) }

// Has says whether all bits of a mask are set.
func (s Signature) Has(mask Signature) bool {
	for i := range s {
		if s[i]&mask[i] != mask[i] {
			return false
		}
	}
	return true
}

// The kinds of entries.
const (
	entryWord     = "w"
	entryDigits   = "d"
	entryReversed = "r"
	entryKind     = "k"
	entryHas      = "h"
)

// wordLengths are the beginnings of a word that are entries, in letters, and numberLengths those of a number, in digits. A mask has
// all of them that what is looked for has.
var (
	wordLengths   = []int{1, 2, 3, 4, 6}
	numberLengths = []int{3, 4, 6}
)

func (s *Signature) add(kind, value string) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(kind))
	_, _ = h.Write([]byte(value))
	for sum, i := h.Sum64(), 0; i < bitsPerEntry; i++ {
		bit := sum >> (20 * i) % SignatureBits
		s[bit/8] |= 0x80 >> (bit % 8)
	}
}

// addBeginnings adds the beginnings of a value of each length.
func (s *Signature) addBeginnings(kind, value string, lengths []int) {
	letters, n := 0, 0
	for at := range value {
		if n < len(lengths) && letters == lengths[n] {
			s.add(kind, value[:at])
			n++
		}
		letters++
	}
	if n < len(lengths) && letters == lengths[n] {
		s.add(kind, value)
	}
}

// Signature is the document's.
func (d Document) Signature() (s Signature) {
	for _, list := range [][]string{d.Names, d.Emails} {
		for _, text := range list {
			for _, w := range pieces(fold.Text(text)) {
				s.addBeginnings(entryWord, w, wordLengths)
			}
		}
	}
	for _, p := range d.Phones {
		all := onlyDigits(p)
		s.addBeginnings(entryDigits, all, numberLengths)
		s.addBeginnings(entryDigits, national(all), numberLengths)
		s.addBeginnings(entryReversed, reverse(all), numberLengths)
	}
	facets := Facets{Kind: d.Kind, HasEmail: len(d.Emails) > 0, HasPhone: len(d.Phones) > 0}
	facets.addTo(&s)
	return s
}

// Facets are what filters ask for that a signature knows. The zero value asks for nothing.
type Facets struct {
	// Kind is the customer's.
	Kind string
	// HasEmail and HasPhone say that the customer or one of its contacts has one.
	HasEmail, HasPhone bool
}

func (f Facets) addTo(s *Signature) {
	if f.Kind != "" {
		s.add(entryKind, f.Kind)
	}
	if f.HasEmail {
		s.add(entryHas, "email")
	}
	if f.HasPhone {
		s.add(entryHas, "phone")
	}
}

// Masks are the masks of the query: whoever matches has all bits of one of them. There are none when a signature knows too
// little of the query to be asked.
func (q Query) Masks(meant map[string][]string, facets Facets) []Signature {
	masks := make([]Signature, 1, MaxMasks)
	known := false
	for _, t := range q.terms {
		either := t.masks(meant)
		if len(either) == 0 || len(either)*len(masks) > MaxMasks {
			continue // the other terms are asked for
		}
		known = true
		product := make([]Signature, 0, MaxMasks)
		for _, m := range masks {
			for _, e := range either {
				product = append(product, m.with(e))
			}
		}
		masks = product
	}
	if !known {
		return nil
	}
	for i := range masks {
		facets.addTo(&masks[i])
	}
	return masks
}

func (s Signature) with(mask Signature) Signature {
	for i := range s {
		s[i] |= mask[i]
	}
	return s
}

// masks are those of the term's alternatives; none where one of them can be anything.
func (t term) masks(meant map[string][]string) []Signature {
	if t.address != "" {
		return nil
	}
	var words Signature
	for _, w := range t.words {
		words.addBeginnings(entryWord, w, wordLengths)
	}
	either := []Signature{words}
	if t.digits != "" {
		var begins, ends Signature
		begins.addBeginnings(entryDigits, t.number(), numberLengths)
		ends.addBeginnings(entryReversed, reverse(t.digits), numberLengths)
		either = append(either, begins, ends)
	}
	if t.simple() {
		for _, w := range meant[t.words[0]] {
			var m Signature
			m.addBeginnings(entryWord, w, wordLengths)
			either = append(either, m)
		}
	}
	if slices.Contains(either, Signature{}) {
		return nil
	}
	return either
}

// number is what a telephone number begins with in one of its forms.
func (t term) number() string { return strings.TrimPrefix(strings.TrimPrefix(t.digits, "00"), "0") }
