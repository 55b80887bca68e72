package read

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// paging are the arguments that every connection may have.
var paging = []string{"first", "after", "last", "before"}

// connection checks a field with pages: its type, its arguments, its orders, and that each member of its filter changes
// the statement.
func (c *checker) connection(name string, conn *connection, def *ast.FieldDefinition) {
	target := c.e.nouns[conn.noun]
	if target == nil {
		c.broken("%s is a list of %s, which is declared nowhere", name, conn.noun)
		return
	}
	c.connectionType(name, conn, def.Type)
	if conn.foreignKey != "" {
		c.column(name, target, conn.foreignKey, kindID, true)
	}
	c.arguments(name, append([]string{"first", "after"}, conn.arguments...), paging, def)
	for _, args := range c.choices(def.Arguments) {
		c.order(name, target, conn.orders(args))
	}
	if len(c.errs) == 0 && conn.filter != nil {
		c.filters(name, conn.arguments, conn.filter, def)
	}
}

// arguments checks that the arguments that are read are those of the SDL; optional ones may be in it.
func (c *checker) arguments(name string, read, optional []string, def *ast.FieldDefinition) {
	for _, arg := range def.Arguments {
		if !slices.Contains(optional, arg.Name) && !slices.Contains(read, arg.Name) {
			c.broken("%s has the argument %s, which nothing reads", name, arg.Name)
		}
	}
	for _, arg := range read {
		if def.Arguments.ForName(arg) == nil {
			c.broken("%s reads the argument %s, which is not in the SDL", name, arg)
		}
	}
}

// connectionType checks the shape that pages are written in.
func (c *checker) connectionType(name string, conn *connection, t *ast.Type) {
	def := c.schema.Types[t.Name()]
	if !t.NonNull || t.Elem != nil || def == nil || !strings.HasSuffix(def.Name, "Connection") {
		c.broken("%s is %s in the SDL; a connection is XConnection!", name, t)
		return
	}
	edge := strings.TrimSuffix(def.Name, "Connection") + "Edge"
	want := map[string]string{"edges": "[" + edge + "!]!", "nodes": "[" + conn.noun + "!]!", "pageInfo": "PageInfo!", "totalCount": "Int!"}
	c.fieldsAre(def, want)
	cursor := "String!"
	if edgeDef := c.schema.Types[edge]; edgeDef != nil {
		c.fieldsAre(edgeDef, map[string]string{"cursor": cursor, "node": conn.noun + "!"})
	}
}

func (c *checker) fieldsAre(def *ast.Definition, want map[string]string) {
	for _, f := range def.Fields {
		if want[f.Name] != f.Type.String() {
			c.broken("%s.%s is %s in the SDL; a connection has %s", def.Name, f.Name, f.Type, want[f.Name])
		}
	}
	if len(def.Fields) != len(want) {
		c.broken("%s has %d fields; it must have %d", def.Name, len(def.Fields), len(want))
	}
}

// choices are the arguments with each value of each enumeration in them, so that every order is seen.
func (c *checker) choices(defs ast.ArgumentDefinitionList) []arguments {
	list := []arguments{{}}
	for _, arg := range defs {
		def := c.schema.Types[arg.Type.Name()]
		switch {
		case arg.Type.Elem != nil:
		case def.Kind == ast.Enum:
			for _, v := range def.EnumValues {
				list = append(list, arguments{arg.Name: v.Name})
			}
		case def.Kind == ast.InputObject && def.Fields.ForName("direction") != nil:
			for _, v := range c.schema.Types[def.Fields.ForName("field").Type.Name()].EnumValues {
				list = append(list, arguments{arg.Name: arguments{"field": v.Name, "direction": "ASC"}},
					arguments{arg.Name: arguments{"field": v.Name, "direction": "DESC"}})
			}
		}
	}
	return list
}

// filters compiles each member of a connection's filter alone: one that leaves the statement as it is was forgotten.
func (c *checker) filters(name string, names []string, apply func(*filter) error, def *ast.FieldDefinition) {
	without := c.where(name, apply, arguments{})
	for _, argName := range names {
		arg := def.Arguments.ForName(argName)
		t := c.schema.Types[arg.Type.Name()]
		switch {
		case t.Kind != ast.InputObject:
			if v := sample(c.schema, arg.Type); v != nil && arg.Type.Elem != nil && c.where(name, apply, arguments{argName: v}) == without {
				c.broken("%s does not read its argument %s", name, argName)
			}
		case t.Fields.ForName("direction") == nil:
			for _, member := range t.Fields {
				v := sample(c.schema, member.Type)
				text := c.where(name, apply, arguments{argName: arguments{member.Name: v}})
				if text == without {
					c.broken("%s does not read %s.%s", name, argName, member.Name)
				}
				c.members(name, apply, []string{argName, member.Name}, member.Type, text)
			}
		}
	}
}

// members goes on with filters in a member that is a list of input objects of another type: each of their members must
// change the statement as well.
func (c *checker) members(name string, apply func(*filter) error, path []string, t *ast.Type, without string) {
	def := c.schema.Types[t.Name()]
	if t.Elem == nil || def.Kind != ast.InputObject || def.Fields.ForName("or") != nil {
		return
	}
	for _, member := range def.Fields {
		if member.Type.NonNull {
			continue // it is in each sample
		}
		values := []any{sample(c.schema, member.Type)}
		if values[0] == true {
			values = append(values, false) // true may be what holds without it
		}
		if !slices.ContainsFunc(values, func(v any) bool {
			one := sample(c.schema, t.Elem).(arguments)
			one[member.Name] = v
			return c.where(name, apply, arguments{path[0]: arguments{path[1]: []any{one}}}) != without
		}) {
			c.broken("%s does not read %s.%s.%s", name, path[0], path[1], member.Name)
		}
	}
}

// where gives the text of the conditions for some arguments.
func (c *checker) where(name string, apply func(*filter) error, args arguments) string {
	comp := c.e.newCompiler(&request{env: &environment{config: &c.e.config}, now: c.e.config.Now()}, nil)
	comp.b.args = []arguments{args}
	f := &filter{c: comp, arguments: args}
	if err := apply(f); err != nil {
		c.broken("%s: its filter refuses a sound value: %w", name, err)
	}
	w := newWriter(comp.u)
	w.and(f.conds, "t")
	return w.sql.String()
}

// sample is some value of an input type.
func sample(schema *ast.Schema, t *ast.Type) any {
	if t.Elem != nil {
		return []any{sample(schema, t.Elem)}
	}
	def := schema.Types[t.NamedType]
	switch {
	case def.Kind == ast.Enum:
		return def.EnumValues[0].Name
	case def.Name == "DateTimeFilter":
		return arguments{"gte": "2026-01-01T00:00:00Z"}
	case def.Kind == ast.InputObject && !slices.ContainsFunc(def.Fields, func(f *ast.FieldDefinition) bool { return f.Type.NonNull }):
		if def.Fields.ForName("eq") != nil {
			return arguments{"eq": sample(schema, def.Fields.ForName("eq").Type)}
		}
		return arguments{}
	case def.Kind == ast.InputObject:
		out := arguments{}
		for _, f := range def.Fields {
			if f.Type.NonNull {
				out[f.Name] = sample(schema, f.Type)
			}
		}
		return out
	case def.Name == "BigInt":
		return int64(1)
	case def.Name == "Date":
		return "2026-01-01"
	case def.Name == "Boolean":
		return true
	case def.Name == "ID":
		return "cus_01h455vb4pex5vsknk084sn02q"
	}
	return "1"
}
