package search_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"dossier/internal/search"
)

var account = uuid.MustParse("01930000-0000-7000-8000-0123456789ab")

// lexemes gives the lexemes without the tag of the account.
func lexemes(d search.Document) []string {
	var list []string
	for _, l := range d.Lexemes(account) {
		list = append(list, l[7:])
	}
	return list
}

func TestADocumentHasTheWordsOfNamesFoldedWithTheOrderTheyBegin(t *testing.T) {
	t.Parallel()
	got := lexemes(search.Document{
		SortName: "elodie gross", FamilySortName: "gross elodie",
		Names: []string{"Élodie", "GROẞ", "Müller-Lüdenscheidt & Söhne", "O'Brien"},
	})
	want := []string{"fgross", "lelodie", "nbrien", "nludenscheidt", "nmuller", "no", "nsohne"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestADocumentHasTheEndsOfAddressesAndBothEndsOfNumbers(t *testing.T) {
	t.Parallel()
	got := lexemes(search.Document{Emails: []string{"Ada.Lovelace+x@Example.com"}, Phones: []string{"+4930901820", "+15550100"}})
	for _, w := range []string{
		"eada.lovelace+x@example.com", "elovelace+x@example.com", "ex@example.com", "nexample", "nlovelace",
		"p4930901820", "p30901820", "r0281090394", "p15550100", "p5550100", "r00105551",
	} {
		if !slices.Contains(got, w) {
			t.Errorf("%q is not among %q", w, got)
		}
	}
}

func TestLongNamesAndManyContactsStayWithinWhatPostgreSQLTakes(t *testing.T) {
	t.Parallel()
	d := search.Document{Names: []string{strings.Repeat("語", 2000)}}
	for i := range 10_000 {
		d.Names = append(d.Names, "name"+strings.Repeat("x", i%50)+string(rune(0x4e00+i)))
	}
	list := d.Lexemes(account)
	if len(list) > 5000 {
		t.Errorf("%d lexemes", len(list))
	}
	for _, l := range list {
		if len(l) > 600 {
			t.Errorf("a lexeme of %d bytes", len(l))
		}
	}
}

func TestWhatASearchTakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, problem string
		blank         bool
	}{
		{"", "", true},
		{" \t\n ", "", true},
		{"%", "", false},
		{"' | !x:*&<->\\", "", false},
		{strings.Repeat("ä", 200), "", false},
		{strings.Repeat("ä", 201), "is longer than 200 characters", false},
		{strings.Repeat("a ", 10), "", false},
		{strings.Repeat("a ", 11), "has 11 words; at most 10 are allowed", false},
		{strings.Repeat("a-", 11), "has 11 words; at most 10 are allowed", false},
		{"a\x00b", "must be valid Unicode without the character NUL", false},
		{"a\xffb", "must be valid Unicode without the character NUL", false},
	} {
		q, err := search.Parse(c.text)
		switch {
		case c.problem == "" && err != nil, c.problem != "" && (err == nil || err.Error() != c.problem):
			t.Errorf("%q: %v, want %q", c.text, err, c.problem)
		case err == nil && q.Blank != c.blank:
			t.Errorf("%q: blank is %v", c.text, q.Blank)
		}
	}
}

func TestOnlyWordsOfFourLettersAreTakenForMistyped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"ana":                      nil,
		"Schmitd":                  {"schmitd"},
		"Élodie 1234 a5bcd x@y.de": {"elodie"},
		"müller-meier":             nil, // two words in one
		"paul anna":                {"paul", "anna"},
	} {
		q, err := search.Parse(text)
		if got := q.Typed(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestOneWordAloneIsARangeOfAnOrderByName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"Ma": "ma", "ma x": "", "123": "", "12": "12", "a@b": "", "%": ""} {
		q, _ := search.Parse(text)
		if got := q.Beginning(search.LeadDisplay); got != want {
			t.Errorf("%q begins with %q, want %q", text, got, want)
		}
		if got := q.Beginning(search.LeadNone); got != "" {
			t.Errorf("%q without an order begins with %q", text, got)
		}
	}
}

