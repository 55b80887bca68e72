package customer

import (
	"maps"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/fault"
	"dossier/internal/text"
)

// check collects all that is wrong with an input, so that a client can show everything at once.
type check struct {
	faults fault.List
	newID  func() uuid.UUID
	// choices are what was chosen from lists of the account, to be looked up.
	choices []choice
	// definitions are the custom attributes in use; they are read when the input needs them.
	definitions []attribute.Definition
	// enforceRequired says that customers must have what the account requires.
	enforceRequired bool
	// refused are the keys of attributes about whose value something was said already.
	refused map[string]bool
}

// choice is what was chosen at a path of the input.
type choice struct {
	path []string
	Choice
}

// ask finds what is wrong that only the stored data can tell, and gives all that is wrong.
func (c *check) ask(stored Reading, f File) error {
	if len(c.choices) > 0 {
		list := make([]Choice, len(c.choices))
		for i, ch := range c.choices {
			list[i] = ch.Choice
		}
		known, err := stored.Choices(list)
		if err != nil {
			return err
		}
		for i, ch := range c.choices {
			switch {
			case !known[i].Exists:
				c.missing(ch.path, string(ch.List))
			case known[i].Archived:
				c.faults = append(c.faults, fault.At(fault.Conflict, ch.path, "This %s is archived and cannot be chosen any more.", ch.List))
			}
		}
	}
	if f.ExternalID != "" {
		taken, err := stored.ExternalIDTaken(f.ExternalID, f.ID)
		if err != nil {
			return err
		}
		if taken {
			c.faults = append(c.faults, ExternalIDTaken())
		}
	}
	return c.faults.Err()
}

func (c *check) bad(path []string, format string, args ...any) {
	c.faults = append(c.faults, fault.At(fault.BadUserInput, path, format, args...))
}

func (c *check) required(path []string, format string, args ...any) {
	c.faults = append(c.faults, fault.At(fault.Required, path, format, args...))
}

func (c *check) missing(path []string, noun string) {
	c.faults = append(c.faults, fault.At(fault.NotFound, path, "The %s does not exist here.", noun))
}

// at extends a path without touching the one it is made from.
func at(path []string, more ...string) []string { return append(slices.Clip(path), more...) }

func item(path []string, i int) []string { return at(path, strconv.Itoa(i)) }

// line reads a text of one line; "" stands for null.
func (c *check) line(path []string, s *string, maximum int) string {
	if s == nil {
		return ""
	}
	line, problem := text.Line(*s, maximum)
	c.add(path, problem)
	return line
}

// lines is line for a text that may have several.
func (c *check) lines(path []string, s *string, maximum int) string {
	if s == nil {
		return ""
	}
	lines, problem := text.Lines(*s, maximum)
	c.add(path, problem)
	return lines
}

func given(fields map[string]bool) []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name := range maps.Keys(fields) {
			if fields[name] && !yield(name) {
				return
			}
		}
	})
}

// ExternalIDTaken is the fault of an external id that another customer has, found by the rules or, of two that ask for it at
// once, by the store.
func ExternalIDTaken() *fault.Error {
	return fault.At(fault.Conflict, []string{"input", "externalId"}, "Another customer has this external id. Use customerUpsert to change that one.")
}
