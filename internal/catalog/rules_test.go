package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/optional"
)

func nth(i int) uuid.UUID { return uuid.UUID{15: byte(i), 14: byte(i >> 8)} }

// items makes a list of labels; one in brackets is archived.
func items(labels ...string) []Item {
	list := make([]Item, len(labels))
	for i, label := range labels {
		list[i] = Item{ID: nth(i + 1), Version: 1, Label: strings.Trim(label, "()"), Position: 10 * i, Key: keyOf(CustomerTypes, label)}
		if label[0] == '(' {
			list[i].ArchivedAt = new(time.Time)
		}
	}
	return list
}

// told writes down what is wrong.
func told(faults fault.List) string {
	var all []string
	for _, f := range faults {
		all = append(all, string(f.Code)+" "+strings.Join(f.Path, "."))
	}
	return strings.Join(all, ", ")
}

func TestDraftsOfItems(t *testing.T) {
	t.Parallel()
	key := func(s string) *string { return &s }
	minutes := func(n int) *int { return &n }
	for name, c := range map[string]struct {
		list List
		in   Draft
		want string
	}{
		"a label is enough":              {CustomerTypes, Draft{Label: " Builder "}, ""},
		"a label must be there":          {CustomerTypes, Draft{Label: " "}, "REQUIRED input.label"},
		"an office has a name":           {Offices, Draft{Label: "", TimeZone: key("UTC")}, "REQUIRED input.name"},
		"200 characters are enough":      {CustomerTypes, Draft{Label: strings.Repeat("ü", 201)}, "BAD_USER_INPUT input.label"},
		"a key is for programs":          {CustomerTypes, Draft{Label: "x", Key: key("Big Ones")}, "BAD_USER_INPUT input.key"},
		"an empty key is none":           {CustomerTypes, Draft{Label: "x", Key: key("")}, "BAD_USER_INPUT input.key"},
		"a key of 61 is too long":        {CustomerTypes, Draft{Label: "x", Key: key(strings.Repeat("a", 61))}, "BAD_USER_INPUT input.key"},
		"an office has a zone":           {Offices, Draft{Label: "x", TimeZone: key("Europe/Atlantis")}, "BAD_USER_INPUT input.timeZone"},
		"the machine's zone is none":     {Offices, Draft{Label: "x", TimeZone: key("Local")}, "BAD_USER_INPUT input.timeZone"},
		"a path is no zone":              {Offices, Draft{Label: "x", TimeZone: key("../../etc/passwd")}, "BAD_USER_INPUT input.timeZone"},
		"a zone is enough":               {Offices, Draft{Label: "x", TimeZone: key("America/Argentina/Buenos_Aires")}, ""},
		"a service takes a minute":       {Services, Draft{Label: "x", DurationMinutes: minutes(0)}, "BAD_USER_INPUT input.durationMinutes"},
		"or a year":                      {Services, Draft{Label: "x", DurationMinutes: minutes(525_601)}, "BAD_USER_INPUT input.durationMinutes"},
		"or nobody knows":                {Services, Draft{Label: "x"}, ""},
		"all that is wrong, all at once": {Offices, Draft{Key: key("?")}, "REQUIRED input.name, BAD_USER_INPUT input.key, BAD_USER_INPUT input.timeZone"},
	} {
		c1 := check{list: c.list}
		c1.item(nth(99), c.in)
		if got := told(c1.faults); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	many := func(n int, archived bool) []Item {
		labels := make([]string, n)
		for i := range labels {
			labels[i] = fmt.Sprint("Item ", i)
			if archived {
				labels[i] = "(" + labels[i] + ")"
			}
		}
		return items(labels...)
	}
	for name, c := range map[string]struct {
		before     []Item
		label, key string
		want       string
		wantKey    string
	}{
		"the first one":                       {nil, "Builder", "", "", "builder"},
		"at the end":                          {items("A", "B"), "Builder", "", "", "builder"},
		"a label is there once":               {items("Builder"), "BUILDER", "", "CONFLICT input.label", ""},
		"also with other spaces":              {items("Big  builder"), "big builder", "", "CONFLICT input.label", ""},
		"an accent makes another word":        {items("Cote"), "Côté", "", "", "cote_2"},
		"an archived one does not stand in":   {items("(Builder)"), "Builder", "", "", "builder_2"},
		"the way of a key":                    {nil, "  Müller & Söhne's — 2nd ", "", "", "muller_sohnes_2nd"},
		"a label without letters of a key":    {nil, "李", "", "", "customer_type"},
		"a long one is cut":                   {nil, strings.Repeat("ab ", 66), "", "", strings.TrimRight(strings.Repeat("ab_", 17)[:50], "_")},
		"a given key":                         {items("A"), "B", "own_key", "", "own_key"},
		"a given key that is used":            {items("(A)"), "B", "a", "CONFLICT input.key", ""},
		"200 can be chosen":                   {many(MaxItems, false), "B", "", "CONFLICT input", ""},
		"archived ones do not count for that": {many(MaxItems, true), "B", "", "", "b"},
		"but there are 1,000 in all":          {many(MaxStored, true), "B", "", "CONFLICT input", ""},
	} {
		chk := &check{list: CustomerTypes}
		d := Draft{Label: c.label}
		if c.key != "" {
			d.Key = &c.key
		}
		ch := create(chk, c.before, chk.item(nth(5000), d))
		if got := told(chk.faults); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
			continue
		}
		if c.want != "" {
			continue
		}
		if !ch.New || ch.Item.Key != c.wantKey {
			t.Errorf("%s: got %+v, want a new one with the key %q", name, ch.Item, c.wantKey)
		}
		if !keyForm.MatchString(ch.Item.Key) || len(ch.Item.Key) > MaxKey {
			t.Errorf("%s: made the key %q, which would be refused", name, ch.Item.Key)
		}
		if n := len(c.before); n > 0 && ch.Item.Position <= c.before[n-1].Position {
			t.Errorf("%s: got the place %d, want it behind the others", name, ch.Item.Position)
		}
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	label := func(s string) Patch { return Patch{Label: optional.Some(&s)} }
	zone, minutes := "Asia/Tokyo", 30
	office := Item{ID: nth(1), Label: "Main", TimeZone: "UTC"}
	service := Item{ID: nth(1), Label: "Cut", DurationMinutes: 20}
	for name, c := range map[string]struct {
		list   List
		items  []Item
		in     Patch
		fields string
		want   string
	}{
		"nothing given":                     {CustomerTypes, items("A", "B"), Patch{}, "", ""},
		"the same":                          {CustomerTypes, items("A", "B"), label("A "), "", ""},
		"its own label in other letters":    {CustomerTypes, items("A", "B"), label("a"), "label", ""},
		"another one's label":               {CustomerTypes, items("A", "B"), label("b"), "label", "CONFLICT input.label"},
		"an archived one's label":           {CustomerTypes, items("A", "(B)"), label("b"), "label", ""},
		"an archived one may share a label": {CustomerTypes, items("(A)", "B"), label("b"), "label", ""},
		"no label":                          {CustomerTypes, items("A"), Patch{Label: optional.Some[*string](nil)}, "label", "REQUIRED input.label"},
		"an office moves":                   {Offices, []Item{office}, Patch{TimeZone: optional.Some(&zone)}, "timeZone", ""},
		"but not out of the world":          {Offices, []Item{office}, Patch{TimeZone: optional.Some[*string](nil)}, "timeZone", "BAD_USER_INPUT input.timeZone"},
		"a type has no zone":                {CustomerTypes, items("A"), Patch{TimeZone: optional.Some(&zone)}, "", ""},
		"a service takes longer":            {Services, []Item{service}, Patch{DurationMinutes: optional.Some(&minutes)}, "durationMinutes", ""},
		"or as long as it takes":            {Services, []Item{service}, Patch{DurationMinutes: optional.Some[*int](nil)}, "durationMinutes", ""},
	} {
		chk := &check{list: c.list}
		ch := update(chk, c.items, c.items[0], c.in)
		if got := told(chk.faults); got != c.want || strings.Join(ch.Fields, "+") != c.fields {
			t.Errorf("%s: got %q and fields %v, want %q and %q", name, got, ch.Fields, c.want, c.fields)
		}
	}
}

func TestArchiveAndRestore(t *testing.T) {
	t.Parallel()
	list := items("A", "(B)", "(a)")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if ch := archive(list[0], now); ch.Nothing() || !ch.Item.ArchivedAt.Equal(now) {
		t.Errorf("archiving gave %+v", ch)
	}
	if ch := archive(list[1], now); !ch.Nothing() {
		t.Errorf("archiving an archived one gave %+v, want nothing", ch)
	}
	for i, want := range []string{"", "", "CONFLICT id"} {
		chk := &check{list: CustomerTypes}
		if ch := restore(chk, list, list[i]); told(chk.faults) != want || ch.Nothing() != (i == 0) || ch.Item.ArchivedAt != nil {
			t.Errorf("restoring %q gave %+v, %q; want %q", list[i].Label, ch, told(chk.faults), want)
		}
	}
}

// TestMoveGivesTheOrderThatWasAskedFor tries every item behind every other.
func TestMoveGivesTheOrderThatWasAskedFor(t *testing.T) {
	t.Parallel()
	list := items("A", "B", "(C)", "D", "E")
	for i := range list {
		for k := -1; k < len(list); k++ {
			var after *uuid.UUID
			want := []string{}
			if k < 0 {
				want = append(want, list[i].Label)
			} else {
				after = &list[k].ID
			}
			for j, item := range list {
				if j != i {
					want = append(want, item.Label)
				}
				if j == k && j != i {
					want = append(want, list[i].Label)
				}
			}
			ch, err := move(list, i, after)
			if k == i {
				if fault.CodeOf(err) != fault.BadUserInput {
					t.Errorf("behind itself: %v", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Clone(list)
			places := map[int]bool{}
			for j := range got {
				switch place, moved := ch.Moved[got[j].ID]; {
				case got[j].ID == ch.Item.ID:
					got[j] = ch.Item
				case moved:
					got[j].Position = place
				}
				places[got[j].Position] = true
			}
			slices.SortFunc(got, func(a, b Item) int { return a.Position - b.Position })
			labels := []string{}
			for _, item := range got {
				labels = append(labels, item.Label)
			}
			if !slices.Equal(labels, want) || len(places) != len(list) {
				t.Errorf("%s behind %d: got %v at %v, want %v", list[i].Label, k, labels, places, want)
			}
			if same := k == i-1; ch.Nothing() != same {
				t.Errorf("%s behind %d: nothing %v, want %v", list[i].Label, k, ch.Nothing(), same)
			}
		}
	}
	nobody := nth(99)
	if _, err := move(list, 0, &nobody); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("behind nobody: %v, want NOT_FOUND", err)
	}
}

func TestDefaultsObeyTheRules(t *testing.T) {
	t.Parallel()
	made := map[string][]Item{}
	n := 0
	for _, d := range Defaults(func() uuid.UUID { n++; return nth(n) }) {
		chk := &check{list: d.List}
		item := chk.item(d.Item.ID, Draft{Label: d.Item.Label, TimeZone: &d.Item.TimeZone})
		ch := create(chk, made[d.List.Noun], item)
		want := ch.Item
		want.Position = len(made[d.List.Noun])
		if len(chk.faults) > 0 || d.Item != want {
			t.Errorf("%s: got %+v (%v), want %+v", d.List.Noun, d.Item, chk.faults, want)
		}
		made[d.List.Noun] = append(made[d.List.Noun], d.Item)
	}
	if len(made["CustomerType"]) != 3 || len(made["CustomerOrigin"]) != 5 || len(made["Office"]) != 1 || len(made["Service"]) != 0 {
		t.Errorf("a new account has %v", made)
	}
}
