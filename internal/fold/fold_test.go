package fold_test

import (
	"testing"

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
