package document

import (
	"slices"
	"time"

	"dossier/internal/fault"
	"dossier/internal/timeline"
)

// Fields gives the names of what is given, sorted.
func (p Patch) Fields() []string {
	var names []string
	for _, f := range []struct {
		name  string
		given bool
	}{
		{FieldDescription, p.Description.Given},
		{FieldExpiresOn, p.ExpiresOn.Given},
		{FieldPurpose, p.Purpose.Given},
		{FieldRetentionUntil, p.RetentionUntil.Given},
		{FieldTags, p.Tags.Given},
		{FieldTitle, p.Title.Given},
		{FieldVisibility, p.Visibility.Given},
	} {
		if f.given {
			names = append(names, f.name)
		}
	}
	return names
}

// clean gives the values the form in which they are kept, and refuses what cannot be.
func (p *Patch) clean() error {
	var list fault.List
	add := func(err error) { list = append(list, fault.AsList(err)...) }
	at := func(name string) []string { return []string{"input", name} }
	if p.Title.Given {
		title, err := cleanTitle(value(p.Title.Value), at(FieldTitle))
		add(err)
		if title == "" && err == nil {
			add(fault.At(fault.Required, at(FieldTitle), "A document needs a title. Leave the field out to keep the one it has."))
		}
		p.Title.Value = &title
	}
	if p.Description.Given {
		description, err := cleanDescription(value(p.Description.Value))
		add(err)
		p.Description.Value = &description
	}
	if p.Tags.Given {
		tags, err := cleanTags(p.Tags.Value)
		add(err)
		p.Tags.Value = tags
	}
	if p.Purpose.Value != nil {
		add(checkOneOf(*p.Purpose.Value, purposes, at(FieldPurpose)))
	}
	if p.Visibility.Given && p.Visibility.Value == nil {
		add(fault.At(fault.Required, at(FieldVisibility), "A document is for somebody to see. Leave the field out to keep it as it is."))
	} else if p.Visibility.Given {
		add(checkOneOf(*p.Visibility.Value, visibilities, at(FieldVisibility)))
	}
	add(checkDate(p.ExpiresOn.Value, at(FieldExpiresOn)))
	add(checkDate(p.RetentionUntil.Value, at(FieldRetentionUntil)))
	return list.Err()
}

func value[T any](v *T) (out T) {
	if v != nil {
		out = *v
	}
	return out
}

// Apply gives the change from d; what is as it was is no change.
func (p Patch) Apply(d Document) Change {
	ch := Change{Document: d, Event: timeline.DocumentUpdated}
	next := &ch.Document
	set := func(name string, given, same bool, change func()) {
		if given && !same {
			change()
			ch.Fields = append(ch.Fields, name)
		}
	}
	texts := func(name string, given bool, v *string, to *string) {
		set(name, given, value(v) == *to, func() { *to = value(v) })
	}
	dates := func(name string, given bool, v *time.Time, to **time.Time) {
		set(name, given, sameDate(v, *to), func() { *to = v })
	}
	texts(FieldDescription, p.Description.Given, p.Description.Value, &next.Description)
	dates(FieldExpiresOn, p.ExpiresOn.Given, p.ExpiresOn.Value, &next.ExpiresOn)
	texts(FieldPurpose, p.Purpose.Given, p.Purpose.Value, &next.Purpose)
	dates(FieldRetentionUntil, p.RetentionUntil.Given, p.RetentionUntil.Value, &next.RetentionUntil)
	set(FieldTags, p.Tags.Given, slices.Equal(p.Tags.Value, d.Tags), func() { next.Tags = p.Tags.Value })
	texts(FieldTitle, p.Title.Given, p.Title.Value, &next.Title)
	texts(FieldVisibility, p.Visibility.Given, p.Visibility.Value, &next.Visibility)
	slices.Sort(ch.Fields)
	return ch
}

func sameDate(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Format(time.DateOnly) == b.Format(time.DateOnly)
}
