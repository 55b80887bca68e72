package fold_test

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"dossier/internal/fold"
)

func TestTextFoldsCaseAccentsAndSpaces(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"  Élodie  GROẞ ": "elodie gross", "Ångström": "angstrom", "ＡＢＣ": "abc", "Łódź": "łodz", "": "", "ΣΊΣΥΦΟΣ": "σισυφοσ",
	} {
		if got := fold.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFoldingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		once := fold.Text(s)
		if twice := fold.Text(once); twice != once {
			t.Fatalf("Text(Text(%q)) = %q, want %q", s, twice, once)
		}
	})
}

// TestTextsOfASCIIAreFoldedAlike: a letter beyond makes the whole text go the long way, and what is before it must come out as
// without that letter.
func TestTextsOfASCIIAreFoldedAlike(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.RuneFrom(nil, &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0, Hi: 127, Stride: 1}}})).Draw(t, "s")
		if got, want := fold.Text(s), strings.TrimSuffix(strings.TrimSuffix(fold.Text(s+" ł"), "ł"), " "); got != want {
			t.Fatalf("Text(%q) = %q, the long way gives %q", s, got, want)
		}
	})
}

func TestLabel(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"  Big  BUILDER ": "big builder", "Côté": "côté", "ＡＢＣ": "abc", "Straße": "strasse", "バス": "バス", "ハス": "ハス", "e\u0301": "é",
	} {
		if got := fold.Label(in); got != want {
			t.Errorf("Label(%q) = %q, want %q", in, got, want)
		}
	}
}