func TestOneTypo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"schmidt", "schmidt", true},
		{"schmitd", "schmidt", true},
		{"schmit", "schmidt", true},
		{"schmiddt", "schmidt", true},
		{"schmixt", "schmidt", true},
		{"xchmidt", "schmidt", true},
		{"schmidx", "schmidt", true},
		{"shcmitd", "schmidt", false},
		{"bcde", "abcd", false},
		{"sch", "schmidt", false},
		{"", "", true},
	} {
		if got := search.OneTypo(c.a, c.b); got != c.want || search.OneTypo(c.b, c.a) != c.want {
			t.Errorf("%s and %s: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

// TestWordsOneTypoApartShareASpelling holds that the look-up by spellings misses no word.
func TestWordsOneTypoApartShareASpelling(t *testing.T) {
	t.Parallel()
	word := rapid.StringOfN(rapid.RuneFrom([]rune("abcé語")), 1, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		if !search.OneTypo(a, b) {
			return
		}
		other := search.Spellings(b)
		if !slices.ContainsFunc(search.Spellings(a), func(s string) bool { return slices.Contains(other, s) }) {
			t.Fatalf("%q and %q have no spelling in common", a, b)
		}
	})
}

func TestLexemesOfTwoAccountsHaveNothingInCommon(t *testing.T) {
	t.Parallel()
	d := search.Document{Names: []string{"Ada"}}
	one, other := d.Lexemes(account), d.Lexemes(uuid.MustParse("01930000-0000-7000-8000-0123456789ac"))
	if slices.Equal(one, other) {
		t.Errorf("both are %q", one)
	}
}

// TestWhoMatchesHasAMaskAndATokenOfTheQuery searches for what a document has: beginnings of its words and numbers, ends of numbers, and
// what a mistyped word was meant for. A signature that lacked a bit of all masks would hide the customer, as would tokens
// outside of all ranges, or a hint without a bit.
func TestWhoMatchesHasAMaskAndATokenOfTheQuery(t *testing.T) {
	t.Parallel()
	words := rapid.SampledFrom([]string{"Élodie", "Gross", "Müller", "O'Brien", "Li", "X", "Ω", "GmbH", "Ahmed", "Schneider-Lüdenscheidt", "日本語"})
	asked := 0
	rapid.Check(t, func(t *rapid.T) {
		d := search.Document{
			Names: rapid.SliceOfN(words, 1, 5).Draw(t, "names"), Kind: rapid.SampledFrom([]string{"PERSON", "COMPANY"}).Draw(t, "kind"),
			Emails: rapid.SliceOfN(rapid.SampledFrom([]string{"ada.lovelace@example.com", "x@y.z"}), 0, 2).Draw(t, "emails"),
			Phones: rapid.SliceOfN(rapid.SampledFrom([]string{"+4930901821", "+12025550143", "+3726123"}), 0, 2).Draw(t, "phones"),
		}
		var text []string
		meant := map[string][]string{}
		for i := range rapid.IntRange(1, 3).Draw(t, "terms") {
			name := []rune(strings.ReplaceAll(strings.ReplaceAll(rapid.SampledFrom(d.Names).Draw(t, "name"), "-", " "), "'", " "))
			term := strings.TrimSpace(string(name[:rapid.IntRange(1, len(name)).Draw(t, "letters")]))
			switch rapid.IntRange(0, 3).Draw(t, "of") {
			case 0:
				if len(d.Phones) > 0 && i == 0 { // two in a row are one number
					p := d.Phones[0][1:]
					term = p[:rapid.IntRange(3, len(p)).Draw(t, "digits")]
					if rapid.Bool().Draw(t, "from behind") {
						term = p[len(p)-len(term):]
					}
				}
			case 1:
				meant["typo"] = d.Words()
				if len(meant["typo"]) > 0 {
					term = "typo"
				}
			}
			text = append(text, term)
		}
		q, err := search.Parse(strings.Join(text, " "))
		if err != nil {
			t.Fatal(err)
		}
		facets := search.Facets{
			Kind: rapid.SampledFrom([]string{"", d.Kind}).Draw(t, "facet"), HasEmail: len(d.Emails) > 0, HasPhone: len(d.Phones) > 0,
		}
		share := rapid.SampledFrom([]func(string) float64{nil, func(begins string) float64 { return 0.3 / float64(len(begins)-7) }}).Draw(t, "share")
		found(t, d, q.Ranges(account, search.LeadNone, meant, share, facets), text)
		masks := q.Masks(meant, facets)
		if len(masks) == 0 {
			return // nobody is hidden
		}
		if asked++; len(masks) > search.MaxMasks {
			t.Fatalf("%d masks", len(masks))
		}
		if !slices.ContainsFunc(masks, d.Signature().Has) {
			t.Fatalf("%q has no mask of %q", d, text)
		}
	})
	if asked < 100 {
		t.Errorf("only %d queries had masks", asked)
	}
}

// found fails unless the document has a token in the ranges, which counts it once, and the bits of the hint.
func found(t *rapid.T, d search.Document, r search.Ranges, text []string) {
	tokens := search.Tokens(d.Lexemes(account))
	in, counted := 0, 0
	for i, from := range r.From {
		for _, token := range tokens {
			if token.Word >= from && token.Word < r.To[i] {
				in++
				if token.Shared < r.Length {
					counted++
				}
			}
		}
	}
	switch hint := d.Hint(tokens); {
	case in == 0:
		t.Fatalf("%v is not in the ranges %v of %q", tokens, r, text)
	case r.Length > 0 && counted != 1:
		t.Fatalf("%v is counted %d times by the ranges %v of %q", tokens, counted, r, text)
	case hint[0]&r.Hint[0] != r.Hint[0] || hint[1]&r.Hint[1] != r.Hint[1]:
		t.Fatalf("%q has the hint %b, which lacks bits of %b of %q", d, hint, r.Hint, text)
	}
}

// TestASignatureTellsCustomersApart: if most customers had the bits of any query, the walk would look at all of them.
func TestASignatureTellsCustomersApart(t *testing.T) {
	t.Parallel()
	q, err := search.Parse("schn")
	if err != nil {
		t.Fatal(err)
	}
	masks := q.Masks(nil, search.Facets{})
	fit := 0
	for i := range 1000 {
		name := "Ab" + strconv.Itoa(i*7919)
		d := search.Document{
			Names: []string{name, "Xaver" + name, "Praxis", "Hotel", "GmbH"}, Emails: []string{name + ".x@gmail.com", "info@" + name + ".example.com"},
			Phones: []string{"+4930" + strconv.Itoa(1000000+i*7), "+4989" + strconv.Itoa(2000000+i*13)}, Kind: "COMPANY",
		}
		if slices.ContainsFunc(masks, d.Signature().Has) {
			fit++
		}
	}
	if fit > 60 {
		t.Errorf("%d of 1000 others have the bits of one word, want a few in a hundred", fit)
	}
	if all := search.Unknown(); !all.Has(masks[0]) {
		t.Error("a signature that was not made yet hides its customer")
	}
}
