package timeline

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"dossier/internal/fault"
)

func lines(err error) []string {
	var out []string
	for _, f := range fault.AsList(err) {
		out = append(out, string(f.Code)+" "+strings.Join(f.Path, "."))
	}
	return out
}

func TestDrafts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		in   Draft
		want []string
	}{
		"a visit in the past":         {Draft{KindVisit, now, "Visit"}, nil},
		"a task to come":              {Draft{KindTask, now.AddDate(20, 0, 0), " Call back "}, nil},
		"what only Dossier writes":    {Draft{KindDocumentAdded, now, "x"}, []string{"BAD_USER_INPUT input.kind"}},
		"no title":                    {Draft{KindCall, now, "  "}, []string{"REQUIRED input.title"}},
		"a title that is too long":    {Draft{KindCall, now, strings.Repeat("ü", 201)}, []string{"BAD_USER_INPUT input.title"}},
		"everything wrong, at once":   {Draft{"x", time.Time{}, "a\nb"}, []string{"BAD_USER_INPUT input.kind", "BAD_USER_INPUT input.at", "BAD_USER_INPUT input.title"}},
		"a time no calendar can hold": {Draft{KindCall, now.AddDate(5000, 0, 0), "x"}, []string{"BAD_USER_INPUT input.at"}},
	} {
		e, err := create(uuid.New(), uuid.New(), c.in)
		if got := lines(err); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
		if err == nil && e.Title != strings.TrimSpace(c.in.Title) {
			t.Errorf("%s: title %q", name, e.Title)
		}
	}
}

func TestPatches(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	stored := Entry{Kind: KindVisit, At: at, Title: "Visit"}
	ptr := func(s string) *string { return &s }
	berlin := at.In(time.FixedZone("", 3600))
	later := at.Add(time.Hour)
	for name, c := range map[string]struct {
		in    Patch
		want  []string
		fault string
	}{
		"nothing":                     {Patch{}, nil, ""},
		"the same values":             {Patch{Kind: ptr(KindVisit), At: &berlin, Title: ptr(" Visit")}, nil, ""},
		"all of it":                   {Patch{Kind: ptr(KindCall), At: &later, Title: ptr("Call")}, []string{"at", "kind", "title"}, ""},
		"an empty title":              {Patch{Title: ptr("")}, nil, "REQUIRED input.title"},
		"a kind that is not of staff": {Patch{Kind: ptr(KindContactAdded)}, nil, "BAD_USER_INPUT input.kind"},
	} {
		_, fields, err := update(stored, c.in)
		if c.fault != "" {
			if got := lines(err); len(got) != 1 || got[0] != c.fault {
				t.Errorf("%s: got %v, want %s", name, err, c.fault)
			}
			continue
		}
		if err != nil || !slices.Equal(fields, c.want) {
			t.Errorf("%s: got %v, %v; want %v", name, fields, err, c.want)
		}
	}
}

func TestEntriesOfDossierCannotBeChanged(t *testing.T) {
	t.Parallel()
	_, _, err := update(Entry{Kind: KindCustomerCreated}, Patch{})
	if got := lines(err); len(got) != 1 || got[0] != "CONFLICT id" {
		t.Errorf("got %v, want CONFLICT at id", err)
	}
}

func TestCutTitle(t *testing.T) {
	t.Parallel()
	if got := CutTitle(strings.Repeat("ü", 200)); utf8.RuneCountInString(got) != 200 || strings.Contains(got, "…") {
		t.Errorf("a title that fits became %q", got)
	}
	if got := CutTitle(strings.Repeat("ü", 201)); utf8.RuneCountInString(got) != 200 || !strings.HasSuffix(got, "ü…") {
		t.Errorf("a title that is too long became %q", got)
	}
}
