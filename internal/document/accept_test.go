package document

import (
	"maps"
	"slices"
	"testing"

	"dossier/internal/attribute"
)

func TestAcceptListsHaveTypesRangesAndGroups(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list      []string
		mediaType string
		want      bool
	}{
		{nil, "application/pdf", true},
		{[]string{"application/pdf"}, "application/pdf", true},
		{[]string{"application/pdf"}, "application/pdfx", false},
		{[]string{"image/*"}, "image/png", true},
		{[]string{"image/*"}, "imagex/png", false},
		{[]string{"IMAGE"}, "image/jpeg", true},
		{[]string{"IMAGE"}, "application/pdf", false},
		{[]string{"OFFICE", "ARCHIVE"}, "application/zip", true},
		{[]string{"OFFICE"}, "application/msword", true},
		{[]string{"TABLE"}, "text/csv", true},
		{[]string{"TEXT"}, "text/csv", true},
		{[]string{"image"}, "image/png", false},
	} {
		if got := Accepts(c.list, c.mediaType); got != c.want {
			t.Errorf("%v has %s: %v, want %v", c.list, c.mediaType, got, c.want)
		}
	}
	groups, names := slices.Sorted(maps.Keys(Groups)), slices.Sorted(slices.Values(attribute.AcceptGroups))
	if !slices.Equal(groups, names) {
		t.Errorf("the groups are %v, definitions may name %v", groups, names)
	}
}
