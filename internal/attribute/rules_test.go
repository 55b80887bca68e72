package attribute

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// numbered gives ids 1, 2, 3, ...
func numbered() func() uuid.UUID {
	n := uint64(0)
	return func() (id uuid.UUID) {
		n++
		binary.BigEndian.PutUint64(id[8:], n)
		return id
	}
}

func ptr[T any](v T) *T { return &v }

// paths gives the places of what is wrong, each with its code.
func paths(list fault.List) []string {
	out := []string{}
	for _, f := range list {
		out = append(out, string(f.Code)+" "+strings.Join(f.Path, "."))
	}
	slices.Sort(out)
	return out
}

func TestKeysAreMadeFromLabels(t *testing.T) {
	t.Parallel()
	taken := map[string]bool{"size": true, "size_2": true, strings.Repeat("a", MaxKey): true}
	for label, want := range map[string]string{
		"Größe (cm)": "grosse_cm", "  Élodie's  file ": "elodie_s_file", "3D model": "d_model", "李雷": "attribute", "": "attribute", "__x__": "x",
		"Size": "size_3", strings.Repeat("A", 80): strings.Repeat("a", MaxKey-2) + "_2", "A1 b2": "a1_b2",
	} {
		got := makeKey(label, "attribute", func(key string) bool { return taken[key] })
		if got != want || !validKey(got) {
			t.Errorf("makeKey(%q) = %q, want %q", label, got, want)
		}
	}
	for _, key := range []string{"", "1a", "_a", "A", "a-b", "é", strings.Repeat("a", 61), "a b"} {
		if validKey(key) {
			t.Errorf("%q counts as a key", key)
		}
	}
}

func TestCreateMakesADefinition(t *testing.T) {
	t.Parallel()
	kind := typeid.New()
	c := &check{newID: numbered(), types: []uuid.UUID{kind}}
	ch := create(c, []Definition{{Key: "size", Position: 4}}, Draft{
		Label: " Size ", Type: Select, Required: true, Options: []OptionInput{{Label: "Small"}, {Label: "Small"}, {Key: ptr("xl"), Label: "Extra large"}},
		CustomerTypeIDs: []string{typeid.Format(typeid.CustomerType, kind), typeid.Format(typeid.CustomerType, kind)},
	})
	if len(c.faults) > 0 {
		t.Fatal(c.faults)
	}
	d := ch.Definition
	if d.Key != "size_2" || d.Label != "Size" || d.Position != 5 || !d.Required || !ch.New || ch.Event != timeline.AttributeCreated || len(d.CustomerTypes) != 1 {
		t.Errorf("got %+v", ch)
	}
	var keys []string
	for _, o := range d.Options {
		keys = append(keys, o.Key)
	}
	if !slices.Equal(keys, []string{"small", "small_2", "xl"}) {
		t.Errorf("the options have the keys %v", keys)
	}
}

func TestAllThatIsWrongWithADefinitionIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	old := []Definition{{Key: "size"}}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		draft Draft
		want  []string
	}{
		"a text": {
			Draft{
				Key: ptr("Size"), Label: " ", Type: Text, Options: []OptionInput{{Label: "x"}}, Accept: []string{"image/*"}, MaxFiles: ptr(0),
				CustomerTypeIDs: []string{"cty_nonsense", typeid.Format(typeid.CustomerType, typeid.New())},
				Validation:      &ValidationInput{MinLength: ptr(5), MaxLength: ptr(2), Pattern: ptr("(?=x)"), Minimum: ptr("1"), LatestTime: &day},
			},
			[]string{
				"BAD_USER_INPUT input.accept", "BAD_USER_INPUT input.key", "BAD_USER_INPUT input.maxFiles", "BAD_USER_INPUT input.options",
				"BAD_USER_INPUT input.validation.latestTime", "BAD_USER_INPUT input.validation.maxLength", "BAD_USER_INPUT input.validation.minimum",
				"BAD_USER_INPUT input.validation.pattern", "NOT_FOUND input.customerTypeIds.0", "NOT_FOUND input.customerTypeIds.1", "REQUIRED input.label",
			},
		},
		"a choice of nothing": {
			Draft{Key: ptr("size"), Label: "Size", Type: MultiSelect, Options: []OptionInput{{Label: "a", Archived: ptr(true)}}},
			[]string{"CONFLICT input.key", "REQUIRED input.options"},
		},
		"options": {
			Draft{Label: "Size", Type: Select, Options: []OptionInput{{Key: ptr("a"), Label: "A"}, {Key: ptr("a"), Label: ""}, {ID: ptr("ato_x"), Label: "x"}}},
			[]string{"CONFLICT input.options.1.key", "NOT_FOUND input.options.2.id", "REQUIRED input.options.1.label"},
		},
		"too many options": {
			Draft{Label: "Size", Type: Select, Options: make([]OptionInput, MaxOptions+1)},
			[]string{"BAD_USER_INPUT input.options", "REQUIRED input.options"},
		},
		"numbers": {
			Draft{Label: "N", Type: Integer, Validation: &ValidationInput{Minimum: ptr("1.5"), Maximum: ptr("x")}},
			[]string{"BAD_USER_INPUT input.validation.maximum", "BAD_USER_INPUT input.validation.minimum"},
		},
		"an empty range": {
			Draft{Label: "N", Type: Decimal, Validation: &ValidationInput{Minimum: ptr("10"), Maximum: ptr("9.99")}},
			[]string{"BAD_USER_INPUT input.validation.maximum"},
		},
		"dates": {
			Draft{Label: "D", Type: Date, Validation: &ValidationInput{EarliestDate: ptr(day.AddDate(0, 0, 1)), LatestDate: &day}},
			[]string{"BAD_USER_INPUT input.validation.latestDate"},
		},
		"files": {
			Draft{Label: "F", Type: File, Accept: []string{"pdf", "image/*", "*/*"}, MaxFiles: ptr(1001)},
			[]string{"BAD_USER_INPUT input.accept.0", "BAD_USER_INPUT input.accept.2", "BAD_USER_INPUT input.maxFiles"},
		},
		"no type": {Draft{Label: "F", Type: "COLOUR"}, []string{"BAD_USER_INPUT input.type"}},
	} {
		chk := &check{newID: numbered()}
		create(chk, old, c.draft)
		if got := paths(chk.faults); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q\nwant %q", name, got, c.want)
		}
	}
	chk := &check{newID: numbered()}
	create(chk, make([]Definition, MaxDefinitions), Draft{Label: "One more", Type: Text})
	if got := paths(chk.faults); !slices.Equal(got, []string{"CONFLICT input"}) {
		t.Errorf("definition %d: got %q", MaxDefinitions+1, got)
	}
}

func TestPatternsThatCostTooMuchAreRefused(t *testing.T) {
	t.Parallel()
	for pattern, ok := range map[string]bool{
		`[A-Z]{2}-\d{4}`: true, `(a|b)*c`: true, `(.{100}){10}`: false, `\pL{500}\pL{501}`: false, `a{1001}`: false, `(`: false, `(?=a)`: false,
		`\1`: false, strings.Repeat("a", MaxPattern+1): false, strings.Repeat("a", MaxPattern): true, `(((\pL{9}){9}){9}){9}`: false,
	} {
		c := &check{}
		c.pattern([]string{"pattern"}, pattern)
		if (len(c.faults) == 0) != ok {
			t.Errorf("pattern %q: %v, want accepted %v", pattern, c.faults, ok)
		}
	}
	v := Validation{Pattern: "a|b"}
	for s, want := range map[string]bool{"a": true, "b": true, "ab": false, "xa": false, "a\n": false} {
		if v.Matches(s) != want {
			t.Errorf("%q matches a|b: %v, want %v", s, !want, want)
		}
	}
}

func sized() Definition {
	ids := numbered()
	return Definition{ID: ids(), Version: 3, Key: "size", Label: "Size", Type: Select, Options: []Option{
		{ID: ids(), Key: "s", Label: "S"}, {ID: ids(), Key: "m", Label: "M"}, {ID: ids(), Key: "l", Label: "L", Archived: true},
	}}
}

func optionID(d Definition, i int) *string {
	return ptr(typeid.Format(typeid.AttributeOption, d.Options[i].ID))
}

