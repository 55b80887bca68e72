package read

import (
	"maps"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// filterCheck looks whether each value that a filter can get changes the statement: one that leaves it as it is was forgotten.
type filterCheck struct {
	*checker
	name    string
	filter  func(*filter) error
	without string
}

// filters compiles each member of the arguments of a filter alone.
func (c *checker) filters(name string, names []string, apply func(*filter) error, def *ast.FieldDefinition) {
	f := filterCheck{checker: c, name: name, filter: apply}
	var err error
	if f.without, err = c.where(apply, arguments{}); err != nil {
		c.broken("%s: its filter refuses to be empty: %w", name, err)
		return
	}
	for _, argName := range names {
		arg := def.Arguments.ForName(argName)
		t := c.schema.Types[arg.Type.Name()]
		switch {
		case t.Kind != ast.InputObject:
			if arg.Type.Elem != nil && !f.reads(arg.Type, func(v any) arguments { return arguments{argName: v} }) {
				c.broken("%s does not read its argument %s", name, argName)
			}
		case t.Fields.ForName("direction") == nil:
			for _, member := range t.Fields {
				f.member(argName, member)
			}
		}
	}
}

// reads says whether a value changes the statement. Which type an id must be of only the filter knows, so all are tried.
func (f filterCheck) reads(t *ast.Type, with func(v any) arguments) bool {
	var refused error
	for _, prefix := range slices.Sorted(maps.Keys(f.e.prefixes)) {
		v := sample(f.schema, t, prefix)
		text, err := f.where(f.filter, with(v))
		if err == nil && text == f.without && v == true { // true may be what holds without it
			text, err = f.where(f.filter, with(false))
		}
		if err == nil {
			return text != f.without
		}
		refused = err
	}
	f.broken("%s: its filter refuses a sound value: %w", f.name, refused)
	return true
}

func (f filterCheck) member(argName string, member *ast.FieldDefinition) {
	if !f.reads(member.Type, func(v any) arguments { return arguments{argName: arguments{member.Name: v}} }) {
		f.broken("%s does not read %s.%s", f.name, argName, member.Name)
	}
	def := f.schema.Types[member.Type.Name()]
	if member.Type.Elem == nil || def.Kind != ast.InputObject || def.Fields.ForName("or") != nil {
		return
	}
	// A list of conditions of their own: each member of one must change what is there without it.
	inner := f
	with := func(name string, v any) arguments {
		one, _ := sample(f.schema, member.Type.Elem, "").(arguments)
		if name != "" {
			one[name] = v
		}
		return arguments{argName: arguments{member.Name: []any{one}}}
	}
	inner.without, _ = f.where(f.filter, with("", nil))
	for _, deeper := range def.Fields {
		if !deeper.Type.NonNull && !inner.reads(deeper.Type, func(v any) arguments { return with(deeper.Name, v) }) {
			f.broken("%s does not read %s.%s.%s", f.name, argName, member.Name, deeper.Name)
		}
	}
}

// where gives the text of the conditions for some arguments.
func (c *checker) where(apply func(*filter) error, args arguments) (string, error) {
	comp := c.e.newCompiler(&request{env: &environment{config: &c.e.config}, now: c.e.config.Now()}, nil)
	comp.b.args = []arguments{args}
	f := &filter{c: comp, arguments: args}
	if err := apply(f); err != nil {
		return "", err
	}
	w := newWriter(comp.u)
	w.and(f.conds, "t")
	w.and(f.sifted, "t")
	if f.having != nil {
		w.havers(f.having, "t")
	}
	return w.sql.String(), nil
}
