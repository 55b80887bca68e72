package attribute

import (
	"regexp"
	"strconv"
	"strings"

	"dossier/internal/fold"
)

var keyForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

const keyRule = "A key is a letter from a to z, then letters from a to z, digits and underscores; at most 60 characters."

func validKey(key string) bool { return len(key) <= MaxKey && keyForm.MatchString(key) }

// makeKey makes a key of a label that no other one has: "Größe (cm)" becomes grosse_cm. A label without any letter from a
// to z becomes the fallback.
func makeKey(label, fallback string, taken func(key string) bool) string {
	var b strings.Builder
	gap := false
	for _, r := range fold.Text(label) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && b.Len() > 0:
			if gap {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(r)
		default:
			gap = b.Len() > 0
		}
	}
	key := b.String()
	if key == "" {
		key = fallback
	}
	if len(key) > MaxKey {
		key = strings.TrimRight(key[:MaxKey], "_")
	}
	if !taken(key) {
		return key
	}
	for n := 2; ; n++ {
		suffix := "_" + strconv.Itoa(n)
		next := strings.TrimRight(key[:min(len(key), MaxKey-len(suffix))], "_") + suffix
		if !taken(next) {
			return next
		}
	}
}