func TestOptionsAreEditedAsAList(t *testing.T) {
	t.Parallel()
	old := sized()
	c := &check{newID: func() uuid.UUID { return uuid.Max }}
	ch := update(c, old, Patch{Options: optional.Some([]OptionInput{
		{Label: "XS"}, {ID: optionID(old, 1), Label: "Medium"},
	})}, Use{Values: true, Options: map[uuid.UUID]bool{old.Options[0].ID: true}})
	if len(c.faults) > 0 {
		t.Fatal(c.faults)
	}
	var got []string
	for _, o := range ch.Definition.Options {
		got = append(got, fmt.Sprintf("%s %s %v", o.Key, o.Label, o.Archived))
	}
	// The new one first, the one that is named renamed, the one in use archived and last, the one that nobody has gone.
	if want := []string{"xs XS false", "m Medium false", "s S true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(ch.Removed) != 1 || ch.Removed[0] != old.Options[2].ID || !slices.Equal(ch.Fields, []string{"options"}) {
		t.Errorf("removed %v, fields %v", ch.Removed, ch.Fields)
	}
	for name, bad := range map[string][]OptionInput{
		"NOT_FOUND input.options.0.id":       {{ID: ptr(typeid.Format(typeid.AttributeOption, typeid.New())), Label: "x"}, {Label: "y"}},
		"BAD_USER_INPUT input.options.1.id":  {{ID: optionID(old, 0), Label: "x"}, {ID: optionID(old, 0), Label: "y"}},
		"BAD_USER_INPUT input.options.0.key": {{ID: optionID(old, 0), Key: ptr("other"), Label: "x"}},
		"CONFLICT input.options.0.key":       {{Key: ptr("l"), Label: "x"}},
	} {
		c := &check{newID: numbered()}
		update(c, old, Patch{Options: optional.Some(bad)}, Use{})
		if got := paths(c.faults); !slices.Equal(got, []string{name}) {
			t.Errorf("got %q, want %q", got, name)
		}
	}
}

