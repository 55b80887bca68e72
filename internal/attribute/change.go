package attribute

import (
	"slices"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// Change is what a use case does to the definitions of an account: what the store writes, all of it or nothing.
type Change struct {
	// Definition is the definition as it will be. Fields names what differs from the stored one, in the spelling of the
	// schema and sorted; with none, and neither New nor Delete, nothing is stored. Options are written when Fields names them.
	Definition  Definition
	Fields      []string
	New, Delete bool
	// Removed are the options to delete.
	Removed []uuid.UUID
	// Order is all definitions in their new order; nil where it stays.
	Order []uuid.UUID
	// Event is the type of the event.
	Event string
}

// Nothing says whether the change changes nothing.
func (ch Change) Nothing() bool { return !ch.New && !ch.Delete && len(ch.Fields) == 0 }

// Use is how customers use a definition, and could.
type Use struct {
	// Values says whether any customer has a value, of FILE a document, archived or not, or an upload in progress.
	Values bool
	// Options are those that a customer has.
	Options map[uuid.UUID]bool
	// CustomerTypes are all types that customers can have.
	CustomerTypes []uuid.UUID
}

// create makes the definition that the draft asks for, the last in order.
func create(c *check, all []Definition, d Draft) Change {
	path := []string{"input"}
	if len(all) >= MaxDefinitions {
		c.faults = append(c.faults, fault.At(fault.Conflict, path,
			"The account has %d custom attributes, which is the most it can have. Delete one first.", len(all)))
	}
	def := Definition{
		ID: c.newID(), Version: 1, Type: c.ofType(path, d.Type), Label: c.label(path, d.Label), Description: c.description(path, d.Description),
		Required: d.Required, CustomerVisible: d.CustomerVisible, Position: len(all),
	}
	for _, other := range all {
		def.Position = max(def.Position, other.Position+1)
	}
	taken := func(key string) bool {
		return def.Type == File && key == GeneralKey || slices.ContainsFunc(all, func(other Definition) bool { return other.Key == key })
	}
	def.Key = c.key(at(path, "key"), d.Key, def.Label, "attribute", taken, "custom attribute")
	def.CustomerTypes = c.customerTypes(at(path, "customerTypeIds"), d.CustomerTypeIDs)
	def.Options, _ = c.options(at(path, "options"), nil, d.Options, nil)
	def.Validation = c.validation(at(path, "validation"), def.Type, d.Validation)
	def.Accept, def.MaxFiles = c.accept(at(path, "accept"), d.Accept), c.maxFiles(at(path, "maxFiles"), d.MaxFiles)
	def.MaxFileBytes = c.maxFileBytes(at(path, "maxFileBytes"), d.MaxFileBytes)
	c.fits(path, def)
	return Change{Definition: def, New: true, Event: timeline.AttributeCreated}
}

// update makes the change that the patch asks for.
func update(c *check, old Definition, p Patch, use Use) Change {
	path := []string{"input"}
	next := old
	ch := Change{Event: timeline.AttributeUpdated}
	if p.Label.Given {
		next.Label = c.label(path, value(p.Label.Value))
	}
	if p.Description.Given {
		next.Description = c.description(path, p.Description.Value)
	}
	if p.Required.Given {
		next.Required = value(p.Required.Value)
	}
	if p.CustomerVisible.Given {
		next.CustomerVisible = value(p.CustomerVisible.Value)
	}
	if p.Type.Given {
		next.Type = c.changeType(at(path, "type"), old, value(p.Type.Value), use)
	}
	if next.Type != old.Type { // what the new type does not have goes with the old one
		next = next.forType()
		if !next.Type.chosen() && !p.Options.Given {
			for _, o := range old.Options {
				ch.Removed = append(ch.Removed, o.ID)
			}
		}
	}
	if p.Options.Given {
		next.Options, ch.Removed = c.options(at(path, "options"), old.Options, p.Options.Value, use.Options)
	}
	if p.CustomerTypeIDs.Given {
		next.CustomerTypes = c.customerTypes(at(path, "customerTypeIds"), p.CustomerTypeIDs.Value)
	}
	if p.Validation.Given {
		next.Validation = c.validation(at(path, "validation"), next.Type, p.Validation.Value)
	}
	if p.Accept.Given {
		next.Accept = c.accept(at(path, "accept"), p.Accept.Value)
	}
	if p.MaxFiles.Given {
		next.MaxFiles = c.maxFiles(at(path, "maxFiles"), p.MaxFiles.Value)
	}
	if p.MaxFileBytes.Given {
		next.MaxFileBytes = c.maxFileBytes(at(path, "maxFileBytes"), p.MaxFileBytes.Value)
	}
	c.fits(path, next)
	ch.Definition, ch.Fields = next, diff(old, next)
	return ch
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// forType drops what definitions of the type do not have.
func (d Definition) forType() Definition {
	if !d.Type.chosen() {
		d.Options = nil
	}
	d.Validation = d.Validation.of(d.Type)
	return d
}

func diff(a, b Definition) []string {
	return named(map[string]bool{
		"label": a.Label != b.Label, "description": a.Description != b.Description, "type": a.Type != b.Type, "required": a.Required != b.Required,
		"customerVisible": a.CustomerVisible != b.CustomerVisible, "options": !slices.Equal(a.Options, b.Options),
		"customerTypeIds": !slices.Equal(a.CustomerTypes, b.CustomerTypes),
		"validation":      !a.Validation.equal(b.Validation), "accept": !slices.Equal(a.Accept, b.Accept), "maxFiles": a.MaxFiles != b.MaxFiles,
		"maxFileBytes": a.MaxFileBytes != b.MaxFileBytes,
	})
}

// move puts a definition behind another one, or first when there is none.
func move(all []Definition, i int, after *uuid.UUID) (Change, error) {
	path := []string{"afterId"}
	ids := make([]uuid.UUID, 0, len(all))
	for k, d := range all {
		if k != i {
			ids = append(ids, d.ID)
		}
	}
	place := 0
	if after != nil {
		if *after == all[i].ID {
			return Change{}, fault.At(fault.BadUserInput, path, "A custom attribute cannot stand behind itself.")
		}
		if place = slices.Index(ids, *after) + 1; place == 0 {
			return Change{}, missing(path)
		}
	}
	ch := Change{Definition: all[i], Event: timeline.AttributeUpdated}
	if place == i {
		return ch, nil
	}
	ch.Order, ch.Fields = slices.Insert(ids, place, all[i].ID), []string{"position"}
	return ch, nil
}

// remove deletes a definition that nobody uses.
func remove(all []Definition, i int, use Use) (Change, error) {
	if use.Values && all[i].Type == File {
		return Change{}, fault.At(fault.Conflict, []string{"id"},
			"There are documents in this area, or uploads to it. Archive the custom attribute, or move or delete them first.")
	}
	if use.Values {
		return Change{}, fault.At(fault.Conflict, []string{"id"}, "Customers have values of this custom attribute. Archive it, or empty it first.")
	}
	ch := Change{Definition: all[i], Delete: true, Event: timeline.AttributeDeleted}
	for k, d := range all {
		if k != i {
			ch.Order = append(ch.Order, d.ID)
		}
	}
	for _, o := range all[i].Options {
		ch.Removed = append(ch.Removed, o.ID)
	}
	return ch, nil
}

func missing(path []string) error {
	return fault.At(fault.NotFound, path, "The custom attribute does not exist in this account.")
}

// changeType refuses another type while there are values.
func (c *check) changeType(path []string, old Definition, t Type, use Use) Type {
	switch {
	case t == "":
		c.required(path, "A custom attribute has a type; it cannot be emptied.")
		return old.Type
	case t != old.Type && use.Values:
		c.faults = append(c.faults, fault.At(fault.Conflict, path,
			"The type cannot be changed while customers have values. Define another custom attribute, or empty this one first."))
		return old.Type
	case !slices.Contains(types, t):
		c.bad(path, "There is no such type of custom attributes.")
		return old.Type
	case t != old.Type && (t == File || old.Type == File):
		c.faults = append(c.faults, fault.At(fault.Conflict, path,
			"An area for documents (FILE) stays one, and nothing else becomes one. Define another custom attribute."))
		return old.Type
	}
	return t
}

// options makes the new list of options: an entry with an id changes that one of the old list, one without is new, and the
// old ones that are not named are removed, or archived and last where somebody has them.
func (c *check) options(path []string, old []Option, in []OptionInput, inUse map[uuid.UUID]bool) (list []Option, removed []uuid.UUID) {
	if len(in) > MaxOptions {
		c.bad(path, "This list has %d options; at most %d are accepted.", len(in), MaxOptions)
		return old, nil
	}
	taken := make(map[string]bool, len(in))
	for _, o := range old {
		taken[o.Key] = true
	}
	named := make(map[uuid.UUID]bool, len(in))
	for i, entry := range in {
		here := item(path, i)
		var next Option
		if entry.ID != nil {
			id, err := typeid.ParseAs(typeid.AttributeOption, *entry.ID)
			k := slices.IndexFunc(old, func(o Option) bool { return o.ID == id })
			// SECURITY: only an id of this very list is accepted, so an input can never reach another account's row.
			if err != nil || k < 0 {
				c.faults = append(c.faults, fault.At(fault.NotFound, at(here, "id"), "The option does not exist here."))
				continue
			}
			if next = old[k]; named[id] {
				c.bad(at(here, "id"), "This id is in the list twice. Remove one.")
			}
			if entry.Key != nil && *entry.Key != next.Key {
				c.bad(at(here, "key"), "The key of an option is never changed. Add another option instead.")
			}
			named[id] = true
			next.Label = c.label(here, entry.Label)
		} else {
			next.ID, next.Label = c.newID(), c.label(here, entry.Label)
			next.Key = c.key(at(here, "key"), entry.Key, next.Label, "option", func(key string) bool { return taken[key] }, "option")
			taken[next.Key] = true
		}
		if entry.Archived != nil {
			next.Archived = *entry.Archived
		}
		list = append(list, next)
	}
	for _, o := range old {
		switch {
		case named[o.ID]:
		case inUse[o.ID]:
			o.Archived = true
			list = append(list, o)
		default:
			removed = append(removed, o.ID)
		}
	}
	if len(list) > MaxOptions && len(in) <= MaxOptions {
		c.bad(path, "With the archived options that customers have there are %d; at most %d are accepted.", len(list), MaxOptions)
	}
	return list, removed
}

func eventOf(archived bool) string {
	if archived {
		return timeline.AttributeArchived
	}
	return timeline.AttributeRestored
}
