package catalog

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/fold"
	"dossier/internal/text"
)

// Change is what becomes of a list: what the store writes, all of it or nothing.
type Change struct {
	// Item is the item that the change is about, as it will be. Exactly one of New, Remove and Fields says what happens
	// to it; with none of them nothing is written.
	Item        Item
	New, Remove bool
	// Fields names what differs from the stored item, in the spelling of the schema and sorted.
	Fields []string
	// Moved are the new places of other items.
	Moved map[uuid.UUID]int
}

// Nothing says whether the change changes nothing.
func (ch Change) Nothing() bool { return !ch.New && !ch.Remove && len(ch.Fields) == 0 }

// check collects all that is wrong with an input.
type check struct {
	list   List
	faults fault.List
}

func (c *check) bad(code fault.Code, field, format string, args ...any) {
	c.faults = append(c.faults, fault.At(code, []string{"input", field}, format, args...))
}

// item reads a draft, all but what depends on the list as it is.
func (c *check) item(id uuid.UUID, d Draft) Item {
	item := Item{ID: id, Version: 1}
	c.label(&item, d.Label)
	if d.Key != nil {
		item.Key = *d.Key
		if !keyForm.MatchString(item.Key) || len(item.Key) > MaxKey {
			c.bad(fault.BadUserInput, "key", "A key has lower case letters from a to z, digits, and single underscores between them; at most %d characters.", MaxKey)
		}
	}
	if c.list.Zoned {
		c.zone(&item, d.TimeZone)
	}
	c.duration(&item, d.DurationMinutes)
	return item
}

var keyForm = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)

func (c *check) label(item *Item, s string) {
	line, problem := text.Line(s, MaxLabel)
	switch {
	case problem != "":
		c.bad(fault.BadUserInput, c.list.Label, "%s", problem)
	case line == "":
		c.bad(fault.Required, c.list.Label, "Give the %s a %s.", c.list.Word, c.list.Label)
	}
	item.Label = line
}

func (c *check) zone(item *Item, s *string) {
	if s == nil {
		s = new(string)
	}
	zone, problem := text.TimeZone(*s)
	if problem != "" {
		c.bad(fault.BadUserInput, "timeZone", "%s", problem)
	}
	item.TimeZone = zone
}

func (c *check) duration(item *Item, minutes *int) {
	item.DurationMinutes = 0
	if minutes == nil {
		return
	}
	if *minutes < 1 || *minutes > MaxDuration {
		c.bad(fault.BadUserInput, "durationMinutes", "A duration is 1 to %d minutes.", MaxDuration)
	}
	item.DurationMinutes = *minutes
}

// unique holds that nobody has to choose between two items that look the same.
func (c *check) unique(items []Item, item Item, path ...string) {
	for _, other := range items {
		if other.ID != item.ID && other.ArchivedAt == nil && fold.Label(other.Label) == fold.Label(item.Label) {
			c.faults = append(c.faults, fault.At(fault.Conflict, path,
				"There is another %s with the %s %q. Choose another one, or rename or archive that one first.", c.list.Word, c.list.Label, other.Label))
		}
	}
}

// room holds that a list stays one that somebody can choose from.
func (c *check) room(items []Item, path ...string) {
	choosable := 0
	for _, item := range items {
		if item.ArchivedAt == nil {
			choosable++
		}
	}
	if choosable >= MaxItems {
		c.faults = append(c.faults, fault.At(fault.Conflict, path, "The list has %d items, which is the most that it can have. Archive one first.", choosable))
	}
}

// create puts a new item at the end of the list.
func create(c *check, items []Item, item Item) Change {
	c.room(items, "input")
	if len(items) >= MaxStored {
		c.faults = append(c.faults, fault.At(fault.Conflict, []string{"input"}, "There are %d items, archived ones included. Delete some that nothing uses.", len(items)))
	}
	c.unique(items, item, "input", c.list.Label)
	used := func(key string) bool { return slices.ContainsFunc(items, func(i Item) bool { return i.Key == key }) }
	if item.Key == "" {
		item.Key = keyOf(c.list, item.Label)
		for n, base := 2, item.Key; used(item.Key); n++ {
			item.Key = base + "_" + strconv.Itoa(n)
		}
	} else if used(item.Key) {
		c.bad(fault.Conflict, "key", "Another %s has this key, perhaps an archived one. Choose another one.", c.list.Word)
	}
	if n := len(items); n > 0 {
		item.Position = items[n-1].Position + 1
	}
	return Change{Item: item, New: true}
}