func TestTheTypeIsFixedWhileThereAreValues(t *testing.T) {
	t.Parallel()
	old := sized()
	for _, c := range []struct {
		patch Patch
		use   Use
		want  []string
	}{
		{Patch{Type: optional.Some(ptr(Text))}, Use{Values: true}, []string{"CONFLICT input.type"}},
		{Patch{Type: optional.Some(ptr(Select))}, Use{Values: true}, []string{}},
		{Patch{Type: optional.Some(ptr(Type("X")))}, Use{}, []string{"BAD_USER_INPUT input.type"}},
		{Patch{Type: optional.Some[*Type](nil)}, Use{}, []string{"REQUIRED input.type"}},
		{Patch{Type: optional.Some(ptr(Text)), Options: optional.Some([]OptionInput{{Label: "x"}})}, Use{}, []string{"BAD_USER_INPUT input.options"}},
	} {
		chk := &check{newID: numbered()}
		update(chk, old, c.patch, c.use)
		if got := paths(chk.faults); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	chk := &check{newID: numbered()}
	ch := update(chk, old, Patch{Type: optional.Some(ptr(Text))}, Use{})
	if len(chk.faults) > 0 || ch.Definition.Options != nil || len(ch.Removed) != 3 || !slices.Equal(ch.Fields, []string{"options", "type"}) {
		t.Errorf("a type without options: %v, %+v", chk.faults, ch)
	}
}

func TestRulesOfTheOldTypeGoWithIt(t *testing.T) {
	t.Parallel()
	old := Definition{Label: "N", Type: Integer, Validation: Validation{Minimum: "1"}}
	c := &check{newID: numbered()}
	ch := update(c, old, Patch{Type: optional.Some(ptr(Text))}, Use{})
	if ch.Definition.Validation != (Validation{}) || len(c.faults) > 0 {
		t.Errorf("got %+v, %v", ch.Definition.Validation, c.faults)
	}
	if ch := update(c, old, Patch{Type: optional.Some(ptr(Decimal))}, Use{}); ch.Definition.Validation.Minimum != "1" {
		t.Errorf("a rule that both types have went: %+v", ch.Definition.Validation)
	}
	if ch := update(c, old, Patch{Label: optional.Some(ptr(" N"))}, Use{}); !ch.Nothing() {
		t.Errorf("an update to what is there changes %v", ch.Fields)
	}
}

func TestMovePutsADefinitionBehindAnother(t *testing.T) {
	t.Parallel()
	ids := numbered()
	all := []Definition{{ID: ids()}, {ID: ids()}, {ID: ids()}}
	places := func(order []uuid.UUID) (s string) {
		for _, id := range order {
			s += fmt.Sprint(id[15])
		}
		return s
	}
	for _, c := range []struct {
		i     int
		after *uuid.UUID
		want  string
	}{
		{0, &all[2].ID, "231"}, {0, &all[1].ID, "213"}, {2, nil, "312"}, {2, &all[0].ID, "132"}, {1, nil, "213"}, {0, nil, ""}, {1, &all[0].ID, ""},
	} {
		ch, err := move(all, c.i, c.after)
		if err != nil || places(ch.Order) != c.want || ch.Nothing() != (c.want == "") {
			t.Errorf("move %d: got %q, %v, want %q", c.i+1, places(ch.Order), err, c.want)
		}
	}
	for _, c := range []struct {
		after uuid.UUID
		want  fault.Code
	}{{all[1].ID, fault.BadUserInput}, {uuid.Max, fault.NotFound}} {
		if _, err := move(all, 1, &c.after); fault.CodeOf(err) != c.want {
			t.Errorf("behind %v: %v, want %s", c.after, err, c.want)
		}
	}
}

func TestOnlyAnUnusedDefinitionIsDeleted(t *testing.T) {
	t.Parallel()
	all := []Definition{sized(), {ID: uuid.Max}}
	if _, err := remove(all, 0, Use{Values: true}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("one with values: %v", err)
	}
	ch, err := remove(all, 0, Use{})
	if err != nil || !ch.Delete || len(ch.Removed) != 3 || !slices.Equal(ch.Order, []uuid.UUID{uuid.Max}) {
		t.Errorf("got %+v, %v", ch, err)
	}
}

func TestAnAreaStaysOneAndTheGeneralAreaHasNoRival(t *testing.T) {
	t.Parallel()
	for _, d := range []struct {
		draft Draft
		key   string
		want  []string
	}{
		{Draft{Label: "General", Type: File}, "general_2", []string{}},
		{Draft{Label: "General", Type: Text}, "general", []string{}},
		{Draft{Label: "x", Key: ptr(GeneralKey), Type: File}, "general", []string{"CONFLICT input.key"}},
		{
			Draft{Label: "Papers", Type: File, Accept: []string{"IMAGE", " Application/PDF ", "image"}, MaxFileBytes: ptr(int64(0))},
			"papers",
			[]string{"BAD_USER_INPUT input.accept.2", "BAD_USER_INPUT input.maxFileBytes"},
		},
		{Draft{Label: "x", Type: Text, MaxFileBytes: ptr(int64(1))}, "x", []string{"BAD_USER_INPUT input.maxFileBytes"}},
	} {
		c := &check{newID: numbered()}
		ch := create(c, nil, d.draft)
		if got := paths(c.faults); !slices.Equal(got, d.want) || ch.Definition.Key != d.key {
			t.Errorf("%+v: key %s, %q, want %s, %q", d.draft, ch.Definition.Key, got, d.key, d.want)
		}
	}
	for from, to := range map[Type]Type{File: Text, Text: File} {
		c := &check{newID: numbered()}
		update(c, Definition{Key: "x", Label: "X", Type: from}, Patch{Type: optional.Some(&to)}, Use{})
		if got := paths(c.faults); !slices.Equal(got, []string{"CONFLICT input.type"}) {
			t.Errorf("%s to %s: %q", from, to, got)
		}
	}
	c := &check{newID: numbered()}
	area := Definition{Label: "X", Type: File, MaxFileBytes: 5}
	if ch := update(c, area, Patch{MaxFileBytes: optional.Some(ptr(int64(6)))}, Use{}); ch.Definition.MaxFileBytes != 6 || !slices.Equal(ch.Fields, []string{"maxFileBytes"}) {
		t.Errorf("got %+v", ch)
	}
	if _, err := remove([]Definition{area}, 0, Use{Values: true}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("an area with documents: %v", err)
	}
}
