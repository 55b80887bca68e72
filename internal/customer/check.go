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
	// definitions are the custom attributes in use; they are read when the input needs them.
	definitions []attribute.Definition
	// enforceRequired says that customers must have what the account requires.
	enforceRequired bool
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
