package note

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/optional"
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
	for name, c := range map[string]struct {
		in, body string
		want     []string
	}{
		"several lines":                 {" One\r\n\nTwo ", "One\n\nTwo", nil},
		"the longest text":              {strings.Repeat("é", MaxBody), strings.Repeat("é", MaxBody), nil},
		"one character too many":        {strings.Repeat("é", MaxBody+1), "", []string{"BAD_USER_INPUT input.body"}},
		"nothing but white space":       {" \n ", "", []string{"REQUIRED input.body"}},
		"a control character":           {"a\x00b", "", []string{"BAD_USER_INPUT input.body"}},
		"markup is text like any other": {"<script>alert(1)</script>", "<script>alert(1)</script>", nil},
	} {
		n, err := create(uuid.New(), uuid.New(), Draft{Body: c.in})
		if got := lines(err); !slices.Equal(got, c.want) || n.Body != c.body {
			t.Errorf("%s: got %.20q, %v; want %.20q, %v", name, n.Body, got, c.body, c.want)
		}
	}
}

func TestPatches(t *testing.T) {
	t.Parallel()
	stored := Note{Body: "Text", Pinned: false}
	text := func(s string) optional.Field[*string] { return optional.Some(&s) }
	pin := func(b bool) optional.Field[*bool] { return optional.Some(&b) }
	for name, c := range map[string]struct {
		in     Patch
		fields []string
		edited bool
		faults []string
	}{
		"nothing":                  {Patch{}, nil, false, nil},
		"the same values":          {Patch{Body: text(" Text "), Pinned: pin(false)}, nil, false, nil},
		"another text":             {Patch{Body: text("Other")}, []string{"body"}, true, nil},
		"pinning is no edit":       {Patch{Pinned: pin(true)}, []string{"pinned"}, false, nil},
		"both":                     {Patch{Body: text("Other"), Pinned: pin(true)}, []string{"body", "pinned"}, true, nil},
		"nulls, both told at once": {Patch{Body: optional.Some[*string](nil), Pinned: optional.Some[*bool](nil)}, nil, false, []string{"REQUIRED input.body", "BAD_USER_INPUT input.pinned"}},
	} {
		err := c.in.clean()
		if got := lines(err); !slices.Equal(got, c.faults) {
			t.Errorf("%s: got %v, want %v", name, got, c.faults)
		}
		if err != nil {
			continue
		}
		if ch := c.in.apply(stored); !slices.Equal(ch.Fields, c.fields) || ch.Edited != c.edited {
			t.Errorf("%s: got %v, edited %v; want %v, %v", name, ch.Fields, ch.Edited, c.fields, c.edited)
		}
	}
}

// TestTheLineTellsNothingOfTheText: who reads a timeline need not be somebody who may read notes.
func TestTheLineTellsNothingOfTheText(t *testing.T) {
	t.Parallel()
	n := Note{ID: uuid.New(), Body: "Secret"}
	if line := n.Line(time.Now()); strings.Contains(line.Title, "Secret") || *line.SubjectID != n.ID {
		t.Errorf("got %+v, want a line without the text that leads to the note", line)
	}
}