// keyOf makes a key of a label: what is left of it in the letters and digits that a key may have.
func keyOf(l List, label string) string {
	label = strings.NewReplacer("'", "", "’", "").Replace(fold.Text(label))
	words := strings.FieldsFunc(label, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	key := strings.Join(words, "_")
	if len(key) > MaxKey-10 { // room for the number of a second one
		key = strings.TrimRight(key[:MaxKey-10], "_")
	}
	if key == "" {
		key = strings.ReplaceAll(l.Word, " ", "_")
	}
	return key
}

// update changes what the patch gives.
func update(c *check, items []Item, old Item, p Patch) Change {
	next := old
	if p.Label.Given {
		label := ""
		if p.Label.Value != nil {
			label = *p.Label.Value
		}
		c.label(&next, label)
		if old.ArchivedAt == nil && len(c.faults) == 0 {
			c.unique(items, next, "input", c.list.Label)
		}
	}
	if p.TimeZone.Given && c.list.Zoned {
		c.zone(&next, p.TimeZone.Value)
	}
	if p.DurationMinutes.Given && c.list.Timed {
		c.duration(&next, p.DurationMinutes.Value)
	}
	ch := Change{Item: next}
	for _, f := range []struct {
		name    string
		changed bool
	}{
		{"durationMinutes", old.DurationMinutes != next.DurationMinutes},
		{c.list.Label, old.Label != next.Label},
		{"timeZone", old.TimeZone != next.TimeZone},
	} {
		if f.changed {
			ch.Fields = append(ch.Fields, f.name)
		}
	}
	return ch
}

// fields names what the patch gives.
func (p Patch) fields(l List) []string {
	var names []string
	for name, given := range map[string]bool{l.Label: p.Label.Given, "timeZone": p.TimeZone.Given, "durationMinutes": p.DurationMinutes.Given} {
		if given {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// move puts an item behind another one, or first when there is none. All places are numbered anew, so that they stay
// small and different whatever was deleted before.
func move(items []Item, i int, after *uuid.UUID) (Change, error) {
	rest := slices.Delete(slices.Clone(items), i, i+1)
	to := 0
	if after != nil {
		k := slices.IndexFunc(rest, func(item Item) bool { return item.ID == *after })
		switch {
		case *after == items[i].ID:
			return Change{}, fault.At(fault.BadUserInput, []string{"afterId"}, "An item cannot come behind itself. Name the one that is to be before it.")
		case k < 0:
			return Change{}, fault.At(fault.NotFound, []string{"afterId"}, "There is no such item in this list of this account.")
		}
		to = k + 1
	}
	if to == i {
		return Change{Item: items[i]}, nil
	}
	ch := Change{Item: items[i], Fields: []string{"position"}, Moved: map[uuid.UUID]int{}}
	for place, item := range slices.Insert(rest, to, items[i]) {
		switch {
		case item.ID == ch.Item.ID:
			ch.Item.Position = place
		case item.Position != place:
			ch.Moved[item.ID] = place
		}
	}
	return ch, nil
}

func archive(old Item, now time.Time) Change {
	if old.ArchivedAt != nil {
		return Change{Item: old}
	}
	old.ArchivedAt = &now
	return Change{Item: old, Fields: []string{"archivedAt"}}
}

func restore(c *check, items []Item, old Item) Change {
	if old.ArchivedAt == nil {
		return Change{Item: old}
	}
	old.ArchivedAt = nil
	c.room(items, "id")
	c.unique(items, old, "id")
	return Change{Item: old, Fields: []string{"archivedAt"}}
}
